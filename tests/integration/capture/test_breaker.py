"""The circuit breaker, over a real Redis and without one; time is the test's."""

import pytest
import redis

from capture.breaker import LOOK_SECONDS, OPEN_SECONDS, THRESHOLD, CircuitBreaker
from errors import BlockedTarget, CaptureFailed, UpstreamQuota, UpstreamUnavailable
from tests.support.redis import as_state


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
        yield CircuitBreaker(as_state(client), "engine", clock)


def fail(breaker, times):
    for _ in range(times):
        breaker.record(fault())


def test_it_opens_after_five_failures_in_a_row(breaker):
    fail(breaker, THRESHOLD - 1)
    breaker.admit()
    fail(breaker, 1)
    with pytest.raises(UpstreamUnavailable) as refused:
        breaker.admit()
    assert 0 < refused.value.retry_after <= OPEN_SECONDS


def test_a_success_between_restarts_the_count(breaker):
    fail(breaker, THRESHOLD - 1)
    breaker.record(None)
    fail(breaker, THRESHOLD - 1)
    breaker.admit()


def test_a_fault_of_the_page_does_not_count(breaker):
    for _ in range(2 * THRESHOLD):
        breaker.record(CaptureFailed("the page answered 404"))
        breaker.record(BlockedTarget("no"))
    breaker.admit()


def test_one_probe_is_admitted_when_the_time_has_passed(breaker, clock):
    fail(breaker, THRESHOLD)
    clock.now += OPEN_SECONDS + 1
    breaker.admit()
    with pytest.raises(UpstreamUnavailable):
        breaker.admit()


def test_an_api_that_is_back_is_probed_within_ten_seconds(breaker, clock):
    fail(breaker, THRESHOLD)
    for _ in range(10):
        clock.now += 10
        breaker.admit()
        breaker.record(UpstreamUnavailable("nobody listens", upstream=True))


def test_it_is_not_said_to_be_open_when_the_time_has_passed_and_nobody_calls(breaker, clock):
    assert not breaker.is_open()
    fail(breaker, THRESHOLD)
    clock.now += OPEN_SECONDS - 1
    assert breaker.is_open()
    clock.now += LOOK_SECONDS  # an operator's look now and then misses no opening
    assert breaker.is_open()
    clock.now += 2
    assert not breaker.is_open()


def test_it_is_said_to_be_open_while_a_probe_keeps_other_callers_away(breaker, clock):
    fail(breaker, THRESHOLD)
    clock.now += OPEN_SECONDS + LOOK_SECONDS + 1
    breaker.admit()
    assert breaker.is_open()
    breaker.record(None)
    assert not breaker.is_open()


def test_a_probe_that_succeeds_closes_it(breaker, clock):
    fail(breaker, THRESHOLD)
    clock.now += OPEN_SECONDS + 1
    breaker.admit()
    breaker.record(None)
    breaker.admit()
    breaker.admit()


def test_a_probe_that_fails_opens_it_again(breaker, clock):
    fail(breaker, THRESHOLD)
    clock.now += OPEN_SECONDS + 1
    breaker.admit()
    fail(breaker, 1)
    with pytest.raises(UpstreamUnavailable):
        breaker.admit()


def test_a_quota_opens_it_at_once_and_for_as_long_as_it_says(breaker, clock):
    breaker.record(UpstreamQuota("used up", retry_after=600))
    clock.now += 500
    with pytest.raises(UpstreamQuota) as refused:
        breaker.admit()
    assert refused.value.retry_after == 100


def test_its_refusals_were_not_tried_and_are_lasting_if_their_cause_is(breaker):
    for lasting in (False, True):
        err = UpstreamUnavailable("refused", upstream=True, lasting=lasting)
        for _ in range(THRESHOLD):
            breaker.record(err)
        with pytest.raises(UpstreamUnavailable) as refused:
            breaker.require_closed()
        assert (refused.value.tried, refused.value.lasting) == (False, lasting)


def test_a_probe_that_is_not_used_goes_to_another_caller(redis_url, clock):
    with redis.Redis.from_url(redis_url) as client:
        breaker = CircuitBreaker(as_state(client), "engine", clock)
        fail(breaker, THRESHOLD)
        clock.now += OPEN_SECONDS + 1
        breaker.admit()
        breaker.cancel()
        breaker.admit()


def test_all_processes_share_the_state(redis_url, clock):
    with redis.Redis.from_url(redis_url) as client:
        one, other = (
            CircuitBreaker(as_state(client), "engine", clock),
            CircuitBreaker(as_state(client), "engine", clock),
        )
        fail(one, THRESHOLD - 1)
        fail(other, 1)
        for breaker in (one, other):
            with pytest.raises(UpstreamUnavailable):
                breaker.admit()


def test_with_a_redis_that_takes_no_notes_it_opens_for_its_process(redis_url, clock):
    with redis.Redis.from_url(redis_url) as client:
        breaker = CircuitBreaker(as_state(client), "engine", clock)
        client.config_set("maxmemory", 1)
        client.config_set("maxmemory-policy", "noeviction")
        try:
            fail(breaker, THRESHOLD)
            with pytest.raises(UpstreamUnavailable):
                breaker.admit()
            clock.now += OPEN_SECONDS + 1
            breaker.admit()
            breaker.record(None)
            breaker.admit()
        finally:
            client.config_set("maxmemory", 0)


def test_a_redis_that_fills_up_after_it_opened_still_admits_one_probe(redis_url, clock):
    with redis.Redis.from_url(redis_url) as client:
        breaker = CircuitBreaker(as_state(client), "engine", clock)
        fail(breaker, THRESHOLD)
        client.config_set("maxmemory", 1)
        client.config_set("maxmemory-policy", "noeviction")
        try:
            clock.now += OPEN_SECONDS + 1
            breaker.admit()
            for _ in range(3):
                with pytest.raises(UpstreamUnavailable):
                    breaker.admit()
            fail(breaker, 1)
            clock.now += OPEN_SECONDS - 1
            with pytest.raises(UpstreamUnavailable):
                breaker.admit()
        finally:
            client.config_set("maxmemory", 0)


def test_failures_that_another_process_forgot_do_not_count_without_redis(redis_url, clock):
    with redis.Redis.from_url(redis_url) as client:
        one, other = (CircuitBreaker(as_state(client), "engine", clock) for _ in range(2))
        fail(one, THRESHOLD - 1)
        other.admit()
        other.record(None)
        one.admit()
        client.connection_pool.disconnect()
        client.connection_pool.connection_kwargs["port"] = 1
        fail(one, 1)
        one.admit()
