"""The Redis commands per request, as Redis counts them: commands from clients, not those inside scripts."""

import hashlib
import shutil
import threading
from contextlib import contextmanager

import pytest
import redis

from coordination import leases
from tests.support.redis import age_pictures
from tests.support.visitors import PAGE, get

OTHER = "https://example.org/"
# Commands with which a connection begins, and the renewals of a lease, whose number depends on the time of a capture.
_NOT_COUNTED = (
    *("HELLO", "CLIENT", "SELECT", "PING", "AUTH", "SCRIPT LOAD"),
    f"EVALSHA {hashlib.sha1(leases._RENEW.encode()).hexdigest()}",
)


class Calls(list):
    """Commands in the order in which they were sent, such as `MGET thumb:picture:…`."""


@contextmanager
def counted(url):
    """Count the commands of other clients until the block ends."""
    calls, marker = Calls(), "the end of the count"
    with redis.Redis.from_url(url) as client, client.monitor() as monitor:
        ended = threading.Event()

        def read():
            for event in monitor.listen():
                if marker in event["command"]:
                    ended.set()
                    return
                if event["client_type"] != "lua" and not event["command"].startswith(_NOT_COUNTED):
                    calls.append(event["command"][:60])

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        yield calls
        client.echo(marker)
        assert ended.wait(20)
        reader.join(20)


@pytest.fixture
def warm(make_client, tmp_path):
    """A client whose scripts are loaded, and whose flood guard has counted before."""
    client = make_client(
        memory_cache_bytes=10_000_000, thumb_limit="100 per minute", originals="folder", originals_dir=tmp_path / "kept"
    )
    get(client, OTHER)
    return client


def test_a_miss_costs_redis_at_most_eleven_calls(warm, redis_url):
    with counted(redis_url) as calls:
        response = get(warm, PAGE, w=320)
    assert response.headers["X-Cache"] == "MISS"
    assert len(calls) <= 11, calls
    assert len(calls) >= 5, "or they were not counted"


def test_a_miss_whose_original_was_lost_costs_no_more(warm, redis_url, tmp_path):
    get(warm, PAGE, w=320)
    age_pictures(redis_url, seconds=60)
    with redis.Redis.from_url(redis_url) as store:
        store.delete(*store.keys("thumb:picture:*"))
    shutil.rmtree(tmp_path / "kept")
    warm.application.extensions["services"].thumbnailer._cache._memory.clear()
    with counted(redis_url) as calls:
        response = get(warm, PAGE, w=320)
    assert response.headers["X-Cache"] == "MISS"
    assert len(calls) <= 11, calls


def test_a_forced_capture_costs_no_more(warm, redis_url):
    get(warm, PAGE, w=320)
    with counted(redis_url) as calls:
        response = get(warm, PAGE, w=320, fresh=1)
    assert response.status_code == 200
    assert len(calls) <= 11, calls


def test_a_hit_costs_redis_one_call_and_then_none(make_client, redis_url):
    get(make_client(), PAGE, w=320)
    client = make_client(memory_cache_bytes=10_000_000, request_limit="100000 per minute")
    with counted(redis_url) as calls:
        assert get(client, PAGE, w=320).headers["X-Cache"] == "HIT"
    assert [call.partition(" ")[0] for call in calls] == ["MGET"]
    with counted(redis_url) as calls:
        assert get(client, PAGE, w=320).headers["X-Cache"] == "HIT"
    assert calls == []


def test_another_size_of_a_known_page_costs_few_calls(warm, redis_url):
    get(warm, PAGE, w=320)
    with counted(redis_url) as calls:
        assert get(warm, PAGE, w=640).headers["X-Cache"] == "HIT"
    assert len(calls) <= 5, calls
