"""What two web processes keep in their memory of one Redis: used for long, and never after a change."""

import time
from functools import partial

import pytest
import redis
import requests

from tests.support.processes import wait_until
from tests.support.screenshot_api import running_screenshot_api, with_mark
from tests.support.web import running_web

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def upstream():
    with running_screenshot_api("snapsharp", "sk_live_test") as server:
        yield server


@pytest.fixture
def api(upstream):
    upstream.reset()
    return upstream


@pytest.fixture(scope="module")
def services(redis_server, upstream, tmp_path_factory):
    folder = tmp_path_factory.mktemp("services")
    start = partial(
        running_web,
        redis_url=redis_server.url,
        snapsharp_api_key="sk_live_test",
        capture_url=upstream.url,
        resolve_targets="false",
        web_concurrency=1,
        request_limit="100000 per minute",
        originals_dir=folder / "originals",
        persist_dir=folder / "media",
    )
    with start(folder / "one.log") as one, start(folder / "other.log") as other:
        yield one, other


@pytest.fixture
def store(redis_url):
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def page(request):
    return f"https://example.com/{request.node.name}"


def thumb(service, page, **options):
    return requests.get(f"{service}/thumb", {"url": page, "w": 64} | options, timeout=60)


def reads(store):
    return store.info("commandstats").get("cmdstat_mget", {"calls": 0})["calls"]


def held(service, store, page):
    """Request the picture until that has cost Redis no call for longer than a picture is trusted without tracking."""
    last, since = -1, 0.0

    def untouched():
        nonlocal last, since
        response = thumb(service, page)
        if reads(store) != last:
            last, since = reads(store), time.monotonic()
        return response.headers["X-Cache"] == "HIT" and time.monotonic() - since > 4

    wait_until(untouched, "hits that cost no call")


def test_a_picture_held_in_one_process_is_replaced_by_a_fresh_capture_in_the_other(services, api, store, page):
    one, other = services
    old = thumb(one, page)
    held(one, store, page)
    api.behave(with_mark(400, 400))
    new = thumb(other, page, fresh=1)

    assert new.headers["ETag"] != old.headers["ETag"]
    wait_until(lambda: thumb(one, page).headers["ETag"] == new.headers["ETag"], "the new picture")
    assert len(api.calls) == 2


def test_a_purge_of_redis_reaches_the_memory_of_every_process(services, api, store, page):
    for service in services:
        thumb(service, page)
        held(service, store, page)
    before = reads(store)
    store.delete(*store.keys("thumb:picture:*"))

    for service in services:
        wait_until(lambda service=service, n=before: thumb(service, page).ok and reads(store) > n, "a look into Redis")
        before = reads(store)


def test_a_process_that_may_not_track_asks_redis_every_few_seconds(services, api, store, page):
    one, _ = services
    thumb(one, page)
    held(one, store, page)
    store.execute_command("ACL", "SETUSER", "default", "-client|tracking")
    try:
        store.client_kill_filter(_type="pubsub")
        before = reads(store)
        wait_until(lambda: thumb(one, page).ok and reads(store) >= before + 2, "looks into Redis")
    finally:
        store.execute_command("ACL", "SETUSER", "default", "+client|tracking")
