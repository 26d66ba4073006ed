"""Pictures in memory, trusted until Redis reports a change. Each cache here trusts nothing for mere seconds."""

import secrets
import signal
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
import redis
from structlog.testing import capture_logs

from coordination import CacheKeys, CacheRedis, KeyTracking, RedisBreaker, open_connections
from model import Picture, ThumbnailRequest
from options import CaptureOptions, Rendition
from purge import sweep
from tests.support.processes import wait_until
from tests.support.redis import replicate, running_address, running_redis
from thumbnails import LocalTier, memory
from thumbnails.cache import PictureCache
from urls import locate

PAGE = ThumbnailRequest(CaptureOptions(locate("https://example.com/")))
OTHER = ThumbnailRequest(CaptureOptions(locate("https://example.org/")))
SMALL = replace(PAGE, rendition=Rendition(w=64))
OLD = Picture(b"old", "image/png", 10, 10, datetime.now(UTC))
NEW = Picture(b"new", "image/png", 10, 10, OLD.captured_at + timedelta(seconds=1))


@pytest.fixture
def processes():
    """Start caches that trust only what Redis reports on, as so many processes would have them."""
    with ExitStack() as stack:

        def start(url):
            connections = open_connections(url, url, "thumb", 2.5)
            cache = PictureCache(connections.cache, LocalTier(100_000, trust_seconds=0))
            stack.callback(connections.close)
            stack.callback(cache.close)
            cache.track()
            return cache

        yield start


@pytest.fixture
def store(redis_url):
    with redis.Redis.from_url(redis_url) as client:
        yield client


def is_held(cache, request=PAGE):
    """Return whether the cache answers from memory. If it does not, it looks in Redis, and may hold it afterwards."""
    return not cache.look_up(request).complete


def hold(cache, request=PAGE):
    wait_until(lambda: is_held(cache, request), "a picture held in memory")


def body(cache, request=PAGE):
    rendition = cache.look_up(request).rendition
    return rendition and rendition.body


def test_a_picture_written_by_one_process_is_seen_by_the_other(processes, redis_url):
    one, other = processes(redis_url), processes(redis_url)
    one.put_rendition(PAGE, OLD, 60)
    for cache in (one, other):
        hold(cache)
    other.put_rendition(PAGE, NEW, 60)

    for cache in (one, other):
        wait_until(lambda cache=cache: body(cache) == b"new", "the new picture")
        hold(cache)
        assert body(cache) == b"new"


def test_a_capture_of_the_page_outdates_all_its_renditions_in_other_processes(processes, redis_url):
    one, other = processes(redis_url), processes(redis_url)
    for request in (PAGE, SMALL):
        one.put_rendition(request, OLD, 60)
        hold(one, request)
    other.put_original(PAGE, NEW, 60, 60)

    for request in (PAGE, SMALL):
        wait_until(lambda request=request: one.look_up(request).outdated, "a rendition that is outdated")


@pytest.mark.parametrize(
    "purge",
    [
        lambda store, key: store.delete(key),
        lambda store, key: store.pexpire(key, 20),
        lambda store, _: store.flushall(),
        lambda store, _: store.flushdb(asynchronous=True),
    ],
    ids=["deleted", "expired", "flushed", "flushed asynchronously"],
)
def test_a_picture_that_redis_lost_is_lost_in_memory(processes, redis_url, store, purge):
    cache = processes(redis_url)
    cache.put_rendition(PAGE, OLD, 60)
    hold(cache)
    purge(store, CacheKeys().picture(PAGE.rendition_key.digest))

    wait_until(lambda: body(cache) is None, "the loss")


def test_an_evicted_picture_is_lost_in_memory(processes):
    with running_redis("--maxmemory-policy", "allkeys-lru") as server, redis.Redis.from_url(server.url) as store:
        cache = processes(server.url)
        cache.put_rendition(PAGE, OLD, 60)
        hold(cache)
        store.config_set("maxmemory", store.info("memory")["used_memory"] + 500_000)
        key = CacheKeys().picture(PAGE.rendition_key.digest)
        wait_until(lambda: store.set(secrets.token_hex(), bytes(50_000)) and not store.exists(key), "the eviction")

        wait_until(lambda: body(cache) is None, "the loss")


def test_only_keys_of_this_installation_are_reported(redis_url, store):
    connections, heard = open_connections(redis_url, redis_url, "thumb", 2.5), []
    tracking = KeyTracking(connections.cache, "thumb:picture:")
    tracking.start(heard.append)
    try:
        wait_until(lambda: tracking.epoch > 0, "the tracking")
        store.set("thumb2:picture:1", b"")
        store.set("thumb:picture:2", b"")
        wait_until(lambda: heard, "the report")
    finally:
        tracking.close()
        connections.close()

    assert heard == ["thumb:picture:2"]


def test_a_picture_read_while_changes_are_reported_is_not_trusted(processes, redis_url, store):
    """The change may be of this picture, and be reported before its old value is kept."""
    cache = processes(redis_url)
    cache.put_rendition(PAGE, OLD, 60)
    hold(cache)
    mark = cache._memory.mark()
    cache.put_rendition(OTHER, OLD, 60)
    wait_until(lambda: cache._memory.mark() != mark, "the report")
    cache._memory.remember(SMALL.rendition_key, OLD, SMALL.capture_key, mark)

    assert cache._memory.recall(SMALL.rendition_key) is None


