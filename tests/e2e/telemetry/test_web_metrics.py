"""Each metric of the web process is moved by what it counts: a real gunicorn with two workers, Redis, and an API."""

import os
import re
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest
import requests
from redis import Redis

from telemetry.folder import _own_root
from tests.support.admin import KEY, log_in_over_http
from tests.support.cdn import FakeCdn, running_cdn
from tests.support.nginx import running_nginx
from tests.support.processes import wait_until
from tests.support.redis import RedisServer, age_pictures, running_redis
from tests.support.scrape import OPENMETRICS, Metrics, measured
from tests.support.screenshot_api import ScreenshotAPI, blank, refuse, running_screenshot_api
from tests.support.web import running_web_process
from tests.support.worker import children_of

PAGE = "http://93.184.216.34/"


class Measured(NamedTuple):
    url: str
    metrics: Metrics
    api: ScreenshotAPI
    cdn: FakeCdn
    redis: RedisServer
    process: object
    folder: Path

    def thumb(self, page, visitor="198.51.100.1", headers=None, **options):
        sent = {"X-Forwarded-For": visitor} | (headers or {})
        return requests.get(f"{self.url}/thumb", {"url": PAGE + page, **options}, headers=sent, timeout=60)


@pytest.fixture(scope="module")
def redis():
    with running_redis("--maxmemory", "6mb", "--maxmemory-policy", "allkeys-lru") as server:
        yield server


