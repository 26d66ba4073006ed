"""Connections to Redis, by what they are for, that outlive a failover.

Pictures lie in the cache, which may evict them. All else lies in the state, which should evict nothing. Each collaborator
gets the one that it needs, with the names of its keys.

After a failover, the server that was the primary still answers, but refuses to write. Its address may lead to the new
primary by now, which only a new connection reaches. So what a server refuses because of its role or its state is asked
once more on a new connection, and a lost connection is replaced once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

import redis_urls
from coordination.keys import CacheKeys, StateKeys
from coordination.redis_breaker import RedisBreaker
from coordination.sentinels import CONNECT_SECONDS, primary_of

T = TypeVar("T")

ANSWER_SECONDS = 1.0  # how long an answer may take
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
    options: dict[str, Any] = {
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_timeout": timeout,
        "retry": RetryOnNewConnection(),
        "health_check_interval": 30,
    }
    service = redis_urls.sentinel_service(url)
    return primary_of(service, options) if service else redis.Redis.from_url(url, **options)


@dataclass(frozen=True, slots=True)
class CacheRedis:
    """The Redis of pictures, which may evict all that it holds."""

    client: "redis.Redis"
    breaker: RedisBreaker
    keys: CacheKeys

    def require_writable(self) -> bool:
        """Prove that it takes writes: a replica, and a server that is full, answer everything else."""
        return bool(self.client.set(self.keys.ready(), 1, ex=60))


@dataclass(frozen=True, slots=True)
class StateRedis:
    """The Redis of limits, leases and jobs, which should evict nothing.

    `blocking` is a client for reads that wait some seconds.
    """

    client: "redis.Redis"
    blocking: "redis.Redis"
    breaker: RedisBreaker
    keys: StateKeys

    def require_writable(self) -> bool:
        """Prove that it takes writes, as `CacheRedis.require_writable` does."""
        return bool(self.client.set(self.keys.ready(), 1, ex=60))


@dataclass(frozen=True, slots=True)
class Connections:
    """The connections of one process, by what they are for. They are one if both purposes have the same URL."""

    cache: CacheRedis
    state: StateRedis

    @property
    def shared(self) -> bool:
        return self.cache.client is self.state.client

    def close(self) -> None:
        for client in (self.cache.client, self.state.client, self.state.blocking):
            client.close()


def open_connections(cache_url: str, state_url: str, prefix: str, blocking_seconds: float) -> Connections:
    """Make the clients for both purposes. Opens no connection yet. Blocking reads may last `blocking_seconds`."""
    shared = cache_url == state_url
    client, breaker = connect(state_url, ANSWER_SECONDS), RedisBreaker("cache and state" if shared else "state")
    state = StateRedis(client, connect(state_url, blocking_seconds + ANSWER_SECONDS), breaker, StateKeys(prefix))
    if shared:  # one silent server costs one time-out, whichever purpose meets it first
        return Connections(CacheRedis(client, breaker, CacheKeys(prefix)), state)
    return Connections(CacheRedis(connect(cache_url, ANSWER_SECONDS), RedisBreaker("cache"), CacheKeys(prefix)), state)
