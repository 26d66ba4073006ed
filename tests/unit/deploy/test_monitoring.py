"""What is given to Prometheus and Grafana agrees with compose, with the metrics, and with the page of alerts."""

import json
import os
import re
import subprocess
from itertools import combinations
from pathlib import Path

import pytest
import yaml

from telemetry import SUBJECTS
from tests.support.monitoring import ALERTS_PAGE, DASHBOARDS, DEPLOY, alerts, metrics_in, panels, queries

ROOT = DEPLOY.parent
PARTS = ("Means", "Look at", "Do")
METRICS = {metric.name: metric for group in SUBJECTS.values() for metric in group}


def compose():
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))


def scraped():
    (job,) = yaml.safe_load((DEPLOY / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    return {group["labels"]["role"]: group["targets"][0] for group in job["static_configs"]}


def sections():
    found = re.split(r"^## ", ALERTS_PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {text.partition("\n")[0]: text for text in found}


def series_names():
    names = set()
    for name, metric in METRICS.items():
        names |= {f"{name}_{part}" for part in ("bucket", "sum", "count")} if metric.kind == "histogram" else {name}
    return names


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_an_alert_says_how_bad_it_is_and_leads_to_what_to_do(alert):
    assert alert["labels"]["severity"] in ("critical", "warning")
    assert alert["annotations"]["summary"].endswith(".")
    assert alert["annotations"]["runbook_url"] == f"docs/operations/alerts.md#{alert['alert'].lower()}"
    section = sections()[alert["alert"]]
    assert [part for part in PARTS if f"**{part}**" not in section] == []
    assert "```sh" in section


def test_every_section_about_an_alert_is_about_one_that_there_is():
    assert {name for name in sections() if name.startswith("Thumbnails")} == {alert["alert"] for alert in alerts()}


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_what_to_look_at_can_be_looked_at_wherever_the_service_runs(alert):
    """By the four commands of a bad day: a container has no `curl`, and its metrics are not published."""
    section = sections()[alert["alert"]]
    lines = [line for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL) for line in block.splitlines()]
    assert {line.split()[0] for line in lines} <= {"status", "thumbnails", "log", "restart"}


@pytest.mark.parametrize("page", ["alerts.md", "dashboards.md"])
def test_the_configuration_of_the_pages_is_one_that_prometheus_takes(page):
    text = ALERTS_PAGE.with_name(page).read_text(encoding="utf-8")
    (command,) = re.findall(r"^promtool .*$", text, flags=re.MULTILINE)
    done = subprocess.run(command.split(), cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"prometheus --config.file={command.split()[-1]}" in text


def test_alerts_and_dashboards_ask_for_metrics_that_there_are():
    asked = [alert["expr"] for alert in alerts()] + [query for path in DASHBOARDS for _, query in queries(path)]
    assert set().union(*map(metrics_in, asked)) - series_names() == set()


def test_every_metric_is_drawn_on_a_dashboard():
    drawn = set().union(*(metrics_in(query) for path in DASHBOARDS for _, query in queries(path)))
    missing = {name for name in METRICS if not any(each.startswith(name) for each in drawn)}
    assert missing == {"thumbnails_build_info"}, "which never changes"


def test_prometheus_reads_each_process_of_compose_on_a_network_that_both_are_on():
    services = compose()["services"]
    ours = {f"{name}:{port}" for name, each in services.items() if (port := _metrics_port(each))}
    assert set(scraped().values()) == ours - {f"migrate:{services['web']['environment']['METRICS_PORT']}"}
    for target in scraped().values():
        assert set(services[target.partition(":")[0]]["networks"]) & set(services["prometheus"]["networks"]), target


def _metrics_port(service):
    return service.get("environment", {}).get("METRICS_PORT")


def test_monitoring_is_a_profile_and_is_reached_from_this_machine_alone():
    for name in ("prometheus", "grafana"):
        service = compose()["services"][name]
        assert service["profiles"] == ["monitoring"]
        assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+", service["image"])
        (port,) = service["ports"]
        assert port.startswith("127.0.0.1:")
        assert all(":ro" in volume or not volume.startswith(".") for volume in service["volumes"])
    assert [name for name, each in compose()["services"].items() if "monitoring" in each["networks"]] == [
        "prometheus",
        "grafana",
    ]


@pytest.mark.parametrize(("password", "starts"), [("", False), ("a password", True)])
def test_grafana_does_not_start_with_the_password_that_everybody_knows(password, starts):
    service = compose()["services"]["grafana"]
    assert service["environment"]["GF_SECURITY_ADMIN_PASSWORD"] == "${GRAFANA_PASSWORD:-}"
    assert service["environment"]["GF_AUTH_ANONYMOUS_ENABLED"] == "false"
    shell, option, script, name = service["entrypoint"]
    environ = {"PATH": os.environ["PATH"], "GF_SECURITY_ADMIN_PASSWORD": password}
    command = [shell, option, script.replace("$$", "$"), name, "echo", "started"]
    done = subprocess.run(command, env=environ, check=False, capture_output=True, text=True)
    assert (done.returncode == 0, done.stdout) == (starts, "started\n" * starts)
    assert starts or "GRAFANA_PASSWORD" in done.stderr


def test_no_other_process_gets_the_password_of_grafana():
    services = compose()["services"]
    given = {name for name, each in services.items() if "env_file" in each}
    assert given
    assert {name for name in given if services[name]["environment"]["GRAFANA_PASSWORD"] != ""} == set()


def test_grafana_finds_its_files_where_compose_puts_them():
    mounts = dict(
        volume.removesuffix(":ro").split(":")
        for volume in compose()["services"]["grafana"]["volumes"]
        if "./" in volume
    )
    assert all((ROOT / source).is_dir() for source in mounts)
    (provider,) = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/thumbnails.yml").read_text())["providers"]
    assert provider["options"]["path"] == mounts["./deploy/grafana/dashboards"]
    home = Path(compose()["services"]["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (DEPLOY / "grafana" / "dashboards" / home.name).exists()


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_is_whole(path):
    board = json.loads(path.read_text(encoding="utf-8"))
    (source,) = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"]
    used = {panel["datasource"]["uid"] for panel in board["panels"]}
    used |= {target["datasource"]["uid"] for panel in board["panels"] for target in panel["targets"]}
    assert used == {source["uid"]}
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert len({panel["title"] for panel in board["panels"]}) == len(board["panels"])
    variables = {f"${each['name']}" for each in board["templating"]["list"]} | {"$__rate_interval"}
    asked = " ".join(target["expr"] for panel in board["panels"] for target in panel["targets"])
    assert set(re.findall(r"\$\w+", asked)) <= variables


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_of_a_dashboard_lie_beside_each_other(path):
    places = [(panel["title"], panel["gridPos"]) for panel in panels(path)]
    assert all(place["x"] + place["w"] <= 24 for _, place in places)
    for (one, a), (other, b) in combinations(places, 2):
        apart_in_x = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        apart_in_y = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert apart_in_x or apart_in_y, (one, other)


def test_dashboards_have_addresses_of_their_own():
    boards = [json.loads(path.read_text(encoding="utf-8")) for path in DASHBOARDS]
    assert len({board["uid"] for board in boards}) == len({board["title"] for board in boards}) == len(boards) == 4
