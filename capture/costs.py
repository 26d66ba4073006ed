"""What captures cost: each call has the price of its screenshot API, and a day (UTC) has a sum that may be limited.

All processes share the sums in Redis. While Redis cannot be reached, each process counts for itself.
"""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

import structlog

from coordination import StateRedis
from errors import CostLimited
from telemetry import metrics

_UNIT = 1_000_000  # Redis counts in millionths, as its fractions are inexact
_DAY = 86_400
_KEEP_SECONDS = 35 * _DAY  # an operator looks back at a month
# Adds the price of an API's call to the day, unless the day's sum would then be above the limit.
_PAY = """
local sum = 0
for _, each in ipairs(redis.call('hvals', KEYS[1])) do sum = sum + tonumber(each) end
if ARGV[3] ~= '' and sum + tonumber(ARGV[2]) > tonumber(ARGV[3]) then return -1 end
redis.call('hincrby', KEYS[1], ARGV[1], ARGV[2])
redis.call('expire', KEYS[1], ARGV[4])
return sum + tonumber(ARGV[2])
"""
_log = structlog.get_logger()


class Costs:
    def __init__(
        self,
        state: StateRedis,
        prices: Mapping[str, Decimal],
        limit: Decimal | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`prices` are those of one call, by the name of the API; `limit` is for all APIs in a day. `clock` gives Unix seconds."""
        self._state = state
        self._prices = {api: int(price * _UNIT) for api, price in prices.items()}
        self._limit = None if limit is None else int(limit * _UNIT)
        self._clock = clock
        self._pay: Any = state.client.register_script(_PAY)
        self._alone: dict[str, int] = {}  # what this process has spent on each day, unknown to Redis
        self._reached = ""  # the day on which the limit was logged

    def require_affordable(self, api: str) -> None:
        """Raise CostLimited if a call to `api` would exceed the day's limit."""
        if not self.can_afford(api):
            raise self._refusal(api)

    def can_afford(self, api: str) -> bool:
        """Return whether the day's limit allows a call to `api`. Counts nothing."""
        price = self._prices.get(api, 0)
        return self._limit is None or not price or self._spent(self._today()) + price <= self._limit

    def price(self, api: str) -> Decimal:
        """Return the price of a call to `api`."""
        return Decimal(self._prices.get(api, 0)) / _UNIT

    def pay(self, api: str) -> None:
        """Add the price of a call to the day's sum. Raises CostLimited if the limit does not allow the call."""
        price, day = self._prices.get(api, 0), self._today()
        if not price:
            return
        args = [api, price, "" if self._limit is None else self._limit, _KEEP_SECONDS]
        answer, reachable = self._call(lambda: self._pay(keys=[self._state.keys.capture_costs(day)], args=args))
        if not reachable:
            if self._limit is not None and self._alone.get(day, 0) + price > self._limit:
                raise self._refusal(api)
            answer = self._alone[day] = self._alone.get(day, 0) + price
        if answer == -1:
            raise self._refusal(api)
        metrics.CAPTURE_COST.add(api, amount=price / _UNIT)
        _log.info("capture_paid", api=api, price=price / _UNIT, today=int(answer) / _UNIT)

    def of_day(self, day: str) -> dict[str, Decimal]:
        """Return what each API has cost on a day such as 2026-11-29. Empty if nothing is known."""
        name = self._state.keys.capture_costs(day)
        sums, _ = self._call(lambda: cast("dict[bytes, bytes]", self._state.client.hgetall(name)))
        return {api.decode(): Decimal(int(value)) / _UNIT for api, value in (sums or {}).items()}

    def _spent(self, day: str) -> int:
        name = self._state.keys.capture_costs(day)
        sums, reachable = self._call(lambda: cast("list[bytes]", self._state.client.hvals(name)))
        return sum(map(int, sums or ())) if reachable else self._alone.get(day, 0)

    def _refusal(self, api: str) -> CostLimited:
        day, now = self._today(), self._clock()
        if self._reached != day:
            self._reached = day
            limit = (self._limit or 0) / _UNIT
            _log.error(
                "cost_limit_reached", api=api, limit=limit, hint="raise CAPTURE_COST_LIMIT, or wait until 0:00 UTC"
            )
        detail = "the screenshot API's budget of today is used up; try again when it renews"
        return CostLimited(detail, retry_after=int(_DAY - now % _DAY) + 1, tried=False)

    def _today(self) -> str:
        return datetime.fromtimestamp(self._clock(), UTC).date().isoformat()

    def _call(self, command: Callable[[], Any]) -> tuple[Any, bool]:
        return self._state.breaker.call("costs_uncounted", command)
