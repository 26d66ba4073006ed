"""The circuit breaker, over a real Redis and without one; time is the test's."""

import pytest
import redis

from capture.breaker import OPEN_SECONDS, THRESHOLD, Breaker
from coordination.redis_breaker import Fuse
from errors import BlockedTarget, CaptureFailed, UpstreamQuota, UpstreamUnavailable


class Clock:
    now = 1_800_000_000.0

    def __call__(self):
        return self.now


def fault():
    return CaptureFailed("broken", upstream=True)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["shared", "without redis"])
def breaker(request, clock):
    url = request.getfixturevalue("redis_url") if request.param == "shared" else "redis://127.0.0.1:1/0"
    with redis.Redis.from_url(url) as client:
        yield Breaker(client, Fuse(), clock)


def fail(breaker, times):
    for _ in range(times):
        breaker.note(fault())


def test_it_opens_after_five_failures_in_a_row(breaker):
    fail(breaker, THRESHOLD - 1)
    breaker.check()
    fail(breaker, 1)
    with pytest.raises(UpstreamUnavailable) as refused:
        breaker.check()
    assert 0 < refused.value.retry_after <= OPEN_SECONDS


def test_a_success_between_starts_the_count_anew(breaker):
    fail(breaker, THRESHOLD - 1)
    breaker.note(None)
    fail(breaker, THRESHOLD - 1)
    breaker.check()


def test_a_fault_of_the_page_does_not_count(breaker):
    for _ in range(2 * THRESHOLD):
        breaker.note(CaptureFailed("the page answered 404"))
        breaker.note(BlockedTarget("no"))
    breaker.check()


def test_one_probe_is_let_through_when_the_time_is_up(breaker, clock):
    fail(breaker, THRESHOLD)
    clock.now += OPEN_SECONDS + 1
    breaker.check()
    with pytest.raises(UpstreamUnavailable):
        breaker.check()


def test_a_probe_that_succeeds_closes_it(breaker, clock):
    fail(breaker, THRESHOLD)
    clock.now += OPEN_SECONDS + 1
    breaker.check()
    breaker.note(None)
    breaker.check()
    breaker.check()


def test_a_probe_that_fails_opens_it_again(breaker, clock):
    fail(breaker, THRESHOLD)
    clock.now += OPEN_SECONDS + 1
    breaker.check()
    fail(breaker, 1)
    with pytest.raises(UpstreamUnavailable):
        breaker.check()


def test_a_quota_opens_it_at_once_and_for_as_long_as_it_says(breaker, clock):
    breaker.note(UpstreamQuota("used up", retry_after=600))
    clock.now += 500
    with pytest.raises(UpstreamQuota) as refused:
        breaker.check()
    assert refused.value.retry_after == 100


def test_what_it_refuses_was_not_tried_and_lasts_if_its_cause_does(breaker):
    for lasting in (False, True):
        err = UpstreamUnavailable("refused", upstream=True, lasting=lasting)
        for _ in range(THRESHOLD):
            breaker.note(err)
        with pytest.raises(UpstreamUnavailable) as refused:
            breaker.require_open()
        assert (refused.value.tried, refused.value.lasting) == (False, lasting)


def test_a_probe_that_is_not_used_is_anothers(redis_url, clock):
    with redis.Redis.from_url(redis_url) as client:
        breaker = Breaker(client, Fuse(), clock)
        fail(breaker, THRESHOLD)
        clock.now += OPEN_SECONDS + 1
        breaker.check()
        breaker.let_go()
        breaker.check()


def test_what_one_process_learns_all_know(redis_url, clock):
    with redis.Redis.from_url(redis_url) as client:
        one, other = Breaker(client, Fuse(), clock), Breaker(client, Fuse(), clock)
        fail(one, THRESHOLD - 1)
        fail(other, 1)
        for breaker in (one, other):
            with pytest.raises(UpstreamUnavailable):
                breaker.check()


def test_with_a_redis_that_takes_no_notes_it_opens_for_its_process(redis_url, clock):
    with redis.Redis.from_url(redis_url) as client:
        breaker = Breaker(client, Fuse(), clock)
        client.config_set("maxmemory", 1)
        client.config_set("maxmemory-policy", "noeviction")
        try:
            fail(breaker, THRESHOLD)
            with pytest.raises(UpstreamUnavailable):
                breaker.check()
            clock.now += OPEN_SECONDS + 1
            breaker.check()
            breaker.note(None)
            breaker.check()
        finally:
            client.config_set("maxmemory", 0)
