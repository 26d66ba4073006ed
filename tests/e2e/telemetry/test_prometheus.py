"""Every query of every dashboard and alert, asked of a real Prometheus that scrapes a real service with all its processes."""

import itertools
from collections.abc import Callable
from contextlib import ExitStack
from typing import NamedTuple

import pytest
import requests

from bench.days import selectors
from tests.support.engine import running_engine
from tests.support.monitoring import DASHBOARDS, Prometheus, alerts, queries, running_prometheus
from tests.support.processes import free_port, wait_until
from tests.support.redis import running_redis
from tests.support.site import running_site
from tests.support.web import running_web_process
from tests.support.worker import running_beat, running_worker

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

# On a good day, no alert fires, no breaker trips, nothing fails, no address is refused, and our own engine costs nothing.
OF_BAD_DAYS = (
    "ALERTS",
    "sum by (api) (increase(thumbnails_breaker_trips_total",
    "sum by (api) (increase(thumbnails_capture_cost_total",
    "sum by (api) (rate(thumbnails_captures_handed_over_total",
)
WITHOUT_SERIES = {'fault="service"', 'verdict!~"public', 'outcome!~"ok', "captures_handed_over"}


class Monitored(NamedTuple):
    prometheus: Prometheus
    visit: Callable[[], None]


@pytest.fixture(scope="module")
def monitored(_migrated_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scraped")
    folder.chmod(0o711)
    (folder / "thumbnails.db").write_bytes(_migrated_file.read_bytes())
    ports = {role: free_port() for role in ("web", "worker", "engine", "outlet", "beat")}
    with ExitStack() as stack:
        site = stack.enter_context(running_site())
        site.add("/", "<h1>A page</h1>")
        redis, state = (stack.enter_context(running_redis("--maxmemory", "50mb")) for _ in range(2))
        allowed = {"PRIVATE_TARGETS": site.address}
        outlet_port = free_port()
        stack.enter_context(
            running_engine("engine.outlet", METRICS_PORT=ports["outlet"], ENGINE_PORT=outlet_port, **allowed)
        )
        engine = stack.enter_context(
            running_engine(METRICS_PORT=ports["engine"], ENGINE_EGRESS=f"127.0.0.1:{outlet_port}", **allowed)
        )
        settings = {
            "redis_url": redis.url,
            "nginx_cache_dir": folder / "edge",  # a cache in front, whose purges are measured
            "state_redis_url": state.url,
            "database_url": f"sqlite:///{folder}/thumbnails.db",
            "persist_dir": folder / "media",
            "originals_dir": folder / "originals",
            "capture_url": engine.url,
            "private_targets": site.address,
            "web_concurrency": 1,
            "worker_concurrency": 1,
        }
        apps = {"web": "tests.support.measured_app:app", "worker": "tests.support.measured_worker"}
        given = {role: settings | {"metrics_port": port} for role, port in ports.items()}
        stack.enter_context(running_beat(folder / "beat.log", **given["beat"]))
        stack.enter_context(running_worker(folder / "worker.log", apps["worker"], **given["worker"]))
        url, _ = stack.enter_context(running_web_process(folder / "web.log", app=apps["web"], **given["web"]))
        found = stack.enter_context(running_prometheus(folder, ports))
        wait_until(lambda: len(found.ask('up{job="thumbnails"} == 1')) == len(ports), "scrapes of all processes")
        use(url, site, found)
        numbers = itertools.count()

        def visit() -> None:
            """Ask for a known picture, for one of a page that is not known, for nothing that there is, and for a job."""
            path = f"/page-{next(numbers)}"
            site.add(path, "<h1>Another page</h1>")
            for asked, page in (("/thumb", "/"), ("/thumb", path), ("/nowhere", "/")):
                requests.get(url + asked, {"url": site.url(page), "w": 320}, timeout=60)
            requests.post(f"{url}/screenshots", json={"url": site.url(path)}, timeout=60)

        yield Monitored(found, visit)


def use(url: str, site, prometheus: Prometheus) -> None:
    """Ask for what the panels show, until it can be seen to have grown."""

    def is_drawn() -> bool:
        for path in ("/thumb", "/nowhere"):
            requests.get(url + path, {"url": site.url("/"), "w": 320}, timeout=60)
        return bool(prometheus.ask('rate(thumbnails_http_request_duration_seconds_count{cache="HIT"}[1m]) > 0'))

    requests.post(f"{url}/screenshots", json={"url": site.url("/")}, timeout=60).raise_for_status()
    wait_until(is_drawn, "a rate of hits", 60)
    wait_until(lambda: bool(prometheus.ask('thumbnails_jobs{state="completed"} > 0')), "a completed job", 60)


ALL = [(path.stem, title, query) for path in DASHBOARDS for title, query in queries(path)]


@pytest.fixture(scope="module")
def prometheus(monitored):
    return monitored.prometheus


def test_every_panel_of_every_dashboard_is_drawn(monitored):
    assert len(ALL) > 80
    empty = [each for each in ALL if not each[-1].startswith(OF_BAD_DAYS)]

    def are_drawn() -> bool:
        """Look again at the empty ones. A rate is that of the last minute, in which something must have been asked for."""
        monitored.visit()
        empty[:] = [each for each in empty if not monitored.prometheus.ask(each[-1])]
        return not empty

    wait_until(are_drawn, f"data for {empty}", 90, pause=0.5)


def test_prometheus_takes_the_alerts_and_finds_what_they_look_at(prometheus):
    wait_until(lambda: {rule["health"] for rule in prometheus.rules()} == {"ok"}, "a look at all alerts")
    assert {rule["name"] for rule in prometheus.rules()} == {alert["alert"] for alert in alerts()}
    empty = [each for each in selectors() if not prometheus.ask(each)]
    assert [each for each in empty if not any(part in each for part in WITHOUT_SERIES)] == []
