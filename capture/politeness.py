"""Politeness towards sites: few captures of one host at a time, and not too many in a minute.

All processes share the counts in Redis. The host counts, not its domain: what its server bears is a matter of the host,
and the shops or blogs below one domain are often different people's. Without Redis, nothing is counted.

Clients share a host: while others have been refused, none takes more than its part. Bulk work leaves a quarter to visitors,
and each refused job gets a later time of its own, so that a thousand pages of one site do not all retry at once.
"""

import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import limits
import structlog

from coordination import StateRedis
from errors import TargetBusy
from telemetry import metrics

PATIENCE = 10.0  # seconds that a visitor waits for a capture of the same host to end
_POLL_SECONDS = 0.2
_MOST_CLIENTS = 1000  # of which a host remembers that they were refused

# KEYS: captures that run (token → when they have surely ended), refused clients (→ until when they count as waiting),
# the time that the last bulk job was given, and each window's counts by client.
# ARGV: client, token, whether in bulk, how many at a time (0: any number), seconds of a capture, then amount and seconds
# of each window. Returns the wait in seconds ('0' if admitted), and which limit it is for: 0 at a time, else the window.
_TAKE = """
local t = redis.call('time')
local now = tonumber(t[1]) + tonumber(t[2]) / 1e6
local client, bulk, at_once = ARGV[1], ARGV[3] == '1', tonumber(ARGV[4])
redis.call('zremrangebyscore', KEYS[1], '-inf', now)
redis.call('zremrangebyscore', KEYS[2], '-inf', now)
local rivals = redis.call('zcard', KEYS[2])
if redis.call('zscore', KEYS[2], client) then rivals = rivals - 1 end

local function is_full(limit, own, total)
  if bulk then limit = math.max(limit - math.ceil(limit / 4), 1) end
  local share = rivals > 0 and math.max(math.floor(limit / (rivals + 1)), 1) or limit
  return total >= limit or own >= share
end

local function refuse(wait, step, which)
  if bulk then
    local place = math.max(now + wait, tonumber(redis.call('get', KEYS[3]) or '0') + step)
    wait = place - now
    redis.call('set', KEYS[3], tostring(place), 'px', math.ceil((wait + step) * 1000))
  end
  redis.call('zadd', KEYS[2], now + wait + 2, client)
  redis.call('zremrangebyrank', KEYS[2], 0, -tonumber(ARGV[6]) - 1)
  redis.call('expire', KEYS[2], math.ceil(wait) + 60)
  return {tostring(wait), which}
end

if at_once > 0 then
  local own, running = 0, redis.call('zrange', KEYS[1], 0, -1)
  for _, each in ipairs(running) do
    if string.sub(each, 34) == client then own = own + 1 end
  end
  if is_full(at_once, own, #running) then return refuse(2, 2 / at_once, 0) end
end
for i = 4, #KEYS do
  local amount, seconds = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local total = 0
  for _, each in ipairs(redis.call('hvals', KEYS[i])) do total = total + tonumber(each) end
  if is_full(amount, tonumber(redis.call('hget', KEYS[i], client) or '0'), total) then
    local left = redis.call('pttl', KEYS[i])
    return refuse(left > 0 and left / 1000 or seconds, seconds / amount, i - 3)
  end
end
for i = 4, #KEYS do
  redis.call('hincrby', KEYS[i], client, 1)
  if redis.call('ttl', KEYS[i]) < 0 then redis.call('expire', KEYS[i], ARGV[2 * i]) end
end
redis.call('zrem', KEYS[2], client)
if at_once > 0 then
  redis.call('zadd', KEYS[1], now + tonumber(ARGV[5]), ARGV[2] .. '|' .. client)
  redis.call('expire', KEYS[1], math.ceil(tonumber(ARGV[5])) + 60)
end
return {'0', 0}
"""
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RateUse:
    """How often a host was captured in the current window of `window` seconds, which ends in `reset`; 0 before the first."""

    limit: int
    window: int
    count: int
    reset: int


@dataclass(frozen=True, slots=True)
class HostUse:
    """How a host is captured now: `at_once` captures may run, 0 for any number. `waiting` clients were just refused."""

    at_once: int
    running: int = 0
    waiting: int = 0
    rates: tuple[RateUse, ...] = ()

    @property
    def is_full(self) -> bool:
        """Whether a visitor would wait or be refused. While clients wait, each may take its part alone, which is not told."""
        return bool(0 < self.at_once <= self.running or any(each.count >= each.limit for each in self.rates))


