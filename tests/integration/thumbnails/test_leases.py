"""Processes agree by a lease which one captures. Its holder renews it, and another process takes it over after a crash."""

import threading

import pytest
import redis

from coordination import Coalescer, Leases, Work
from tests.support.processes import wait_until
from tests.support.redis import as_state, renewals
from tests.support.visitors import PAGE, Crowd


@pytest.mark.slow
def test_a_capture_that_outlives_a_lease_is_still_the_only_one(make_client, api, held, redis_url):
    store = redis.Redis.from_url(redis_url)

    before = renewals(store)
    one, other = Crowd(make_client(), 1), Crowd(make_client(), 1)
    answers = [one.ask(url=PAGE), other.ask(url=PAGE)]
    wait_until(lambda: renewals(store) >= before + 5, "five renewals of the lease, longer than it lives")
    held.set()

    assert {answer.result().status_code for answer in answers} == {200}
    assert len(api.calls) == 1


@pytest.mark.slow
def test_a_lease_that_redis_forgets_is_taken_again(make_client, api, held, redis_url):
    """After a restart of Redis, or a silence longer than the life of a lease, new callers still follow the holder.

    Earlier followers do as without Redis: each process captures for itself.
    """
    store = redis.Redis.from_url(redis_url)
    one, other = Crowd(make_client(), 1), Crowd(make_client(), 1)
    first = one.ask(url=PAGE)
    wait_until(lambda: len(api.calls) == 1, "the capture")
    store.flushall()
    wait_until(lambda: store.keys("thumb:lease:*"), "the lease again")
    second = other.ask(url=PAGE)
    wait_until(lambda: store.info("clients")["blocked_clients"] == 1, "a follower that waits")
    held.set()

    assert {first.result().status_code, second.result().status_code} == {200}
    assert len(api.calls) == 1
    wait_until(lambda: not store.keys("thumb:lease:*"), "the lease's end")


def test_a_follower_is_woken_by_the_holder_and_not_by_the_lease_running_out(redis_url):
    """With leases of an hour, only the wake-up can end the wait."""
    done, working = threading.Event(), threading.Event()

    def work():
        working.set()
        done.wait(30)
        return "done"

    with redis.Redis.from_url(redis_url) as client:
        one, other = (Coalescer(Leases(as_state(client), lease_ms=3_600_000)) for _ in range(2))
        first = one.join("key", Work(work, lambda: None), 30)
        assert working.wait(10)
        second = other.join("key", Work(work, lambda: "recalled"), 30)
        wait_until(lambda: client.info("clients")["blocked_clients"] == 1, "the follower's wait")
        done.set()
        assert (first.future.result(20), second.future.result(20)) == ("done", "recalled")


def test_a_lease_that_its_holder_no_longer_renews_runs_out_within_three_seconds(redis_url):
    done = threading.Event()
    with redis.Redis.from_url(redis_url) as client:
        flight = Coalescer(Leases(as_state(client))).join("key", Work(lambda: done.wait(60), lambda: None), 60)
        try:
            wait_until(lambda: client.exists("thumb:lease:{key}"), "the lease")
            before = renewals(client)
            wait_until(lambda: renewals(client) > before, "a renewal")
            left = client.pttl("thumb:lease:{key}")
        finally:
            done.set()
        assert flight.future.result(20)

    assert 0 < left < 3000 - 100, "the remaining time is for waking the waiters"


def test_a_lease_that_is_not_renewed_is_taken_over(redis_url):
    with redis.Redis.from_url(redis_url) as client:
        client.set("thumb:lease:{key}", "a dead holder's token", px=300)
        flight = Coalescer(Leases(as_state(client))).join("key", Work(lambda: "mine", lambda: None), 30)
        assert flight.future.result(20) == "mine"
