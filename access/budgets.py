"""Budgets of one client: captures, permanent pictures, jobs, and the requests that the fast path serves."""

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import limits
from cachetools import TTLCache
from limits import RateLimitItem

from access.counters import Counters
from errors import OverCapacity, RateLimited, StorageLimited
from telemetry import metrics

FLOOD_SCOPE = "thumb"  # the flood guard and the tally count under the same names
RENDITION_BYTES = 100_000  # each so many, begun ones included, count as one rendition
_FLOOD_LIMITS = "global"  # as Flask-Limiter calls limits on the whole application


class Budget:
    """A limit on what one client may do in a period, such as 30 captures a minute."""

    def __init__(self, counters: Counters, limit: str, scope: str, note: str = "") -> None:
        """`scope` names what is counted, in the plural, for keys and error texts. `note` is added to the error text."""
        self._counters = counters
        self._limits = sorted(limits.parse_many(limit))
        self._scope = scope
        self._note = note

    def charge(self, client: str, own_limit: str | None = None) -> dict[str, str]:
        """Charge one to the client's budget, or to its `own_limit`, and return the `RateLimit-*` headers.

        Of several windows, the headers tell of the one with the least left. One call to Redis. Raises RateLimited.
        """
        headers: dict[str, str] = {}
        least = math.inf
        windows = sorted(limits.parse_many(own_limit)) if own_limit else self._limits
        # After a window that is used up, there is no usage of the longer ones.
        for limit, usage in zip(windows, self._counters.add_to_all(windows, self._scope, client), strict=False):
            seconds = max(math.ceil(usage.seconds), 1)
            if usage.count > limit.amount:
                raise self._refusal(limit, seconds)
            if (remaining := limit.amount - usage.count) < least:
                least, headers = remaining, rate_headers(limit.amount, remaining, seconds)
        return headers

    def count(self, client: str, cost: int) -> None:
        """Add `cost` to what the client has used, however much that is. A negative `cost` gives back."""
        for limit in self._limits:
            self._counters.add(limit, self._scope, client, cost=cost)

    def reserve(self, client: str, cost: int) -> None:
        """Charge `cost`, or nothing if the client has less left. Raises RateLimited."""
        for number, limit in enumerate(self._limits):
            usage = self._counters.add(limit, self._scope, client, cost=cost, within=True)
            if usage.count > limit.amount:
                for charged in self._limits[:number]:
                    self._counters.add(charged, self._scope, client, cost=-cost)
                raise self._refusal(limit, max(math.ceil(usage.seconds), 1))

    def usage(self, client: str, own_limit: str | None = None) -> "BudgetUsage":
        """Return what the client has used of its longest window. Charges nothing."""
        limit = (sorted(limits.parse_many(own_limit)) if own_limit else self._limits)[-1]
        usage = self._counters.read(limit, self._scope, client)
        return BudgetUsage(limit.amount, usage.count, math.ceil(usage.seconds), limit.get_expiry())

    def windows(self, client: str, own_limit: str | None = None) -> "list[BudgetUsage]":
        """Return what the client has used of each window, the shortest first. Charges nothing."""
        found = []
        for limit in sorted(limits.parse_many(own_limit)) if own_limit else self._limits:
            usage = self._counters.read(limit, self._scope, client)
            found.append(BudgetUsage(limit.amount, usage.count, math.ceil(usage.seconds), limit.get_expiry()))
        return found

    @contextmanager
    def charged(self, client: str, cost: int) -> Iterator[None]:
        """Charge `cost` for the block, and give it back if the block was refused by RateLimited or OverCapacity.

        Raises RateLimited, with nothing charged, unless the client has `cost` left.
        """
        spent: list[RateLimitItem] = []
        try:
            for limit in self._limits:
                usage = self._counters.add(limit, self._scope, client, cost=cost, within=True)
                if usage.count > limit.amount:
                    raise self._refusal(limit, max(math.ceil(usage.seconds), 1))
                spent.append(limit)
            yield
        except (RateLimited, OverCapacity):
            for limit in spent:
                self._counters.add(limit, self._scope, client, cost=-cost)
            raise

    def _refusal(self, limit: RateLimitItem, seconds: int) -> RateLimited:
        metrics.BUDGET_REFUSALS.add(self._scope.replace(" ", "_").replace("-", "_"))
        return RateLimited.reached(limit.amount, self._scope, limit.get_expiry(), seconds, self._note)


@dataclass(frozen=True, slots=True)
class BudgetUsage:
    """How much of a `limit` per `window` seconds is used. The window ends in `seconds`, 0 if nothing is counted yet."""

    limit: int
    count: int
    seconds: int
    window: int

    @property
    def remaining(self) -> int:
        return max(self.limit - self.count, 0)


