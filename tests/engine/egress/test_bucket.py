"""The token bucket by itself, on a clock that the test sets."""

import pytest

from engine.egress.bucket import TokenBucket


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bucket(clock: Clock) -> TokenBucket:
    return TokenBucket(10, 2, clock)


def test_a_burst_is_taken_at_once_and_then_the_rate_holds(bucket: TokenBucket, clock: Clock):
    assert [bucket.take(1) for _ in range(11)] == [True] * 10 + [False]
    clock.now = 1
    assert [bucket.take(1) for _ in range(3)] == [True, True, False]


def test_a_bucket_never_holds_more_than_its_burst(bucket: TokenBucket, clock: Clock):
    clock.now = 1000
    assert bucket.take(10)
    assert not bucket.take(1)


def test_credit_is_paid_back_at_the_rate_in_the_order_of_asking(bucket: TokenBucket, clock: Clock):
    assert [bucket.borrow(10), bucket.borrow(4), bucket.borrow(2)] == [0, 2, 3]
    clock.now = 2
    assert bucket.borrow(2) == 2
    clock.now = 4
    assert bucket.borrow(0) == 0