class Politeness:
    def __init__(
        self,
        state: StateRedis,
        at_once: int,
        rates: str,
        longest: float = 200,
        *,
        patience: float = PATIENCE,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Capture `at_once` pages of a host at a time, 0 for any number, and no more than `rates` such as `60 per minute`.

        A capture takes `longest` seconds at most: so long one counts whose process was killed.
        """
        self._state = state
        self._at_once = at_once
        self._rates = sorted(limits.parse_many(rates)) if rates else []
        self._longest = longest
        self._patience = patience
        self._sleep = sleep
        self._take: Any = state.client.register_script(_TAKE)
        self._waiting: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def visit(self, host: str, client: str, *, background: bool = False) -> Iterator[None]:
        """Hold the right to capture a page of `host` for `client` while the block runs.

        A visitor waits a little for another capture to end. Raises TargetBusy, with the seconds until the caller may retry.
        A document has no `host`, and is captured at any time.
        """
        if not host or (not self._at_once and not self._rates):
            yield
            return
        token = secrets.token_hex(16)
        self._enter(host, client, token, background=background)
        try:
            yield
        finally:
            if self._at_once:
                name = self._state.keys.target_running(host)
                self._call(lambda: self._state.client.zrem(name, f"{token}|{client}"))

    def describe(self, host: str) -> HostUse:
        """Tell operators how `host` is captured now. Counts nothing."""
        if not host or (not self._at_once and not self._rates):
            return HostUse(0)
        keys, now = self._state.keys, time.time()
        names = [keys.target_rate(host, f"{rate.amount}/{rate.get_expiry()}") for rate in self._rates]

        def read() -> list[Any]:
            with self._state.client.pipeline(transaction=False) as pipe:
                pipe.zcount(keys.target_running(host), now, "+inf")
                pipe.zcount(keys.target_waiting(host), now, "+inf")
                for name in names:
                    pipe.hvals(name)
                    pipe.ttl(name)
                return pipe.execute()

        found = self._call(read)[0] or [0, 0, *[[], 0] * len(names)]
        running, waiting, *counts = found
        rates = [
            RateUse(rate.amount, rate.get_expiry(), sum(map(int, values)), max(left, 0))
            for rate, values, left in zip(self._rates, counts[::2], counts[1::2], strict=True)
        ]
        return HostUse(self._at_once, running, waiting, tuple(rates))

    def _enter(self, host: str, client: str, token: str, *, background: bool) -> None:
        until = time.monotonic() + self._patience
        wait, which = self._ask(host, client, token, background=background)
        if wait and not which and not background and self._joins_waiting(host):
            try:
                while wait and not which and time.monotonic() < until:
                    self._sleep(_POLL_SECONDS)
                    wait, which = self._ask(host, client, token, background=background)
            finally:
                with self._lock:
                    self._waiting[host] -= 1
                    self._waiting += Counter()  # forget hosts for which none waits
        if wait:
            metrics.TARGET_REFUSALS.add()
            _log.info("target_busy", host=host, seconds=round(wait, 1))
            raise self._refusal(wait, which)

    def _joins_waiting(self, host: str) -> bool:
        """Take one of few places of this process for visitors who wait for a host: others need its threads too."""
        with self._lock:
            if self._waiting[host] >= 2 * self._at_once:
                return False
            self._waiting[host] += 1
            return True

    def _ask(self, host: str, client: str, token: str, *, background: bool) -> tuple[float, int]:
        """Return the seconds to wait, 0 if admitted, and the place of the limit."""
        keys = self._state.keys
        names = [keys.target_running(host), keys.target_waiting(host), keys.target_next(host)]
        args: list[str | int | float] = [client, token, int(background), self._at_once, self._longest, _MOST_CLIENTS]
        for rate in self._rates:
            names.append(keys.target_rate(host, f"{rate.amount}/{rate.get_expiry()}"))
            args += [rate.amount, rate.get_expiry()]
        answer, _ = self._call(lambda: self._take(keys=names, args=args))
        return (float(answer[0]), int(answer[1])) if answer else (0.0, 0)

    def _refusal(self, wait: float, which: int) -> TargetBusy:
        if which:
            rate = self._rates[which - 1]
            return TargetBusy.reached(rate.amount, rate.get_expiry(), int(wait) + 1)
        return TargetBusy(
            f"limit reached: {self._at_once:,} captures of this host at a time", retry_after=int(wait) + 1
        )

    def _call(self, command: Callable[[], Any]) -> tuple[Any, bool]:
        return self._state.breaker.call("targets_uncounted", command)
