"""Counters of rate limits in fixed windows: in Redis, so that limits hold across processes, else in memory."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from limits import RateLimitItem
from limits.storage import MemoryStorage, RedisStorage

from coordination import NoAnswer, StateRedis

T = TypeVar("T")

# Counts like the library's own script, which does not return the end of the window. With a maximum, a count that would
# exceed it is returned but not kept.
_COUNT = b"""
if ARGV[3] ~= '' then
  local would_be = tonumber(redis.call('get', KEYS[1]) or 0) + tonumber(ARGV[2])
  if would_be > tonumber(ARGV[3]) then return {would_be, redis.call('pttl', KEYS[1])} end
end
local count = redis.call('incrby', KEYS[1], ARGV[2])
if count == tonumber(ARGV[2]) then redis.call('expire', KEYS[1], ARGV[1]) end
return {count, redis.call('pttl', KEYS[1])}
"""

# Counts in several windows, the shortest first, up to one that is used up: a refused request counts in no longer window.
_COUNT_IN_ALL = b"""
local found = {}
for i, key in ipairs(KEYS) do
  local count = redis.call('incrby', key, ARGV[1])
  if count == tonumber(ARGV[1]) then redis.call('expire', key, ARGV[2 * i]) end
  found[2 * i - 1] = count
  found[2 * i] = redis.call('pttl', key)
  if count > tonumber(ARGV[2 * i + 1]) then break end
end
return found
"""


@dataclass(frozen=True, slots=True)
class Usage:
    """The part of a limit that is used up in the current window, which ends in `seconds`."""

    count: int
    seconds: float


class RedisCounters(RedisStorage):
    """The library's storage behind the breaker on Redis: a silent Redis costs a request at most one time-out."""

    STORAGE_SCHEME = ["counters"]  # noqa: RUF012 - as the library declares it

    def __init__(self, uri: str = "counters://", *, state: StateRedis) -> None:
        super().__init__(uri, state.client.connection_pool)
        self._state = state
        self._count: Any = self.get_connection().register_script(_COUNT)
        self._count_in_all: Any = self.get_connection().register_script(_COUNT_IN_ALL)

    def add(self, key: str, expiry: int, amount: int, most: int | None = None) -> Usage:
        """Add `amount` to a counter that expires in `expiry` seconds, unless that exceeds `most`. One call to Redis.

        Raises NoAnswer.
        """
        args = [expiry, amount, "" if most is None else most]
        count, left = self._call(lambda: self._count([self.prefixed_key(key)], args))
        return Usage(int(count), max(left, 0) / 1000)

    def prefixed_key(self, key: str) -> str:
        return self._state.keys.counter(key)

    def add_to_all(self, windows: Sequence[tuple[str, RateLimitItem]], amount: int) -> list[Usage]:
        """Add `amount` to the counters of `windows`, up to one that is used up. One call to Redis. Raises NoAnswer."""
        names = [self.prefixed_key(key) for key, _ in windows]
        bounds = [number for _, limit in windows for number in (limit.get_expiry(), limit.amount)]
        found = self._call(lambda: self._count_in_all(names, [amount, *bounds]))
        return [Usage(int(count), max(left, 0) / 1000) for count, left in zip(found[::2], found[1::2], strict=True)]

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        return self.add(key, expiry, amount).count

    def get(self, key: str) -> int:
        return self._call(lambda: super(RedisCounters, self).get(key))

    def get_expiry(self, key: str) -> float:
        return self._call(lambda: super(RedisCounters, self).get_expiry(key))

    def check(self) -> bool:
        return self._state.breaker.call("limits_in_memory", self.get_connection().ping)[1]

    def _call(self, command: Callable[[], T]) -> T:
        answer, answered = self._state.breaker.call("limits_in_memory", command)
        if not answered:
            raise NoAnswer
        return answer  # type: ignore[return-value] # there was one


class Counters:
    """Counts in Redis, and in this process alone while Redis cannot be reached."""

    def __init__(self, shared: RedisCounters) -> None:
        self._shared = shared
        self._memory = MemoryStorage()

    def add(self, limit: RateLimitItem, *identifiers: str, cost: int = 1, within: bool = False) -> Usage:
        """Add `cost` to what the caller named by `identifiers` has used of `limit`.

        Adds nothing `within` the limit if that would exceed it, which the returned count then shows.
        """
        key, expiry, most = limit.key_for(*identifiers), limit.get_expiry(), limit.amount if within else None
        try:
            return self._shared.add(key, expiry, cost, most)
        except NoAnswer:
            count = self._memory.get(key) + cost
            if most is None or count <= most:
                count = self._memory.incr(key, expiry, cost)
            return Usage(count, max(self._memory.get_expiry(key) - time.time(), 0))

    def add_to_all(self, windows: Sequence[RateLimitItem], *identifiers: str, cost: int = 1) -> list[Usage]:
        """Add `cost` in each of `windows`, the shortest first, up to one that is used up. Return the usage of these."""
        try:
            return self._shared.add_to_all([(limit.key_for(*identifiers), limit) for limit in windows], cost)
        except NoAnswer:
            usages: list[Usage] = []
            for limit in windows:
                usages.append(self.add(limit, *identifiers, cost=cost))
                if usages[-1].count > limit.amount:
                    break
            return usages

    def read(self, limit: RateLimitItem, *identifiers: str) -> Usage:
        """Return what the caller has used of `limit`."""
        key = limit.key_for(*identifiers)
        storages: tuple[RedisCounters | MemoryStorage, ...] = (self._shared, self._memory)
        for storage in storages:
            try:
                return Usage(storage.get(key), max(storage.get_expiry(key) - time.time(), 0))
            except NoAnswer:
                continue
        raise NoAnswer  # the memory always answers
