"""With `fresh=1`, a caller gets a picture that is captured now."""

import threading

import pytest
import redis

from tests.support.processes import wait_until
from tests.support.redis import renewals
from tests.support.screenshot_api import refuse, with_mark
from tests.support.visitors import PAGE, Crowd, get


def test_fresh_returns_a_picture_that_was_captured_now(client, api):
    before = get(client)
    api.behave(with_mark(1, 20))

    assert get(client, fresh=1).data != before.data


def test_fresh_renews_every_size_of_a_page(client, api):
    small, large = get(client, w=64), get(client, w=128)
    api.behave(with_mark(400, 400))
    renewed = get(client, w=64, fresh=1)
    other = get(client, w=128)

    assert (renewed.headers["X-Cache"], other.headers["X-Cache"]) == ("MISS", "HIT")
    assert renewed.headers["ETag"] != small.headers["ETag"]
    assert other.headers["ETag"] != large.headers["ETag"]
    assert other.headers["Last-Modified"] == renewed.headers["Last-Modified"]
    assert len(api.calls) == 2


def test_sizes_of_a_page_without_a_master_do_not_outdate_each_other(make_client, api, redis_url):
    """Without an original, each size has its own age: a new capture for one size does not make the others stale."""
    client = make_client()
    store = redis.Redis.from_url(redis_url)
    for width in (64, 128):
        get(client, w=width, fresh=1)
        for key in store.keys("thumb:picture:*"):
            if b'"kind":"original"' in store.get(key).replace(b"\\", b""):
                store.delete(key)
    states = [get(client, w=width).headers["X-Cache"] for width in (64, 128, 64)]

    assert states == ["HIT", "HIT", "HIT"]
    assert len(api.calls) == 2


@pytest.mark.parametrize("size", [64, 128], ids=["the same size", "another size"])
def test_a_fresh_capture_that_fails_returns_the_last_good_picture(client, api, size):
    get(client, w=64)
    api.behave(refuse(500), times=9)
    answer = get(client, w=size, fresh=1)

    assert answer.status_code == 200
    assert answer.headers["X-Cache"] == "STALE"
    assert answer.headers["X-Thumb-State"] == "stale"


@pytest.mark.slow
def test_a_fresh_request_in_another_process_joins_the_capture(make_client, api, redis_url):
    one, other = Crowd(make_client(), 1), Crowd(make_client(), 1)
    old = one.ask(url=PAGE).result()
    gate = threading.Event()

    def held_look(answer):
        gate.wait()
        with_mark(400, 400)(answer)

    api.behave(held_look, times=9)
    store = redis.Redis.from_url(redis_url)
    first = one.ask(url=PAGE, fresh=1)
    try:
        wait_until(lambda: len(api.calls) == 2, "the new capture")
        second = other.ask(url=PAGE, fresh=1)
        wait_for_a_follower(store)
    finally:
        gate.set()

    assert first.result().headers["ETag"] == second.result().headers["ETag"] != old.headers["ETag"]
    assert len(api.calls) == 2


@pytest.mark.slow
def test_a_fresh_request_that_joins_a_retry_does_not_get_the_old_failure(make_client, api, redis_url):
    one, other = (Crowd(make_client(thumb_limit="100 per hour"), 1) for _ in range(2))
    api.behave(refuse(422, "page_failed"))
    assert one.ask(url=PAGE).result().status_code == 502
    gate = threading.Event()
    api.hold(gate)
    store = redis.Redis.from_url(redis_url)
    first = one.ask(url=PAGE, fresh=1)
    try:
        wait_until(lambda: len(api.calls) == 2, "the new capture")
        second = other.ask(url=PAGE, fresh=1)
        wait_for_a_follower(store)
    finally:
        gate.set()

    assert [first.result().status_code, second.result().status_code] == [200, 200]
    assert len(api.calls) == 2


def wait_for_a_follower(store):
    """Wait until a process follows, for longer than the life of a lease and the sleep of a follower."""
    wait_until(lambda: store.info("clients")["blocked_clients"] == 1, "a follower that waits")
    renewed = renewals(store)
    wait_until(lambda: renewals(store) >= renewed + 5, "renewals of the lease")
