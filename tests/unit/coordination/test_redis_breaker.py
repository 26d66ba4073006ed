"""What happens to questions while Redis gives no answers."""

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
def test_after_a_fault_nobody_asks_for_a_while(error):
    asked = []
    breaker = RedisBreaker(pause=3600)
    answers = [breaker.call("away", fail_with(error, asked)) for _ in range(3)]

    assert answers == [(None, False)] * 3
    assert len(asked) == 1


def test_what_redis_refuses_is_no_reason_to_stop_asking():
    asked = []
    breaker = RedisBreaker(pause=3600)
    breaker.call("away", fail_with(redis.ResponseError("OOM command not allowed"), asked))

    assert breaker.call("away", lambda: b"a picture") == (b"a picture", True)


def test_after_the_pause_it_is_asked_again():
    breaker = RedisBreaker(pause=0.01)
    breaker.call("away", fail_with(redis.ConnectionError(), []))
    end = time.monotonic() + 10
    while not breaker.call("away", lambda: b"a picture")[1] and time.monotonic() < end:
        time.sleep(0.001)

    assert breaker.call("away", lambda: b"a picture") == (b"a picture", True)
