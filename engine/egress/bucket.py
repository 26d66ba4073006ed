"""A token bucket: what may happen at a steady rate, and in bursts above it. Knows neither bytes nor connections."""

import time
from collections.abc import Callable


class TokenBucket:
    """Holds at most `burst` tokens, and is refilled by `rate` tokens a second. It starts full."""

    def __init__(self, burst: float, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` is in seconds."""
        self._burst, self._rate, self._clock = burst, rate, clock
        self._tokens, self._filled = burst, clock()

    def take(self, count: int) -> bool:
        """Take `count` tokens if the bucket holds as many."""
        self._fill()
        if self._tokens < count:
            return False
        self._tokens -= count
        return True

    def borrow(self, count: int) -> float:
        """Take `count` tokens, on credit if need be, and return the seconds until they are paid back.

        A caller that waits so long keeps to the rate. Callers are served in the order of asking.
        """
        self._fill()
        self._tokens -= count
        return max(0, -self._tokens / self._rate)

    def _fill(self) -> None:
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
