"""The flood guard: a limit on all requests of a client, by Flask-Limiter over our counters."""

from collections.abc import Callable

from flask_limiter import Limiter

from access import FLOOD_SCOPE
from coordination import RedisBreaker


def flood_guard(pool: object, breaker: RedisBreaker, request_limit: str, client: Callable[[], str]) -> Limiter:
    """Make the flood guard over a Redis connection `pool`; it guards every view that is not exempt.

    `client` names the client of the current request.
    """
    return Limiter(
        client,
        application_limits=[request_limit],
        storage_uri="counters://",
        storage_options={"connection_pool": pool, "breaker": breaker},  # type: ignore[dict-item]
        strategy="fixed-window",
        in_memory_fallback_enabled=True,
        # Otherwise a request in progress when another one notices the outage becomes a 500.
        swallow_errors=True,
        key_prefix=FLOOD_SCOPE,
    )
