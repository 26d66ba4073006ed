"""The fuse on the line to Redis: after a fault nobody in this process asks it anything for a while.

Whoever asks can do without an answer. A Redis that is silent rather than gone would otherwise cost every request its
time-out, several times over.
"""

import time
from collections.abc import Callable
from typing import TypeVar

import redis
import structlog

T = TypeVar("T")
PAUSE_SECONDS = 2.0
_log = structlog.get_logger()


class Fuse:
    """One for all who share a Redis."""

    def __init__(self, pause: float = PAUSE_SECONDS) -> None:
        self._pause = pause
        self._until = 0.0

    def ask(self, event: str, question: Callable[[], T]) -> tuple[T | None, bool]:
        """Put a question to Redis: the answer, and whether there was one. A fault is logged as `event`."""
        if time.monotonic() < self._until:
            return None, False
        try:
            return question(), True
        except (redis.ConnectionError, redis.TimeoutError) as err:
            self._until = time.monotonic() + self._pause
            _log.warning(event, error=type(err).__name__, pause_seconds=self._pause)
        except redis.RedisError as err:  # it refuses this, being full or read-only, and may answer the next question
            _log.warning(event, error=type(err).__name__)
        return None, False