def test_a_lost_connection_ends_the_trust_and_a_new_one_begins_another(processes, redis_url, store):
    cache = processes(redis_url)
    cache.put_rendition(PAGE, OLD, 60)
    hold(cache)
    epoch = cache._memory.mark().epoch
    with capture_logs() as events:
        store.client_kill_filter(_type="pubsub")
        wait_until(lambda: cache._memory.mark().epoch not in (0, epoch), "a new connection")

    assert cache._memory.recall(PAGE.rendition_key) is None
    assert [event["event"] for event in events] == ["tracking_lost", "tracking_begun"]
    hold(cache)


def test_a_redis_that_does_not_answer_ends_the_trust(processes):
    with running_redis() as server:
        cache = processes(server.url)
        cache.put_rendition(PAGE, OLD, 60)
        hold(cache)
        server.process.send_signal(signal.SIGSTOP)
        try:
            wait_until(lambda: cache._memory.recall(PAGE.rendition_key) is None, "the end of the trust")
        finally:
            server.process.send_signal(signal.SIGCONT)
        hold(cache)


@pytest.mark.parametrize("missing", ["-client", "resetchannels"])
def test_a_redis_that_does_not_permit_it_is_named_in_the_log(processes, missing):
    with running_redis() as server, redis.Redis.from_url(server.url) as store, capture_logs() as events:
        store.execute_command("ACL", "SETUSER", "default", missing)
        cache = processes(server.url)
        cache.put_rendition(PAGE, OLD, 60)
        wait_until(lambda: events, "the event")

        assert (events[0]["event"], events[0]["error"]) == ("tracking_lost", "NoPermissionError")
        assert body(cache) == b"old"
        assert not is_held(cache)


def test_after_a_failover_changes_in_the_new_primary_are_heard(processes):
    with ExitStack() as stack:
        primary, replica = (stack.enter_context(running_redis("--repl-diskless-sync-delay", "0")) for _ in range(2))
        replicate(replica, primary)
        address = stack.enter_context(running_address(primary))
        cache = processes(address.url)
        cache.put_rendition(PAGE, OLD, 60)
        hold(cache)
        address.fail_over(replica)
        hold(cache)
        with redis.Redis.from_url(replica.url) as new:
            new.delete(CacheKeys().picture(PAGE.rendition_key.digest))

        wait_until(lambda: body(cache) is None, "the loss")


def test_without_tracking_nothing_is_trusted_for_long(redis_url, store):
    cache = PictureCache(CacheRedis(store, RedisBreaker(), CacheKeys()), LocalTier(100_000, trust_seconds=0))
    cache.put_rendition(PAGE, OLD, 60)

    assert [is_held(cache) for _ in range(2)] == [False, False]


def test_redis_is_told_of_pictures_in_use_many_at_a_time_and_they_are_not_read_again(
    processes, redis_url, store, monkeypatch
):
    """Redis evicts what was not used for longest, and cannot see what a process serves from its memory."""
    pages = [ThumbnailRequest(CaptureOptions(locate(f"https://example.com/{number}"))) for number in range(70)]
    cache = processes(redis_url)
    for page in pages:
        cache.put_rendition(page, OLD, 60)
    for page in pages:
        hold(cache, page)
    store.config_resetstat()
    assert all(is_held(cache, page) for page in pages)
    assert calls(store, "touch") == 0  # they were just read

    monkeypatch.setattr("thumbnails.memory.USED_SECONDS", 0)
    assert all(is_held(cache, page) for page in pages)
    assert calls(store, "touch") == 1
    assert calls(store, "mget") == 0

    monkeypatch.setattr("thumbnails.memory._USED_WAIT", 0)  # the last few are not told together
    assert is_held(cache, pages[0])
    assert calls(store, "touch") == 2
    assert calls(store, "mget") == 0


def calls(store, command):
    return store.info("commandstats").get(f"cmdstat_{command}", {}).get("calls", 0)


def test_a_picture_in_use_outlives_others_when_redis_is_full(processes, redis_url, store, monkeypatch):
    monkeypatch.setattr("thumbnails.memory.USED_SECONDS", 0)
    monkeypatch.setattr("thumbnails.memory._USED_WAIT", 0)
    cache = processes(redis_url)
    cache.put_rendition(PAGE, OLD, 600)
    cache.put_rendition(OTHER, OLD, 600)
    hold(cache, PAGE)
    names = [f"thumb:picture:{each.rendition_key.digest}" for each in (PAGE, OTHER)]
    wait_until(lambda: is_held(cache, PAGE) and store.object("idletime", names[1]) >= 2, "two seconds without use")
    assert is_held(cache, PAGE)
    assert store.object("idletime", names[0]) < store.object("idletime", names[1])


def test_a_picture_is_read_again_before_the_mark_of_a_purge_is_gone(processes, redis_url, monkeypatch):
    """A picture that is its original has no key in Redis, so Redis does not report that it was removed."""
    cache, later = processes(redis_url), 0.0
    cache.put_rendition(PAGE, OLD, 60)
    hold(cache)
    real = memory.time.monotonic
    monkeypatch.setattr(memory, "time", SimpleNamespace(monotonic=lambda: real() + later))
    later = memory.TRACKED_SECONDS - 60
    assert is_held(cache)
    later = memory.TRACKED_SECONDS
    assert not is_held(cache)
    assert memory.TRACKED_SECONDS < sweep._KEPT_SECONDS
