"""Connections to Redis that outlive a failover.

After a failover, the server that was the primary still answers, but refuses to write. Its address may lead to the new
primary by now, which only a new connection reaches. So what a server refuses because of its role or its state is asked
once more on a new connection, and a lost connection is replaced once.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

T = TypeVar("T")

# Codes of errors about the server, not about the command. A server that is loading is a ConnectionError already.
REFUSALS = ("READONLY", "UNBLOCKED", "MASTERDOWN", "NOREPLICAS", "OOM", "MOVED", "CLUSTERDOWN", "MISCONF")


def is_about_server(error: BaseException) -> bool:
    """Return whether another server, or this one later, may answer the command that failed with `error`."""
    if not isinstance(error, redis.ResponseError):
        return isinstance(error, redis.ConnectionError)
    return (error.status_code or str(error).partition(" ")[0]) in REFUSALS


class RetryOnNewConnection(Retry):
    """Retries once, at once, on a new connection. A time-out is not retried: going on without Redis beats a late answer."""

    def __init__(self) -> None:
        super().__init__(NoBackoff(), 1, (redis.ConnectionError, redis.ResponseError))

    def call_with_retry(
        self,
        do: Callable[[], T],
        fail: Callable[..., Any],
        is_retryable: Callable[[Exception], bool] | None = None,
        with_failure_count: bool = False,
    ) -> T:
        return super().call_with_retry(do, fail, is_retryable or is_about_server, with_failure_count)


def connect(url: str, timeout: float) -> "redis.Redis":
    """Make a client whose answers may take `timeout` seconds. Opens no connection yet."""
    return redis.Redis.from_url(
        url, socket_connect_timeout=0.5, socket_timeout=timeout, retry=RetryOnNewConnection(), health_check_interval=30
    )
