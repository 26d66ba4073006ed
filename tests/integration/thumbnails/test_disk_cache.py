"""Pictures that have left the memory of a process for its disk. They are trusted as those in memory are."""

import random
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import redis
from structlog.testing import capture_logs

from coordination import open_connections
from model import Picture, ThumbnailRequest
from options import CaptureOptions, Rendition
from tests.integration.thumbnails.test_redis_calls import counted
from tests.support.processes import wait_until
from tests.support.redis import running_redis
from tests.support.visitors import get
from thumbnails import DiskRing, LocalTier
from thumbnails.cache import PictureCache
from urls import locate

BEGAN = datetime.now(UTC)
IN_MEMORY, ON_DISK = 40_000, 400_000  # bytes: 3 pictures of 10 kB, and 30 of them
PAGES = [ThumbnailRequest(CaptureOptions(locate(f"https://example.com/{number}"))) for number in range(12)]


def picture(request, size=10_000, age=0):
    body = random.Random(f"{request.capture.target.url} {age}").randbytes(size)
    return Picture(body, "image/png", 10, 10, BEGAN + timedelta(seconds=age))


@pytest.fixture
def start(tmp_path):
    """Start caches that trust only what Redis reports on, as so many processes would have them."""
    with ExitStack() as stack:

        def start(url, on_disk=ON_DISK, folder=tmp_path, least_free=0):
            connections = open_connections(url, url, "thumb", 2.5)
            cache = PictureCache(
                connections.cache, LocalTier(IN_MEMORY, DiskRing(folder, on_disk, least_free), trust_seconds=0)
            )
            stack.callback(connections.close)
            stack.callback(cache.close)
            cache.track()
            probe = ThumbnailRequest(CaptureOptions(locate("https://example.com/probe")))
            cache.put_rendition(probe, picture(probe, 10), 60)
            wait_until(lambda: not cache.look_up(probe).complete, "the tracking")
            return cache

        yield start


def fill(cache, requests=PAGES):
    """Keep pictures, and look at all of them until each is in memory or on the disk."""
    for request in requests:
        cache.put_rendition(request, picture(request), 60)
    wait_until(lambda: all(not cache.look_up(request).complete for request in requests), "pictures without a call")


def body(cache, request):
    rendition = cache.look_up(request).rendition
    return rendition and rendition.body


def test_what_has_no_room_in_memory_is_served_from_the_disk_without_a_call(start, redis_url, tmp_path):
    cache = start(redis_url)
    fill(cache)
    with counted(redis_url) as calls:
        for request in PAGES * 2:
            assert body(cache, request) == picture(request).body
    assert [call for call in calls if "picture" in call] == []
    assert cache.memory_bytes <= IN_MEMORY
    assert cache.disk_bytes >= 9 * 10_000
    assert list(tmp_path.iterdir()) == [], "the file has no name, so it ends with the process"


@pytest.mark.parametrize("change", ["written", "captured", "deleted", "flushed"])
def test_a_change_is_seen_on_the_disk_too(start, redis_url, tmp_path, change):
    cache, other = start(redis_url), start(redis_url)
    fill(cache)
    request = PAGES[0]
    new = picture(request, age=1)
    with redis.Redis.from_url(redis_url) as store:
        {
            "written": lambda: other.put_rendition(request, new, 60),
            "captured": lambda: other.put_original(request, new, 60, 60),
            "deleted": lambda: store.delete(*store.keys(f"thumb:picture:{request.rendition_key.digest}")),
            "flushed": store.flushall,
        }[change]()

    def is_seen():
        known = cache.look_up(request)
        if change == "captured":
            return known.outdated
        return (known.rendition and known.rendition.body) == (new.body if change == "written" else None)

    wait_until(is_seen, "the change")
    if change == "flushed":
        wait_until(lambda: not any(body(cache, each) for each in PAGES), "the loss of all")
    if change in ("written", "captured"):
        assert body(cache, PAGES[1]) == picture(PAGES[1]).body


def test_nothing_on_the_disk_is_trusted_when_the_connection_was_lost(start):
    with running_redis() as server, redis.Redis.from_url(server.url) as store:
        cache = start(server.url)
        fill(cache)
        store.client_kill_filter(_type="pubsub")
        store.flushall()
        wait_until(lambda: cache.look_up(PAGES[0]).complete, "the loss of trust")
        assert all(body(cache, request) is None for request in PAGES)


def test_no_picture_is_taken_for_another_while_the_disk_is_overwritten(start, redis_url):
    """The disk has room for a tenth of them, so most places are overwritten when they are looked for."""
    rng = random.Random(5)
    requests = [replace(PAGES[0], rendition=Rendition(w=width)) for width in range(16, 96)]
    cache, other = start(redis_url, on_disk=100_000), start(redis_url)
    current = {}
    for request in requests:
        current[request] = picture(request, rng.randrange(1, 30_000))
        cache.put_rendition(request, current[request], 60)
    for turn in range(1500):
        request = rng.choice(requests)
        if rng.random() < 0.02:
            current[request] = picture(request, rng.randrange(1, 30_000), age=turn)
            rng.choice((cache, other)).put_rendition(request, current[request], 60)
            wait_until(lambda request=request: body(cache, request) == current[request].body, "the change")
        assert body(cache, request) == current[request].body


def use_until_refused(cache, logs):
    """Look at more pictures than memory has room for, until the disk has refused one, and once again."""
    for request in PAGES:
        cache.put_rendition(request, picture(request), 60)

    def use():
        return all(body(cache, request) == picture(request).body for request in PAGES)

    wait_until(lambda: use() and logs, "a refusal")
    assert use()


def test_a_full_disk_costs_nothing_but_calls_to_redis(start, redis_url):
    cache = start(redis_url, least_free=1 << 60)
    with capture_logs() as logs:
        use_until_refused(cache, logs)
    assert [each["event"] for each in logs] == ["disk_cache_unwritten"], "once a minute"
    assert cache.disk_bytes == 0


def test_a_folder_that_cannot_be_written_costs_nothing_but_calls_to_redis(start, redis_url, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    cache = start(redis_url, folder=tmp_path / "file" / "originals")
    with capture_logs() as logs:
        use_until_refused(cache, logs)
    assert [each["event"] for each in logs] == ["disk_cache_unwritten"]


def test_where_originals_are_in_no_folder_there_is_no_file_of_pictures(make_client, tmp_path):
    limits = {"memory_cache_bytes": 20_000, "disk_cache_bytes": 10**6, "request_limit": "100000 per minute"}
    clients = {
        originals: make_client(originals=originals, originals_dir=tmp_path / originals, **limits)
        for originals in ("folder", "redis")
    }
    caches = {originals: client.application.extensions["services"].cache for originals, client in clients.items()}
    for cache in caches.values():
        cache.track()

    def use():
        for client in clients.values():
            for number in range(20):
                assert get(client, f"https://example.com/{number}", w=320).status_code == 200

    wait_until(lambda: use() or caches["folder"].disk_bytes, "a picture on the disk")
    use()
    assert caches["redis"].disk_bytes == 0
