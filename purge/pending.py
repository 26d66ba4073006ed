"""What the caches in front still have to be told: a hash in the state's Redis for each of them, which the worker works off.

The value of a tag has four moments in Unix seconds. Pictures from before the first are gone. The cache has not confirmed
that since the second. The worker tells it at the third. The fourth is the last purge of the tag. A repeated purge leaves
the second as it is, unless the cache has just confirmed it.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import structlog

from coordination import StateRedis
from purge.tags import EVERYTHING

GIVE_UP_SECONDS = 86400
_KEPT_SECONDS = GIVE_UP_SECONDS + 3600  # so that what is given up is still there to be logged
_log = structlog.get_logger()
# Adds tags with one moment. If there would be too many, all that is pending becomes one tag, that of everything.
_ADD = """
local key, most, everything, now, due, confirmed = KEYS[1], tonumber(ARGV[1]), ARGV[3], ARGV[5], ARGV[6], ARGV[7] == '1'
local function merged(latest, first, text)
  local before, since = string.match(text, '^(%S+) (%S+)')
  if tonumber(before) > tonumber(latest) then latest = before end
  if tonumber(since) < tonumber(first) then first = since end
  return latest, first
end
local function put(tag, latest, first)
  local known = redis.call('hget', key, tag)
  if known then
    local waiting
    latest, waiting = merged(latest, first, known)
    if not confirmed then first = waiting end
  end
  redis.call('hset', key, tag, latest .. ' ' .. first .. ' ' .. due .. ' ' .. now)
end
local new = 0
for i = 8, #ARGV do new = new + 1 - redis.call('hexists', key, ARGV[i]) end
if redis.call('hlen', key) + new > most then
  local latest, first = ARGV[4], now
  for _, text in ipairs(redis.call('hvals', key)) do latest, first = merged(latest, first, text) end
  redis.call('del', key)
  put(everything, latest, first)
else
  for i = 8, #ARGV do put(ARGV[i], ARGV[4], now) end
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
    """Pictures from before `before` are gone; not confirmed since `since`; the cache is to be told at `due`. In Unix seconds.

    It was purged at `last`, which an older version did not note.
    """

    tag: str
    before: float
    since: float
    due: float
    last: float | None = None

    @classmethod
    def parse(cls, tag: bytes, text: bytes) -> "PendingTag":
        before, since, due, *last = map(float, text.split())
        return cls(tag.decode(), before, since, due, *last)

    def __str__(self) -> str:
        moments = (self.before, self.since, self.due, self.last)
        return " ".join(repr(each) for each in moments if each is not None)


class PendingPurges:
    def __init__(self, state: StateRedis) -> None:
        self._client = state.client
        self._breaker = state.breaker
        self._keys = state.keys
        self._add: Any = state.client.register_script(_ADD)
        self._replace: Any = state.client.register_script(_REPLACE)

    def add(
        self, cache: str, tags: Iterable[str], before: float, due: float, most: int, *, confirmed: bool = False
    ) -> None:
        """Let `cache` be told of `tags` at `due`, once more if it has just `confirmed` them.

        If more than `most` tags would be pending, the cache is told to remove everything instead.
        """
        named = [*tags]
        if len(named) > most:
            named = [EVERYTHING]
        args = [most, _KEPT_SECONDS, EVERYTHING, repr(before), repr(time.time()), repr(due), int(confirmed), *named]
        keys = [self._keys.purges_pending(cache)]
        self._breaker.call("purges_unreachable", lambda: self._add(keys=keys, args=args))

    def of(self, cache: str) -> list[PendingTag]:
        """Return all that is pending, the longest first; nothing if the state's Redis cannot be reached."""
        return self.read(cache) or []

    def read(self, cache: str) -> list[PendingTag] | None:
        """The same, but None if the state's Redis cannot be reached."""
        key = self._keys.purges_pending(cache)
        found, _ = self._breaker.call(
            "purges_unreachable", lambda: cast("dict[bytes, bytes]", self._client.hgetall(key))
        )
        if found is None:
            return None
        return sorted((PendingTag.parse(*pair) for pair in found.items()), key=lambda each: each.since)

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