@pytest.fixture(scope="module")
def web(redis, _migrated_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("measured")
    metrics, setting = measured()
    (folder / "thumbnails.db").write_bytes(_migrated_file.read_bytes())
    with (
        running_screenshot_api("snapsharp", "sk_live_test") as api,
        running_cdn() as cdn,
        running_web_process(
            folder / "web.log",
            app="tests.support.measured_app:app",
            redis_url=redis.url,
            snapsharp_api_key="sk_live_test",
            capture_url=api.url,
            persist_dir=folder / "media",
            originals_dir=folder / "originals",
            originals_max_bytes=40_000,
            memory_cache_bytes=20_000,
            disk_cache_bytes=30_000,
            database_url=f"sqlite:///{folder}/thumbnails.db",
            trusted_proxies=1,
            request_limit="150 per minute",
            thumb_limit="400 per minute",
            web_concurrency=2,
            admin_key=KEY,
            cloudflare_zone_id="023e105f",
            cloudflare_api_token="a-token-of-the-tests",
            cloudflare_api_url=cdn.url,
            **setting,
        ) as (url, process),
    ):
        yield Measured(url, metrics, api, cdn, redis, process, folder)


def test_the_admin_page_shows_what_all_workers_have_counted(web):
    """The first test: what the captures of others move is written later."""
    session = log_in_over_http(web.url)
    before = shown(session, web.url)
    web.thumb("plotted")
    for _ in range(20):  # some of them by each worker
        assert web.thumb("plotted").headers["X-Cache"] == "HIT"
    web.api.behave(refuse(422, "page_error"), url=PAGE + "unplotted")
    assert web.thumb("unplotted").status_code == 502
    expected = {"known": 20, "not known before": 1, "succeeded": 1, "failed": 1, "of pages": 1}

    def gained():
        after = shown(session, web.url)
        return {name: after.get(name, 0) - before.get(name, 0) for name in expected}

    wait_until(lambda: gained() == expected, "the figures of both workers", pause=0.5)


def shown(session, url):
    """Return the sums that the plots name."""
    labels = re.findall(r'class="plot"[^>]* aria-label="([^"]*)"', session.get(f"{url}/admin", timeout=10).text)
    return {
        name: int(count.replace(",", ""))
        for label in labels[:3]
        for count, name in re.findall(r"([\d,]*\d) ([a-z][^,.]*)", label.partition(": ")[2].partition(". ")[0])
    }


def test_pictures_are_counted_by_the_state_of_the_cache_on_both_paths(web):
    served, route = "thumbnails_pictures_served_total", "thumbnails_http_request_duration_seconds"
    with (
        web.metrics.moves(served, by=1, cache="MISS"),
        web.metrics.moves(route, by=1, status="2xx", cache="MISS"),
        web.metrics.moves("thumbnails_captures_total", api="snapsharp", outcome="ok"),  # which may be written later
    ):
        web.thumb("states")
    with web.metrics.moves(served, by=2, cache="HIT"), web.metrics.moves(route, by=2, status="2xx", cache="HIT"):
        assert web.thumb("states").headers["X-Cache"] == "HIT"
        assert web.thumb("states", headers={"Prefer": "wait=1"}).headers["X-Cache"] == "HIT"  # by Flask
    age_pictures(web.redis.url, 100_000, web.folder / "originals")
    with web.metrics.moves(served, cache="STALE"):
        wait_until(lambda: web.thumb("states").headers["X-Cache"] == "STALE", "a stale picture")


def test_a_latency_leads_to_the_request(web):
    request_id = web.thumb("exemplar").headers["X-Request-ID"]

    def named():
        return [
            each.name
            for each in web.metrics.samples()
            if each.exemplar and each.exemplar.labels == {"request_id": request_id}
        ]

    wait_until(lambda: len(named()) == 2, "exemplars of the request and of its capture")
    assert set(named()) == {
        "thumbnails_http_request_duration_seconds_bucket",
        "thumbnails_capture_duration_seconds_bucket",
    }
    assert "request_id" not in web.metrics.text()  # older scrapers know no exemplars


def test_errors_are_counted_by_code_and_refused_targets_by_verdict(web):
    with (
        web.metrics.moves("thumbnails_errors_total", by=1, code="blocked_url", fault="caller"),
        web.metrics.moves("thumbnails_errors_total", by=1, code="not_found", fault="caller"),
        web.metrics.moves("thumbnails_guard_verdicts_total", by=1, verdict="loopback"),
        web.metrics.moves("thumbnails_guard_verdicts_total", by=1, verdict="public"),
        web.metrics.moves("thumbnails_http_request_duration_seconds", by=1, route="none", status="4xx"),
    ):
        requests.get(f"{web.url}/thumb", {"url": "http://127.0.0.1/"}, timeout=10)
        requests.get(f"{web.url}/nowhere", timeout=10)
        web.thumb("judged")


def test_captures_are_counted_by_outcome_and_their_calls_one_by_one(web):
    web.api.behave(blank, times=2, url=PAGE + "blank")
    web.api.behave(refuse(422, "page_error"), url=PAGE + "bad")
    web.api.behave(refuse(502, "bad_gateway"), url=PAGE + "again")
    captures, calls = "thumbnails_captures_total", "thumbnails_capture_calls_total"
    with (
        web.metrics.moves(captures, by=2, api="snapsharp", outcome="suspect"),
        web.metrics.moves(captures, by=1, api="snapsharp", outcome="capture_failed"),
        web.metrics.moves(captures, by=1, api="snapsharp", outcome="ok"),
        web.metrics.moves(calls, by=2, api="snapsharp", outcome="capture_failed"),
        web.metrics.moves(calls, by=3, api="snapsharp", outcome="ok"),
        web.metrics.moves("thumbnails_capture_duration_seconds", by=3, api="snapsharp", fault="nobody"),
        web.metrics.moves("thumbnails_capture_duration_seconds", by=1, api="snapsharp", fault="page"),
        web.metrics.moves("thumbnails_rendition_duration_seconds"),
    ):
        for page in ("blank", "bad", "again"):
            web.thumb(page, w=320)


def test_callers_that_share_a_capture_are_counted(web):
    gate = threading.Event()
    web.api.hold(gate, PAGE + "shared")
    name = "thumbnails_coalesced_requests_total"
    with (
        web.metrics.moves(name, work="capture", leader="here"),
        web.metrics.moves(name, work="capture", leader="elsewhere"),
        ThreadPoolExecutor(12) as pool,
    ):
        # Each of them on a connection of its own, so that both workers get some.
        asked = [pool.submit(web.thumb, "shared", f"198.51.100.{number}") for number in range(12)]
        wait_until(lambda: web.metrics.count(name, leader="elsewhere") >= 1, "a follower in the other worker")
        gate.set()
        assert {each.result().status_code for each in asked} == {200}


def test_callers_that_share_a_rendition_are_counted(web):
    page = {"width": 1920, "height": 1080}
    web.thumb("large", **page)
    name = "thumbnails_coalesced_requests_total"
    with web.metrics.moves(name, work="rendition", leader="here"), ThreadPoolExecutor(8) as pool:
        asked = [
            pool.submit(web.thumb, "large", f"198.51.100.{number}", format="avif", **page) for number in range(60, 68)
        ]
        assert {each.result().status_code for each in asked} == {200}


def test_used_up_budgets_are_counted_by_what_they_count(web):
    name = "thumbnails_budget_refusals_total"
    with web.metrics.moves(name, budget="permanent_pictures"):
        for _ in range(6):
            requests.post(f"{web.url}/persist", json={"url": PAGE + "states"}, timeout=30)
    with web.metrics.moves(name, budget="requests"), requests.Session() as session:
        flood = {"X-Forwarded-For": "198.51.100.250"}
        refused = f"{web.url}/thumb?url=none"
        while session.get(refused, headers=flood, timeout=10).status_code != 429:
            pass


def test_pictures_that_make_room_for_others_are_counted(web):
    with (
        web.metrics.moves("thumbnails_evictions_total", kind="memory"),
        web.metrics.moves("thumbnails_evictions_total", kind="originals"),
    ):
        for number in range(16):
            web.thumb(f"many-{number}", f"203.0.113.{number}", w=640, format="png")

    def is_remembered():
        """Ask again: a process forgets a picture that it has written itself, once Redis reports the change."""
        web.thumb("remembered")
        return web.metrics.value("thumbnails_kept_bytes", kind="memory") > 0

    wait_until(is_remembered, "a picture in memory")
    requests.post(f"{web.url}/persist", json={"url": PAGE + "kept"}, timeout=30)
    for kind in ("originals", "permanent", "redis"):
        web.metrics.wait_for("thumbnails_kept_bytes", kind=kind)
    assert web.metrics.value("thumbnails_kept_bytes_limit", kind="memory") == 2 * 20_000
    assert web.metrics.value("thumbnails_kept_bytes_limit", kind="originals") == 40_000
    assert web.metrics.value("thumbnails_kept_bytes_limit", kind="redis") == 6 * 2**20
    size = web.metrics.value("thumbnails_disk_size_bytes", kind="permanent")
    assert 0 < web.metrics.value("thumbnails_disk_free_bytes", kind="permanent") <= size


def test_pictures_that_leave_memory_for_the_disk_are_counted(web):
    """Each process has room for a few in memory and on its disk, so those that are requested in turn overwrite others."""

    def use():
        for number in range(40):
            web.thumb(f"turn-{number}", f"203.0.113.{number}", w=160, format="png")
        return web.metrics.value("thumbnails_kept_bytes", kind="disk")

    with web.metrics.moves("thumbnails_evictions_total", kind="disk"):
        wait_until(use, "pictures on the disk")
        for _ in range(4):
            use()
    assert web.metrics.value("thumbnails_kept_bytes_limit", kind="disk") == 2 * 30_000


def test_a_redis_tells_its_memory_and_what_it_evicted(web):
    assert web.metrics.wait_for("thumbnails_redis_memory_bytes", redis="cache") < 6 * 2**20
    assert web.metrics.value("thumbnails_redis_memory_limit_bytes", redis="cache") == 6 * 2**20
    with Redis.from_url(web.redis.url) as client:
        for number in range(100):
            client.set(f"junk:{number}", bytes(100_000))
    web.metrics.wait_for("thumbnails_redis_evicted_keys_total", redis="cache")


def test_jobs_and_sites_that_wait_are_shown(web):
    requests.post(f"{web.url}/screenshots", json={"url": PAGE + "job"}, timeout=10).raise_for_status()
    requests.post(f"{web.url}/sites", json={"url": PAGE + "site", "title": "A"}, timeout=10).raise_for_status()
    web.metrics.wait_for("thumbnails_queue_messages", queue="interactive")
    web.metrics.wait_for("thumbnails_jobs", state="pending")
    web.metrics.wait_for("thumbnails_oldest_job_age_seconds")
    web.metrics.wait_for("thumbnails_worker_seen_age_seconds")
    web.metrics.wait_for("thumbnails_sites_due")


def test_a_purge_that_a_cdn_has_not_confirmed_is_shown(web):
    web.metrics.wait_for("thumbnails_purge_unconfirmed_age_seconds", lambda seconds: seconds == 0, cache="cloudflare")
    web.cdn.status = 403
    answer = requests.post(f"{web.url}/purge", json={"url": PAGE + "purged"}, timeout=10)
    assert answer.json()["caches"] == {"cloudflare": "retrying"}
    web.metrics.wait_for("thumbnails_purge_unconfirmed_age_seconds", cache="cloudflare")


def test_the_processes_are_measured(web):
    metrics = web.metrics
    metrics.wait_for("thumbnails_processes", lambda count: count == 2, kind="child")
    assert metrics.value("thumbnails_processes", kind="main") == 1
    assert metrics.value("thumbnails_process_resident_memory_bytes", kind="child") > 2**24
    assert 0 < metrics.value("thumbnails_process_open_fds") < metrics.value("thumbnails_process_max_fds")
    assert metrics.value("thumbnails_process_cpu_seconds_total") > 0
    assert metrics.value("thumbnails_build_info", process="web", version="0.1.0") == 1
    metrics.show_a_held_loop("thumbnails_loop_delay_seconds", children_of(web.process)[0])


def test_a_killed_worker_takes_no_counts_with_it_and_leaves_no_files(web):
    with web.metrics.moves("thumbnails_http_request_duration_seconds", by=1, route="health.health"):
        requests.get(f"{web.url}/health", timeout=10)
    before = web.metrics.count("thumbnails_http_request_duration_seconds")
    (folder,) = {
        path.parent for path in _own_root().glob("*/*.alive") if f"{children_of(web.process)[0]}-" in path.name
    }
    for _ in range(3):
        old = children_of(web.process)[0]
        os.kill(old, signal.SIGKILL)

        def replaced(old=old):
            living = [path.name.partition("-")[0] for path in folder.glob("*.alive")]
            return len(living) == 2 and str(old) not in living

        wait_until(replaced, "a worker in its place, and its files gone")
        assert web.metrics.count("thumbnails_http_request_duration_seconds") >= before
    kept = {"ended.json", "lock", "shared.lock"}
    wait_until(lambda: len({path.name for path in folder.iterdir()} - kept) <= 4, "no file of an ended worker")
    assert folder.stat().st_mode & 0o777 == 0o700


def test_the_public_port_has_no_metrics_and_nginx_passes_none_on(web, tmp_path):
    assert requests.get(f"{web.url}/metrics", timeout=10).status_code == 404
    with running_nginx(tmp_path / "edge", web.url) as edge:
        for path in ("/metrics", "/metrics/", "//metrics", "/%6detrics", "/thumb/../metrics"):
            answer = requests.get(edge + path, timeout=10)
            assert answer.status_code in (404, 308), path
            assert "thumbnails_" not in answer.text


def test_names_and_units_keep_the_rules_of_prometheus(web):
    text = web.metrics.text()
    judged = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (judged.returncode, judged.stdout + judged.stderr) == (0, "")
    assert web.metrics.text(OPENMETRICS).endswith("# EOF\n")
    assert not any(word in text for word in ("93.184", "198.51", "http:", "sk_live"))


def test_what_fails_is_counted_by_what_it_is(web):
    """The last test: it breaks what it counts."""
    web.api.behave(refuse(503, "down"), times=1000)
    with web.metrics.moves("thumbnails_breaker_trips_total"):
        for number in range(5):
            web.thumb(f"down-{number}", f"203.0.113.{100 + number}")
    web.metrics.wait_for("thumbnails_breaker_open")
    web.api.reset()
    for folder in ("media", "originals"):
        (web.folder / folder).mkdir(exist_ok=True)
        (web.folder / folder).rename(web.folder / f"no-{folder}")
        (web.folder / folder).write_bytes(b"")
    with (
        web.metrics.moves("thumbnails_storage_errors_total", kind="permanent"),
        web.metrics.moves("thumbnails_storage_errors_total", kind="originals"),
        web.metrics.moves("thumbnails_database_errors_total"),
    ):
        # Other files in their places: a process that reads the old ones maps them, and would be killed if they got shorter.
        (web.folder / "broken").write_bytes(b"no database" * 1000)
        (web.folder / "broken").replace(web.folder / "thumbnails.db")
        for name in ("thumbnails.db-wal", "thumbnails.db-shm"):
            (web.folder / name).unlink(missing_ok=True)
        requests.get(f"{web.url}/ready", timeout=30)
    with Redis.from_url(web.redis.url) as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", 1)
    with web.metrics.moves("thumbnails_redis_errors_total", redis="cache", error="refused"):
        web.thumb("full", "203.0.113.120")
    web.redis.process.kill()
    with (
        web.metrics.moves("thumbnails_redis_errors_total", redis="cache", error="unreachable"),
        web.metrics.moves("thumbnails_pictures_served_total", cache="BYPASS"),
    ):
        wait_until(lambda: web.thumb("bypass").status_code == 200, "a picture without Redis")
