"""What an absence of Redis means to jobs: a refusal to whoever asks for one, a pause to whoever has an outcome."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import redis
import structlog

from errors import QueueUnavailable

T = TypeVar("T")
_log = structlog.get_logger()


@contextmanager
def redis_errors_translated() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as err:
        _log.error("jobs_unreachable", error=type(err).__name__)
        raise QueueUnavailable("jobs cannot be reached at the moment; try again in a few seconds") from err


def retry_while_unavailable(question: Callable[[], T], seconds: float = 120) -> T:
    """Ask for `seconds` even if Redis is away: an outcome is not lost, since what led to it cannot be undone."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            return question()
        except QueueUnavailable:
            time.sleep(0.5)
    return question()
