"""Connections to Redis, by what they are for, that outlive a failover.

Pictures lie in the cache, which may evict them. All else lies in the state, which should evict nothing. Each collaborator
gets the one that it needs, with the names of its keys.

After a failover, the server that was the primary still answers, but refuses to write. Its address may lead to the new
primary by now, which only a new connection reaches. So what a server refuses because of its role or its state is asked
once more on a new connection, and a lost connection is replaced once.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

import redis_urls
from coordination import cluster, sentinels
from coordination.keys import CacheKeys, StateKeys
from coordination.redis_breaker import RedisBreaker
from coordination.sentinels import CONNECT_SECONDS, primary_of

T = TypeVar("T")

ANSWER_SECONDS = 1.0  # how long an answer may take
# Codes of errors about the server, not about the command. A server that is loading is a ConnectionError already.
REFUSALS = ("READONLY", "UNBLOCKED", "MASTERDOWN", "NOREPLICAS", "OOM", "MISCONF", *cluster.CODES)


def is_about_server(error: BaseException) -> bool:
    """Return whether another server, or this one later, may answer the command that failed with `error`."""
    return isinstance(error, redis.ConnectionError) or cluster.error_code(error) in REFUSALS


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


def _require_writable(client: "redis.Redis", key: str, variable: str) -> bool:
    """Prove that a server takes writes: a replica, and a server that is full, answer everything else."""
    cluster.refuse_cluster_mode(client, variable)
    try:
        return bool(client.set(key, 1, ex=60))
    except redis.ResponseError as err:
        if cluster.error_code(err) in cluster.CODES:
            raise cluster.ClusterMode(variable) from err
        raise


@dataclass(frozen=True, slots=True)
class CacheRedis:
    """The Redis of pictures, which may evict all that it holds."""

    client: "redis.Redis"
    breaker: RedisBreaker
    keys: CacheKeys
    variable: str = "REDIS_URL"

    def require_writable(self) -> bool:
        """Prove that it takes writes. Raises ClusterMode, or another error of Redis."""
        return _require_writable(self.client, self.keys.ready(), self.variable)


@dataclass(frozen=True, slots=True)
class StateRedis:
    """The Redis of limits, leases and jobs, which should evict nothing.

    `blocking` is a client for reads that wait some seconds.
    """

    client: "redis.Redis"
    blocking: "redis.Redis"
    breaker: RedisBreaker
    keys: StateKeys
    variable: str = "STATE_REDIS_URL"

    def require_writable(self) -> bool:
        """Prove that it takes writes, as `CacheRedis.require_writable` does."""
        return _require_writable(self.client, self.keys.ready(), self.variable)


@dataclass(frozen=True, slots=True)
class Connections:
    """The connections of one process, by what they are for. They are one if both purposes have the same URL."""

    cache: CacheRedis
    state: StateRedis

    @property
    def shared(self) -> bool:
        return self.cache.client is self.state.client

    def refuse_cluster(self) -> None:
        """Raise ClusterMode if a server runs in cluster mode. One that is down is not judged, as it may be soon."""
        for purpose in (self.cache, self.state):
            with suppress(redis.ConnectionError, redis.TimeoutError):
                cluster.refuse_cluster_mode(purpose.client, purpose.variable)

    def close(self) -> None:
        for client in (self.cache.client, self.state.client, self.state.blocking):
            sentinels.close(client)


def open_connections(cache_url: str, state_url: str, prefix: str, blocking_seconds: float) -> Connections:
    """Make the clients for both purposes. Opens no connection yet. Blocking reads may last `blocking_seconds`."""
    shared = cache_url == state_url
    client, breaker = connect(state_url, ANSWER_SECONDS), RedisBreaker("cache and state" if shared else "state")
    variable = "REDIS_URL" if shared else "STATE_REDIS_URL"
    blocking = connect(state_url, blocking_seconds + ANSWER_SECONDS)
    state = StateRedis(client, blocking, breaker, StateKeys(prefix), variable)
    if shared:  # one silent server costs one time-out, whichever purpose meets it first
        return Connections(CacheRedis(client, breaker, CacheKeys(prefix)), state)
    return Connections(CacheRedis(connect(cache_url, ANSWER_SECONDS), RedisBreaker("cache"), CacheKeys(prefix)), state)
