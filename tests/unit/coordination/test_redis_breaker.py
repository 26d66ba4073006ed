"""The breaker on Redis: after a fault, a process does not call Redis for a while."""

import time

import pytest
import redis

from coordination import RedisBreaker


def fail_with(error, asked):
    def question():
        asked.append(error)
        raise error

    return question


@pytest.mark.parametrize("error", [redis.ConnectionError(), redis.TimeoutError(), redis.BusyLoadingError()], ids=repr)
def test_after_a_fault_redis_is_not_called_for_a_while(error):
    asked = []
    breaker = RedisBreaker(pause=3600)
    answers = [breaker.call("away", fail_with(error, asked)) for _ in range(3)]

    assert answers == [(None, False)] * 3
    assert len(asked) == 1


def test_an_error_response_of_redis_does_not_open_the_breaker():
    asked = []
    breaker = RedisBreaker(pause=3600)
    breaker.call("away", fail_with(redis.ResponseError("OOM command not allowed"), asked))

    assert breaker.call("away", lambda: b"a picture") == (b"a picture", True)


def test_after_the_pause_redis_is_called_again():
    breaker = RedisBreaker(pause=0.01)
    breaker.call("away", fail_with(redis.ConnectionError(), []))
    end = time.monotonic() + 10
    while not breaker.call("away", lambda: b"a picture")[1] and time.monotonic() < end:
        time.sleep(0.001)

    assert breaker.call("away", lambda: b"a picture") == (b"a picture", True)
