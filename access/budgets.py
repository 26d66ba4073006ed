"""Who may ask how often: the flood guard on requests and the budget of captures.

Counted in Redis, so that limits hold across workers and machines; where it cannot be reached, in memory and said so.
The pipeline knows nothing of this module but a `charge` callable.
"""

import math
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TypeVar

import limits
from cachetools import TTLCache
from flask import request
from flask_limiter import Limiter
from limits import RateLimitItem
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import FixedWindowRateLimiter, RateLimiter

from coordination.redis_breaker import Fuse
from errors import RateLimited

_PREFIX = "thumb"
# Some load balancers write the port too: `192.0.2.1:5555`, `[2001:db8::1]:443`; brackets also come without one.
_WITH_PORT = re.compile(r"(?:([0-9.]+)|\[([^\]]*)\])(?::[0-9]{1,5})?")
T = TypeVar("T")


@lru_cache(maxsize=4096)
def client_of(address: str | None) -> str:
    """Name the client behind `address`: itself, or its /64 in IPv6, where one customer holds as much at least.

    A port behind it says nothing about who it is. What is no address at all is one client, "unknown".
    """
    matched = _WITH_PORT.fullmatch(address or "")
    try:
        parsed = ip_address((matched[1] or matched[2]) if matched else address or "")
    except ValueError:
        return "unknown"
    if isinstance(parsed, IPv6Address):
        mapped = parsed.ipv4_mapped  # what a dual-stack socket calls an IPv4 peer
        return str(mapped or ip_network((parsed, 64), strict=False))
    return str(parsed)


def current_client() -> str:
    """Name the client of the request at hand; `TRUSTED_PROXIES` has been applied by then."""
    return client_of(request.remote_addr)


class NoAnswer(Exception):
    """Redis could not count."""


class FusedStorage(RedisStorage):
    """The library's counters in Redis, behind the fuse: a silent Redis costs a request one time-out, if that."""

    STORAGE_SCHEME = ["fused"]  # noqa: RUF012 - as the library declares it

    def __init__(self, uri: str, *, fuse: Fuse, connection_pool: object) -> None:
        super().__init__(uri, connection_pool)  # type: ignore[arg-type]
        self._fuse = fuse

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        return self._ask(lambda: super(FusedStorage, self).incr(key, expiry, amount))

    def get(self, key: str) -> int:
        return self._ask(lambda: super(FusedStorage, self).get(key))

    def get_expiry(self, key: str) -> float:
        return self._ask(lambda: super(FusedStorage, self).get_expiry(key))

    def check(self) -> bool:
        return self._fuse.ask("limits_in_memory", self.get_connection().ping)[1]

    def _ask(self, question: Callable[[], T]) -> T:
        answer, answered = self._fuse.ask("limits_in_memory", question)
        if not answered:
            raise NoAnswer
        return answer  # type: ignore[return-value] # there was one


def limiter(pool: object, fuse: Fuse, request_limit: str, client: Callable[[], str] = current_client) -> Limiter:
    """Make the flood guard, over a Redis connection `pool`; it holds for every view that does not say otherwise.

    `client` names whose request is at hand.
    """
    return Limiter(
        client,
        application_limits=[request_limit],
        storage_uri="fused://",
        storage_options={"connection_pool": pool, "fuse": fuse},  # type: ignore[dict-item]
        strategy="fixed-window",
        in_memory_fallback_enabled=True,
        # A request that is under way when another one notices the outage would otherwise become a 500.
        swallow_errors=True,
        key_prefix=_PREFIX,
    )


