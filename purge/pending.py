"""What the caches in front still have to be told: a hash in the state's Redis for each of them, which the worker works off.

A tag → the moment before which its pictures are gone, when it was purged, and when the cache is to be told, in Unix seconds.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import structlog

from coordination import StateRedis
from purge.tags import EVERYTHING

GIVE_UP_SECONDS = 86400
_log = structlog.get_logger()
# Adds tags with one moment. If there would be too many, all that is pending becomes one tag, that of everything.
_ADD = """
local key, most, everything, before, times = KEYS[1], tonumber(ARGV[1]), ARGV[3], tonumber(ARGV[4]), ARGV[5]
local function moment(text) return tonumber(string.match(text, '^%S+')) end
local function put(tag)
  local known = redis.call('hget', key, tag)
  local latest = ARGV[4]
  if known and moment(known) > before then latest = string.match(known, '^%S+') end
  redis.call('hset', key, tag, latest .. ' ' .. times)
end
local new = 0
for i = 6, #ARGV do new = new + 1 - redis.call('hexists', key, ARGV[i]) end
if redis.call('hlen', key) + new > most then
  for _, text in ipairs(redis.call('hvals', key)) do
    if moment(text) > before then
      before = moment(text)
      ARGV[4] = string.match(text, '^%S+')
    end
  end
  redis.call('del', key)
  put(everything)
else
  for i = 6, #ARGV do put(ARGV[i]) end
end
redis.call('expire', key, ARGV[2])
return 0
"""
# Replaces values, or removes those whose replacement is empty, unless a later purge has changed them.
_REPLACE = """
for i = 1, #ARGV, 3 do
  if redis.call('hget', KEYS[1], ARGV[i]) == ARGV[i + 1] then
    if ARGV[i + 2] == '' then redis.call('hdel', KEYS[1], ARGV[i])
    else redis.call('hset', KEYS[1], ARGV[i], ARGV[i + 2]) end
  end
end
return 0
"""


@dataclass(frozen=True, slots=True)
class PendingTag:
    """Pictures from before `before` are gone; purged at `since`; the cache is to be told at `due`. All in Unix seconds."""

    tag: str
    before: float
    since: float
    due: float

    @classmethod
    def parse(cls, tag: bytes, text: bytes) -> "PendingTag":
        before, since, due = map(float, text.split())
        return cls(tag.decode(), before, since, due)

    def __str__(self) -> str:
        return f"{self.before!r} {self.since!r} {self.due!r}"


class PendingPurges:
    def __init__(self, state: StateRedis) -> None:
        self._client = state.client
        self._breaker = state.breaker
        self._keys = state.keys
        self._add: Any = state.client.register_script(_ADD)
        self._replace: Any = state.client.register_script(_REPLACE)

    def add(self, cache: str, tags: Iterable[str], before: float, due: float, most: int) -> None:
        """Let `cache` be told of `tags` at `due`. Beyond `most` tags that are pending, it is told to remove everything."""
        named = [*tags]
        if len(named) > most:
            named = [EVERYTHING]
        args = [most, GIVE_UP_SECONDS, EVERYTHING, repr(before), f"{time.time()!r} {due!r}", *named]
        keys = [self._keys.purges_pending(cache)]
        self._breaker.call("purges_unreachable", lambda: self._add(keys=keys, args=args))

    def of(self, cache: str) -> list[PendingTag]:
        """Return all that is pending, the longest first; nothing if the state's Redis cannot be reached."""
        key = self._keys.purges_pending(cache)
        found, _ = self._breaker.call(
            "purges_unreachable", lambda: cast("dict[bytes, bytes]", self._client.hgetall(key))
        )
        return sorted((PendingTag.parse(*pair) for pair in (found or {}).items()), key=lambda each: each.since)

    def remove(self, cache: str, confirmed: Iterable[PendingTag]) -> None:
        """Forget what the cache has confirmed. A purge that came again meanwhile stays."""
        self._change(cache, dict.fromkeys(confirmed, ""))

    def postpone(self, cache: str, moments: Mapping[PendingTag, float]) -> None:
        """Let the cache be told of each tag at its moment (Unix seconds)."""
        self._change(cache, {each: str(replace(each, due=due)) for each, due in moments.items()})

    def _change(self, cache: str, changes: Mapping[PendingTag, str]) -> None:
        args = [word for each, text in changes.items() for word in (each.tag, str(each), text)]
        keys = [self._keys.purges_pending(cache)]
        if args:
            self._breaker.call("purges_unreachable", lambda: self._replace(keys=keys, args=args))
