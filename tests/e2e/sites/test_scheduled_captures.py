"""A real worker and beat capture what is due, also when the worker is killed meanwhile."""

import os
import signal
from collections import Counter
from contextlib import ExitStack

import pytest

import services
from app import create_app
from config import Settings
from sites import Filters, SiteDraft
from sites.migrate import upgrade
from tests.support.processes import wait_until
from tests.support.worker import FAST_CLOCK, running_beat, running_worker

pytestmark = pytest.mark.slow

COUNT = 80  # of which 32 may be in progress
SMALL = {"width": "320", "height": "240"}


@pytest.fixture
def given(api, redis_url, tmp_path):
    url = f"sqlite:///{tmp_path}/thumbnails.db"
    upgrade(url)
    return {
        "redis_url": redis_url,
        "database_url": url,
        "capture_api": "snapsharp",
        "capture_url": api.url,
        "capture_api_key": "sk_live_test",
        "persist_dir": tmp_path / "media",
        "originals_dir": tmp_path / "originals",
        "resolve_targets": False,
        "bulk_limit": "100000 per minute",
        "job_time_limit": 4,
        "capture_timeout": 2,
    }


@pytest.fixture
def built(given, resolver):
    built = services.build(Settings.of(**given), resolver)
    yield built
    built.close()


def counts(built):
    return built.catalogue.counts()


def kept(built):
    """The pages of which a picture is known, whether or not that is recorded in the catalogue."""
    pages = (SiteDraft(f"https://site-{number}.example/", options=SMALL) for number in range(COUNT))
    asked = {page.url: built.validator.parse_json({"url": page.url, **page.options}) for page in pages}
    return {url for url, request in asked.items() if built.cache.look_up(request).original is not None}


@pytest.mark.timeout(400)
def test_a_killed_worker_has_those_pages_captured_twice_whose_pictures_it_had_not_yet(built, given, api, tmp_path):
    drafts = [SiteDraft(f"https://site-{number}.example/", options=SMALL) for number in range(COUNT)]
    built.catalogue.add_many(drafts)
    with ExitStack() as stack:
        stack.enter_context(running_beat(tmp_path / "beat.log", FAST_CLOCK, **given))
        first = stack.enter_context(running_worker(tmp_path / "worker.log", FAST_CLOCK, **given))
        wait_until(lambda: len(api.calls) >= COUNT // 3, "a third of the captures", 150)
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
        assert counts(built).ready < COUNT
        in_flight = {call.params["url"] for call in api.calls} - kept(built)

        stack.enter_context(running_worker(tmp_path / "other.log", FAST_CLOCK, **given))
        wait_until(lambda: counts(built).ready == COUNT, "all captures", 200, pause=1)

    captured = Counter(call.params["url"] for call in api.calls)
    repeated = [url for url, calls in captured.items() if calls > 1]
    assert len(captured) == COUNT
    assert set(repeated) <= in_flight, "one that was in the cache, and not in the catalogue yet, is not captured again"
    assert len(in_flight) <= built.settings.worker_concurrency
    assert max(captured.values()) <= 2
    assert counts(built).failed == 0
    pictures = [site.picture for site in built.catalogue.find(Filters(limit=100)).sites]
    assert {(picture.number, picture.seen_at == picture.captured_at) for picture in pictures} == {(1, True)}


def test_a_visitor_does_not_wait_for_an_import(built, given, api, tmp_path):
    client = create_app(built.settings, built).test_client()
    built.catalogue.add_many([SiteDraft(f"https://site-{number}.example/", options=SMALL) for number in range(200)])
    api.latency = 0.2
    with (
        running_beat(tmp_path / "beat.log", FAST_CLOCK, **given),
        running_worker(tmp_path / "worker.log", FAST_CLOCK, **given),
    ):
        wait_until(lambda: len(api.calls) > 4, "the import's captures", 30)
        job = client.post("/screenshots", json={"url": "https://visitor.example/"}).json["job_id"]
        wait_until(lambda: client.get(f"/jobs/{job}").json["status"] == "completed", "the visitor's job", 30)
        assert counts(built).ready < 150
