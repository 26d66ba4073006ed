"""What the deployment gives Prometheus and Grafana, and a real Prometheus to ask."""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
import yaml

from tests.support.processes import free_port, running, wait_until

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
ALERTS_PAGE = DEPLOY.parent / "docs" / "operations" / "alerts.md"
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
# What Grafana fills in. The interval spans several scrapes of a test.
VARIABLES = {"$__rate_interval": "1m", "$api": ".+"}


def alerts() -> list[dict]:
    groups = yaml.safe_load((DEPLOY / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels(dashboard: Path) -> list[dict]:
    return json.loads(dashboard.read_text(encoding="utf-8"))["panels"]


def queries(dashboard: Path) -> list[tuple[str, str]]:
    """Return the title and the query of each target of each panel, as Grafana sends it."""
    found = [(panel["title"], target["expr"]) for panel in panels(dashboard) for target in panel["targets"]]
    for name, value in VARIABLES.items():
        found = [(title, query.replace(name, value)) for title, query in found]
    return found


def metrics_in(query: str) -> set[str]:
    return set(re.findall(r"\bthumbnails_\w+", query))


@dataclass(frozen=True)
class Prometheus:
    url: str

    def is_ready(self) -> bool:
        return requests.get(f"{self.url}/-/ready", timeout=10).ok

    def ask(self, query: str) -> list[dict]:
        """Return what a query finds. An invalid one raises."""
        answer = requests.post(f"{self.url}/api/v1/query", {"query": query}, timeout=30)
        assert answer.ok, f"{query}\n{answer.text}"
        assert not answer.json().get("warnings"), answer.text
        return answer.json()["data"]["result"]

    def rules(self) -> list[dict]:
        groups = requests.get(f"{self.url}/api/v1/rules", timeout=10).json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]


@contextmanager
def running_prometheus(folder: Path, ports: Mapping[str, int]) -> Iterator[Prometheus]:
    """Run Prometheus with the deployment's configuration, but at `ports` of loopback by role, and once a second."""
    config = yaml.safe_load((DEPLOY / "prometheus.yml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(DEPLOY / "alerts.yml")]
    (scrape,) = config["scrape_configs"]
    for group in scrape["static_configs"]:
        group["targets"] = [f"127.0.0.1:{ports[group['labels']['role']]}"]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    port = free_port()
    command = [
        "prometheus",
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/tsdb",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]
    with running(command, port, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        prometheus = Prometheus(f"http://127.0.0.1:{port}")
        wait_until(prometheus.is_ready, "a Prometheus that has read its data")
        yield prometheus
