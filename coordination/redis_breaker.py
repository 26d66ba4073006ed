"""A circuit breaker on the connection to Redis: after a fault, this process does not call Redis for a while.

All callers can do without Redis. Without the breaker, a Redis that accepts connections but never answers would cost
each request several time-outs.
"""

import time
from collections.abc import Callable
from typing import TypeVar

import redis
import structlog

from coordination.cluster import hint_about
from telemetry import metrics

T = TypeVar("T")
PAUSE_SECONDS = 2.0
_log = structlog.get_logger()


def count_error(server: str, error: redis.RedisError) -> None:
    """Count a call that failed. A server that is both cache and state counts as the cache."""
    unreachable = isinstance(error, redis.ConnectionError | redis.TimeoutError)
    metrics.REDIS_ERRORS.add("state" if server == "state" else "cache", "unreachable" if unreachable else "refused")


class RedisBreaker:
    """One instance serves all users of one Redis in a process."""

    def __init__(self, name: str = "redis", pause: float = PAUSE_SECONDS) -> None:
        """`name` tells log events which Redis it is; `pause` is in seconds."""
        self._name = name
        self._pause = pause
        self._open_until = 0.0

    def call(self, event: str, command: Callable[[], T]) -> tuple[T | None, bool]:
        """Run `command`; return its answer and whether there was one. A fault is logged as `event`."""
        if time.monotonic() < self._open_until:
            return None, False
        try:
            return command(), True
        except (redis.ConnectionError, redis.TimeoutError) as err:
            self._open_until = time.monotonic() + self._pause
            count_error(self._name, err)
            _log.warning(event, redis=self._name, error=type(err).__name__, pause_seconds=self._pause)
        except redis.RedisError as err:  # a full or read-only Redis refuses this command and may accept the next
            count_error(self._name, err)
            _log.warning(event, redis=self._name, error=type(err).__name__, **hint_about(err))
        return None, False
