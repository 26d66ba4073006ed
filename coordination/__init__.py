"""How processes share work and state through Redis: leases, coalescing, idempotency, key names, a breaker on Redis.

Knows nothing of pictures.
"""

from coordination import keys
from coordination.coalescer import Coalescer, Flight, Work
from coordination.connections import connect, is_about_server
from coordination.idempotency import Attempt, IdempotencyStore, StoredResponse
from coordination.leases import LEASE_MS, Leases, LocalLeases, Values
from coordination.redis_breaker import RedisBreaker

__all__ = [
    "LEASE_MS",
    "Attempt",
    "Coalescer",
    "Flight",
    "IdempotencyStore",
    "Leases",
    "LocalLeases",
    "RedisBreaker",
    "StoredResponse",
    "Values",
    "Work",
    "connect",
    "is_about_server",
    "keys",
]
