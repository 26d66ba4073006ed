"""Handles Redis' errors for jobs: requests are refused, and outcomes are retried."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import redis
import structlog

from coordination import count_error, hint_about
from errors import QueueUnavailable

T = TypeVar("T")
_log = structlog.get_logger()


@contextmanager
def redis_errors_translated() -> Iterator[None]:
    """Turn Redis' errors into QueueUnavailable."""
    try:
        yield
    except redis.RedisError as err:
        count_error("state", err)
        _log.error("jobs_unreachable", redis="state", error=type(err).__name__, **hint_about(err))
        raise QueueUnavailable("jobs are unavailable at the moment; try again in a few seconds") from err


def retry_while_unavailable(operation: Callable[[], T], seconds: float = 120) -> T:
    """Call `operation` until Redis answers, for at most `seconds`. Raises QueueUnavailable after that."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            return operation()
        except QueueUnavailable:
            time.sleep(0.5)
    return operation()
