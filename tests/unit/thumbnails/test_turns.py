"""After how many seconds a refused caller may come back: when all captures before it should have ended."""

from contextlib import ExitStack

import pytest

from errors import OverCapacity
from thumbnails.shares import Turns


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


def refusal(turns, client="stranger"):
    with pytest.raises(OverCapacity) as raised:
        turns.require_room(client)
    return raised.value.retry_after


def capture(turns, clock, seconds, times=1):
    for _ in range(times):
        with turns.hold("someone"):
            clock.now += seconds


def test_fast_pages_send_a_caller_away_for_five_seconds(clock):
    turns = Turns(1, 0, 60, clock)
    capture(turns, clock, 0.5, times=20)
    with turns.hold("someone"):
        assert refusal(turns) == 5


def test_slow_pages_send_a_caller_away_for_as_long_as_they_take(clock):
    turns = Turns(1, 0, 60, clock)
    capture(turns, clock, 20, times=30)
    with turns.hold("someone"):
        assert refusal(turns) == 20


def test_pages_of_which_none_has_ended_yet_count_as_slow(clock):
    turns = Turns(2, 0, 60, clock)
    capture(turns, clock, 1)
    clock.now += 3600  # without work
    with turns.hold("someone"), turns.hold("other"):
        assert refusal(turns) == 5
        clock.now += 30
        assert refusal(turns) == 30
        clock.now += 300
        assert refusal(turns) == 60, "the longest"


def test_a_longer_queue_sends_a_caller_away_for_longer(clock):
    waits = {}
    for queue in (0, 4, 12):
        turns = Turns(2, queue, 60, clock)
        capture(turns, clock, 4, times=60)
        with ExitStack() as stack:
            for _ in range(2):
                stack.enter_context(turns.hold("someone"))
            for _ in range(queue):
                turns._take("someone")
            waits[queue] = refusal(turns, "someone")

    assert waits == {0: 5, 4: 12, 12: 28}