def requests_of(counters: Counters, limit: str, client: str) -> list[BudgetUsage]:
    """Return what the flood guard has counted of `client` in each window of `limit`, but for the last hits of a process."""
    found = []
    for item in sorted(limits.parse_many(limit)):
        usage = counters.read(item, FLOOD_SCOPE, client, _FLOOD_LIMITS)
        found.append(BudgetUsage(item.amount, usage.count, math.ceil(usage.seconds), item.get_expiry()))
    return found


@dataclass(frozen=True, slots=True)
class JobBudgets:
    """The budgets of one client for jobs: `calls` counts requests, `jobs` counts jobs, each picture of a batch as one.

    `jobs` keeps one client from filling the space that all clients share, since a job is kept for a day.
    """

    calls: Budget
    jobs: Budget


@dataclass(slots=True)
class CaptureCharge:
    """One request's right to a capture, renditions and storage. The flow charges what is due; `headers` tell of captures.

    `tally` counts captures too, and refuses none: it tells people what a key has used. A request that `captures_nothing` is
    served what is known.
    """

    budget: Budget
    client: str
    own_limit: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    renditions: Budget | None = None
    permanent_bytes: Budget | None = None
    tally: Budget | None = None
    captures_nothing: bool = False

    def __call__(self) -> None:
        """Charge one capture. Raises RateLimited."""
        if self.captures_nothing:
            raise RateLimited("nothing is captured for a picture that another page names")
        self.headers |= self.budget.charge(self.client, self.own_limit)
        if self.tally is not None:
            self.tally.count(self.client, 1)

    def rendition(self) -> None:
        """Charge one new rendition. Raises RateLimited."""
        if self.renditions is not None:
            self.renditions.charge(self.client)

    def rendition_bytes(self, size: int) -> None:
        """Charge the bytes of a new rendition that exceed the share of one: a large one counts as several."""
        more = (size - 1) // RENDITION_BYTES
        if self.renditions is not None and more > 0:
            self.renditions.count(self.client, more)

    def reserve_storage(self, size: int) -> None:
        """Charge `size` bytes of permanent storage. Raises StorageLimited, with nothing charged."""
        if self.permanent_bytes is not None:
            _reserve_storage(self.permanent_bytes, self.client, size)

    def release_storage(self, size: int) -> None:
        """Give back what was reserved and not used."""
        if self.permanent_bytes is not None:
            self.permanent_bytes.count(self.client, -size)


@dataclass(frozen=True, slots=True)
class JobCharge:
    """A job's captures were paid for when it was created. Its permanent bytes are charged when they are known."""

    client: str
    permanent_bytes: Budget

    def __call__(self) -> None:
        """Do nothing."""

    def rendition(self) -> None:
        """Do nothing."""

    def rendition_bytes(self, size: int) -> None:
        """Do nothing."""

    def reserve_storage(self, size: int) -> None:
        """Charge `size` bytes of permanent storage. Raises StorageLimited, with nothing charged."""
        _reserve_storage(self.permanent_bytes, self.client, size)

    def release_storage(self, size: int) -> None:
        """Give back what was reserved and not used."""
        self.permanent_bytes.count(self.client, -size)


def _reserve_storage(budget: Budget, client: str, size: int) -> None:
    try:
        budget.reserve(client, size)
    except RateLimited as err:
        raise StorageLimited(err.reason, limit=err.limit, retry_after=err.retry_after) from None


class HitTally:
    """Counts requests that never reach the flood guard, and adds them to its counter a hundredth of the limit at a time.

    So a hit costs no call to Redis, but each process may let a hundredth more through. A refusal holds until the window
    ends.
    """

    _CLIENTS = 10_000

    def __init__(self, counters: Counters, limit: str) -> None:
        self._counters = counters
        self._limits = limits.parse_many(limit)
        self._batch = max(min(item.amount for item in self._limits) // 100, 1)
        self._accounts: TTLCache[str, _Account] = TTLCache(
            self._CLIENTS, max(item.get_expiry() for item in self._limits)
        )
        self._lock = threading.Lock()

    def admit(self, client: str) -> bool:
        """Count one request; False if the client has none left."""
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
        for limit in self._limits:
            usage = self._counters.add(limit, FLOOD_SCOPE, client, _FLOOD_LIMITS, cost=cost)
            if usage.count > limit.amount:
                account.refused_until = time.monotonic() + usage.seconds
                return False
        return True


@dataclass(slots=True)
class _Account:
    pending: int = 0
    refused_until: float = 0.0


def rate_headers(limit: int, remaining: int, reset: int) -> dict[str, str]:
    """Write the `RateLimit-*` headers; `reset` is in seconds from now."""
    return {
        "RateLimit-Limit": str(limit),
        "RateLimit-Remaining": str(max(remaining, 0)),
        "RateLimit-Reset": str(reset),
    }