class Tally:
    """Counts what never reaches the flood guard, and settles it there by hundredths of the limit.

    So a hit costs no call to Redis, whoever asks, and a process is lax by a hundredth. A refusal holds until the window
    is over.
    """

    _CLIENTS = 10_000

    def __init__(self, flood_guard: Limiter, limit: str) -> None:
        self._shared = flood_guard
        self._limits = limits.parse_many(limit)
        self._batch = max(min(item.amount for item in self._limits) // 100, 1)
        self._memory = FixedWindowRateLimiter(MemoryStorage())
        self._accounts: TTLCache[str, _Account] = TTLCache(
            self._CLIENTS, max(item.get_expiry() for item in self._limits)
        )
        self._lock = threading.Lock()

    def admit(self, client: str) -> bool:
        """Count one request; False when the client has none left."""
        now = time.monotonic()
        with self._lock:
            try:
                account = self._accounts[client]
            except KeyError:
                account = self._accounts[client] = _Account()
            if account.refused_until > now:
                return False
            account.pending += 1
            if account.pending < self._batch:
                return True
            cost, account.pending = account.pending, 0
        return self._settle(client, account, cost)

    def _settle(self, client: str, account: "_Account", cost: int) -> bool:
        for limit in self._limits:
            try:
                if self._shared.limiter.hit(limit, *_flood_key(client), cost=cost):
                    continue
                reset = self._shared.limiter.get_window_stats(limit, *_flood_key(client))[0]
            except NoAnswer:
                if self._memory.hit(limit, *_flood_key(client), cost=cost):
                    continue
                reset = self._memory.get_window_stats(limit, *_flood_key(client))[0]
            account.refused_until = time.monotonic() + reset - time.time()
            return False
        return True


@dataclass(slots=True)
class _Account:
    pending: int = 0
    refused_until: float = 0.0


def _flood_key(client: str) -> tuple[str, str, str]:
    """The names under which Flask-Limiter counts a client's requests to the whole application."""
    return _PREFIX, client, "global"


class Budget:
    """What one client may do in a while, such as 30 captures a minute."""

    def __init__(self, flood_guard: Limiter, limit: str, scope: str) -> None:
        """Count in the flood guard's storage. `scope` names what is counted, in the plural, for keys and texts."""
        self._shared = flood_guard
        self._limits = sorted(limits.parse_many(limit))
        self._scope = scope
        self._memory = FixedWindowRateLimiter(MemoryStorage())

    def charge(self, client: str, own_limit: str | None = None) -> dict[str, str]:
        """Take one off the client's budget (or off its `own_limit`) and give the `RateLimit-*` headers.

        Raises RateLimited.
        """
        chosen = sorted(limits.parse_many(own_limit)) if own_limit else self._limits
        return self._anywhere(lambda counter: self._charge(counter, chosen, client))

    def check(self, client: str, cost: int) -> None:
        """Make sure that the client has `cost` left, and take nothing. Raises RateLimited."""
        self._anywhere(lambda counter: self._check(counter, client, cost))

    def take(self, client: str, cost: int) -> None:
        """Take `cost` off, for what was checked and then done."""
        self._anywhere(lambda counter: [counter.hit(each, self._scope, client, cost=cost) for each in self._limits])

    def _anywhere(self, question: Callable[[RateLimiter], T]) -> T:
        try:
            return question(self._shared.limiter)
        except NoAnswer:
            return question(self._memory)

    def _check(self, counter: RateLimiter, client: str, cost: int) -> None:
        for limit in self._limits:
            if not counter.test(limit, self._scope, client, cost=cost):
                reset, _ = counter.get_window_stats(limit, self._scope, client)
                raise self._refusal(limit, max(math.ceil(reset - time.time()), 1))

    def _charge(self, counter: RateLimiter, chosen: list[RateLimitItem], client: str) -> dict[str, str]:
        headers: dict[str, str] = {}
        for limit in chosen:
            allowed = counter.hit(limit, self._scope, client)
            reset, remaining = counter.get_window_stats(limit, self._scope, client)
            seconds = max(math.ceil(reset - time.time()), 1)
            if not allowed:
                raise self._refusal(limit, seconds)
            headers = rate_headers(limit.amount, remaining, seconds)
        return headers

    def _refusal(self, limit: RateLimitItem, seconds: int) -> RateLimited:
        return RateLimited(f"at most {limit} {self._scope} for one client", limit=limit.amount, retry_after=seconds)


@dataclass(frozen=True, slots=True)
class JobBudgets:
    """What one client may have done by jobs: how often it may ask, and how many jobs it may get, batches by their size.

    The second keeps one client from filling what is there for all: a job is kept for a day.
    """

    calls: Budget
    jobs: Budget


@dataclass(slots=True)
class Charge:
    """One request's right to a capture: called by the flow where a capture is due; keeps what to tell the client."""

    budget: Budget
    client: str
    own_limit: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def __call__(self) -> None:
        """Charge one capture. Raises RateLimited."""
        self.headers |= self.budget.charge(self.client, self.own_limit)


def rate_headers(limit: int, remaining: int, reset: int) -> dict[str, str]:
    """Write the `RateLimit-*` headers; `reset` in seconds from now."""
    return {
        "RateLimit-Limit": str(limit),
        "RateLimit-Remaining": str(max(remaining, 0)),
        "RateLimit-Reset": str(reset),
    }
