"""Hot pictures are held in the memory of the process, for seconds and within a number of bytes."""

import threading
from datetime import UTC, datetime
from functools import partial

import pytest
import redis

from model import Picture, ThumbnailRequest
from options import CaptureOptions
from tests.support.processes import wait_until
from tests.support.redis import age_pictures, as_cache
from tests.support.screenshot_api import with_mark
from tests.support.visitors import PAGE, get
from thumbnails import LocalTier
from thumbnails.cache import PictureCache
from urls import locate


@pytest.mark.slow
def test_with_the_tier_on_a_renewal_by_another_process_shows_within_seconds(make_client, api):
    one, other = (make_client(memory_cache_bytes=10_000_000) for _ in range(2))
    old = get(one, w=64)
    assert get(one, w=64).headers["X-Cache"] == "HIT"
    api.behave(with_mark(400, 400))
    new = get(other, w=64, fresh=1)

    assert new.headers["ETag"] != old.headers["ETag"]
    wait_until(lambda: get(one, w=64).headers["ETag"] == new.headers["ETag"], "a look at what is new", timeout=15)
    assert len(api.calls) == 2


def test_two_processes_refresh_a_page_once_with_their_own_tiers_on(make_client, api, redis_url):
    one = make_client(cache_ttl=60, memory_cache_bytes=10_000_000)
    get(one)
    age_pictures(redis_url, seconds=120)
    both = [make_client(cache_ttl=60, memory_cache_bytes=10_000_000) for _ in range(2)]
    gate = threading.Event()
    api.hold(gate)
    try:
        assert {get(client).headers["X-Cache"] for client in both} == {"STALE"}
        wait_until(lambda: len(api.calls) == 2, "the refresh")
    finally:
        gate.set()
    for client in both:
        client.application.extensions["services"].coalescer.drain(10)

    assert len(api.calls) == 2


@pytest.mark.parametrize("visitors", [1, 20])
@pytest.mark.parametrize("validators", [[], ["ETag"], ["ETag", "Last-Modified"]], ids=str)
def test_a_hot_picture_costs_no_call_to_redis(make_client, redis_url, visitors, validators):
    client = make_client(memory_cache_bytes=10_000_000, request_limit="4000 per minute")
    known = get(client)
    asked = {CONDITIONS[name]: known.headers[name] for name in validators}
    before = commands(redis_url)
    asking = partial(client.get, "/thumb", query_string={"url": PAGE}, headers=asked)
    answers = [asking(environ_base={"REMOTE_ADDR": f"192.0.2.{i % visitors}"}) for i in range(20)]

    assert {answer.status_code for answer in answers} == {304 if asked else 200}
    assert {answer.headers["X-Cache"] for answer in answers} == {"HIT"}
    assert commands(redis_url) == before


CONDITIONS = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}  # a browser sends both back


def test_a_hot_rendition_of_an_evicted_newer_original_costs_no_call_to_redis(make_client, redis_url):
    client = make_client(memory_cache_bytes=10_000_000)
    with redis.Redis.from_url(redis_url) as store:
        for width in (64, 128):
            get(client, w=width, fresh=1)
        outdated = make_client(memory_cache_bytes=10_000_000)  # a process that has seen nothing yet
        for key in store.keys("thumb:picture:*"):
            if b'"kind":"original"' in store.get(key).replace(b"\\", b""):
                store.delete(key)
    assert get(outdated, w=64).headers["X-Cache"] == "HIT"
    before = commands(redis_url)

    assert {get(outdated, w=64).headers["X-Cache"] for _ in range(5)} == {"HIT"}
    assert commands(redis_url) == before


def commands(redis_url):
    """Count Redis' commands by name, without those of this function and of opening a connection."""
    with redis.Redis.from_url(redis_url) as store:
        stats = store.info("commandstats")
    own = ("cmdstat_info", "cmdstat_hello", "cmdstat_client", "cmdstat_select")
    return {name: each["calls"] for name, each in stats.items() if not name.startswith(own)}


def test_the_in_process_tier_is_bounded_in_bytes(redis_url):
    requests = [ThumbnailRequest(CaptureOptions(locate(f"https://example.com/{i}"))) for i in range(30)]
    with redis.Redis.from_url(redis_url) as store:
        cache = PictureCache(as_cache(store), LocalTier(20_000))
        for request in requests:
            cache.put_rendition(request, Picture(b"x" * 5000, "image/png", 10, 10, datetime.now(UTC)), 60)
        store.flushall()
        held = [cache.look_up(request).rendition for request in requests]

    assert [picture is not None for picture in held] == [False] * 27 + [True] * 3


@pytest.mark.parametrize("reload", [False, True], ids=["", "read anew"])
def test_pictures_that_are_requested_once_do_not_replace_one_that_was_requested_again(redis_url, reload):
    popular, *rare = [ThumbnailRequest(CaptureOptions(locate(f"https://example.com/{i}"))) for i in range(30)]
    picture = Picture(b"x" * 5000, "image/png", 10, 10, datetime.now(UTC))
    with redis.Redis.from_url(redis_url) as store:
        cache = PictureCache(as_cache(store), LocalTier(40_000))
        cache.put_rendition(popular, picture, 60)
        cache.look_up(popular)
        cache.look_up(popular, reload=reload)
        for request in rare:
            cache.put_rendition(request, picture, 60)
        store.flushall()
        held = [cache.look_up(request).rendition is not None for request in (popular, *rare)]

    assert held == [True] + [False] * 24 + [True] * 5
