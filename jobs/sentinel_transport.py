"""Celery's way to the queues of a service that Redis Sentinels watch, which follows the primary as all other clients do."""

from kombu import transport
from kombu.transport import redis

from coordination import FollowingPool


class Channel(redis.SentinelChannel):
    """Kombu's channel, but messages do not go to an old primary for as long as that still accepts them."""

    def _sentinel_managed_pool(self, asynchronous: bool = False) -> FollowingPool:
        pool = super()._sentinel_managed_pool(asynchronous)  # type: ignore[no-untyped-call]
        options = {name: value for name, value in pool.connection_kwargs.items() if name != "connection_pool"}
        return FollowingPool(
            pool.service_name,
            pool.sentinel_manager,
            connection_class=pool.connection_class,
            max_connections=pool.max_connections,
            **options,
        )


class Transport(redis.SentinelTransport):
    Channel = Channel


def install() -> None:
    """Let Kombu use this transport for URLs that begin with `sentinel://`."""
    transport.TRANSPORT_ALIASES["sentinel"] = f"{__name__}:Transport"
