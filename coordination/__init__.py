"""How processes share work and state through Redis: leases, coalescing, idempotency, connections and key names,
a breaker on Redis, changes of keys.

Knows nothing of pictures.
"""

from coordination.cluster import ClusterMode, hint_about
from coordination.coalescer import Coalescer, Flight, FlightState, Work
from coordination.connections import (
    CacheRedis,
    Connections,
    StateRedis,
    is_about_server,
    open_connections,
)
from coordination.idempotency import Attempt, IdempotencyStore, StoredResponse
from coordination.keys import CacheKeys, StateKeys
from coordination.leases import LEASE_MS, Holder, Leases, LocalLeases
from coordination.memory import NEARLY_FULL, RedisMemory, read_memory
from coordination.outages import NoAnswer, log_in_one_line
from coordination.policies import warn_about_full_redis
from coordination.redis_breaker import RedisBreaker, count_error
from coordination.sentinels import FollowingPool, sentinel_options
from coordination.tracking import KeyTracking

__all__ = [
    "LEASE_MS",
    "NEARLY_FULL",
    "Attempt",
    "CacheKeys",
    "CacheRedis",
    "ClusterMode",
    "Coalescer",
    "Connections",
    "Flight",
    "FlightState",
    "FollowingPool",
    "Holder",
    "IdempotencyStore",
    "KeyTracking",
    "Leases",
    "LocalLeases",
    "NoAnswer",
    "RedisBreaker",
    "RedisMemory",
    "StateKeys",
    "StateRedis",
    "StoredResponse",
    "Work",
    "count_error",
    "hint_about",
    "is_about_server",
    "log_in_one_line",
    "open_connections",
    "read_memory",
    "sentinel_options",
    "warn_about_full_redis",
]
