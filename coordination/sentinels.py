"""Clients of a service that Redis Sentinels watch: they follow the primary from one server to the next."""

import time
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from redis_urls import SentinelService

CONNECT_SECONDS = 0.5
ASK_SECONDS, ASK_SECONDS_IN_VAIN = 1.0, 10.0


class FollowingPool(SentinelConnectionPool):
    """Asks the Sentinels once a second, and leaves the old primary when they name another.

    redis-py asks only before it opens a connection. After a failover that an operator asks for, the Sentinels let the
    old primary accept writes for some ten seconds, and then discard them.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]
        self._ask_at = 0.0

    def get_connection(self, *args: Any, **kwargs: Any) -> Any:
        if time.monotonic() >= self._ask_at:
            self._ask()
        return super().get_connection(*args, **kwargs)

    def _ask(self) -> None:
        self._ask_at = time.monotonic() + ASK_SECONDS  # first, so that only one of many threads asks
        try:
            self.get_master_address()  # type: ignore[no-untyped-call]
        except redis.RedisError:  # without a Sentinel, the primary may still work
            self._ask_at = time.monotonic() + ASK_SECONDS_IN_VAIN


def primary_of(service: SentinelService, options: dict[str, Any]) -> "redis.Redis":
    """Make a client of the primary, with redis-py's `options`. Opens no connection yet."""
    sentinel = Sentinel(service.sentinels, sentinel_kwargs=sentinel_options(service))  # type: ignore[no-untyped-call]
    servers = {"db": service.database, **service.credentials, **service.tls}
    client: redis.Redis = sentinel.master_for(  # type: ignore[no-untyped-call]
        service.name, connection_pool_class=FollowingPool, **servers, **options
    )
    return client


def close(client: "redis.Redis") -> None:
    """Close a client, and its connections to the Sentinels if it has some, which redis-py leaves open."""
    client.close()
    if isinstance(client.connection_pool, FollowingPool):
        for sentinel in client.connection_pool.sentinel_manager.sentinels:
            sentinel.close()


def sentinel_options(service: SentinelService) -> dict[str, Any]:
    """Return redis-py's options of connections to Sentinels. Another Sentinel is asked at once if one does not answer."""
    return {
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_timeout": CONNECT_SECONDS,
        "retry": Retry(NoBackoff(), 0),
        **service.sentinel_credentials,
        **service.tls,
    }
