"""Originals in a folder, with real processes: shared by those of a machine, and on a disk that is full."""

import json

import pytest
import requests

from tests.support.disk import on_a_disk
from tests.support.originals import kept_files
from tests.support.processes import wait_until
from tests.support.redis import running_redis
from tests.support.screenshot_api import running_screenshot_api
from tests.support.web import running_web_process
from tests.support.worker import running_worker

SMALL = {"width": "400", "height": "300"}


@pytest.fixture(scope="module")
def api():
    with running_screenshot_api("snapsharp", "sk_live_test") as server:
        yield server


@pytest.fixture(scope="module")
def settings(api):
    with running_redis() as server:
        yield {
            "redis_url": server.url,
            "snapsharp_api_key": "sk_live_test",
            "capture_url": api.url,
            "resolve_targets": "false",
            "request_limit": "100000 per minute",
            "thumb_limit": "1000 per minute",
            "memory_cache_bytes": 0,
        }


def thumb(service, page, **options):
    return requests.get(f"{service}/thumb", {"url": page} | SMALL | options, timeout=60)


def test_web_processes_and_the_worker_share_originals(settings, api, tmp_path):
    settings = settings | {"originals_dir": tmp_path / "kept", "persist_dir": tmp_path / "media"}
    with (
        running_web_process(tmp_path / "web.log", **settings, web_concurrency=2) as (service, _),
        running_worker(tmp_path / "worker.log", **settings, worker_concurrency=1),
    ):
        assert thumb(service, "https://example.com/shared").status_code == 200
        before = len(api.calls)
        # Each on a new connection, which either of the two processes accepts.
        answers = [thumb(service, "https://example.com/shared", w=str(width)) for width in range(100, 116)]
        body = {"url": "https://example.com/shared", "w": 99, "width": 400, "height": 300}
        job = requests.post(f"{service}/screenshots", json=body, timeout=60).json()
        wait_until(lambda: state(service, job) in ("completed", "failed"), "the job's end")

        assert {answer.headers["X-Cache"] for answer in answers} == {"HIT"}
        assert state(service, job) == "completed"
        assert len(api.calls) == before


def state(service, job):
    return requests.get(f"{service}/jobs/{job['job_id']}", timeout=60).json()["status"]


def test_on_a_full_disk_pictures_are_served_and_the_log_says_what_to_do(settings, api, tmp_path):
    folder, log = tmp_path / "kept", tmp_path / "web.log"
    folder.mkdir()
    prefix = on_a_disk(folder, 4096)
    with running_web_process(log, prefix, **settings, originals_dir=folder, web_concurrency=1) as (service, _):
        wide = thumb(service, "https://example.com/full", width="1280", height="720")
        again = thumb(service, "https://example.com/full", width="1280", height="720")
        other = thumb(service, "https://example.com/full", width="1280", height="720", w="64")
        ready = requests.get(f"{service}/ready", timeout=60)

    assert [each.status_code for each in (wide, again, other)] == [200] * 3
    assert [each.headers["X-Cache"] for each in (wide, again, other)] == ["MISS", "HIT", "MISS"]
    assert again.content == wide.content
    assert ready.status_code == 200
    (said,) = [event for event in events(log) if event["event"] == "originals_unavailable"]
    assert (said["setting"], said["reason"]) == ("ORIGINALS_DIR", "No space left on device")
    assert "ORIGINALS_MAX_BYTES" in said["action"]


def test_a_disk_smaller_than_the_limit_keeps_what_was_used_last(settings, api, tmp_path):
    folder = tmp_path / "kept"
    folder.mkdir()
    prefix = on_a_disk(folder, 1 << 17)
    with running_web_process(tmp_path / "web.log", prefix, **settings, originals_dir=folder, web_concurrency=1) as (
        service,
        _,
    ):
        for number in range(40):
            assert thumb(service, f"https://example.com/{number}").headers["X-Cache"] == "MISS"
        assert thumb(service, "https://example.com/39", w="64").headers["X-Cache"] == "HIT"
        assert thumb(service, "https://example.com/0", w="64").headers["X-Cache"] == "MISS"


def test_originals_outlive_a_restart_of_all_processes(settings, api, tmp_path):
    settings = settings | {"originals_dir": tmp_path / "kept", "web_concurrency": 1}
    with (
        running_redis() as first,
        running_web_process(tmp_path / "web.log", **settings | {"redis_url": first.url}) as (service, process),
    ):
        shown = thumb(service, "https://example.com/lasting")
        process.kill()
    before = len(api.calls)
    with (
        running_redis() as second,
        running_web_process(tmp_path / "web.log", **settings | {"redis_url": second.url}) as (service, _),
    ):
        known = thumb(service, "https://example.com/lasting")

    assert (known.headers["X-Cache"], known.content) == ("HIT", shown.content)
    assert len(api.calls) == before
    assert len(kept_files(tmp_path / "kept")) == 1


def events(log):
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
