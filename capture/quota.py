"""The pace of bulk work: calls to the screenshot API are counted, whoever makes them, and imports take what visitors leave.

Counted in Redis in fixed windows. Whoever waits gets a place in the order of asking, so that a thousand imports do not
all come back at once. Without Redis nothing is counted and nobody held up: the worker gets no work then either.
"""

import limits
import redis
from limits import RateLimitItem

from coordination.redis_breaker import Fuse
from errors import RateLimited

_COUNT = """
local count = redis.call('incr', KEYS[1])
if count == 1 then redis.call('expire', KEYS[1], ARGV[1]) end
return count
"""

# The next place is the end of the window, or one step behind the last place that was given.
_TAKE = """
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local count = tonumber(redis.call('get', KEYS[1]) or '0')
if count < limit then
  if redis.call('incr', KEYS[1]) == 1 then redis.call('expire', KEYS[1], ARGV[2]) end
  return '0'
end
local t = redis.call('time')
local now = tonumber(t[1]) + tonumber(t[2]) / 1e6
local opens = now + math.max(redis.call('pttl', KEYS[1]), 0) / 1000
local place = math.max(opens, tonumber(redis.call('get', KEYS[2]) or '0') + window / limit)
redis.call('set', KEYS[2], tostring(place), 'px', math.ceil((place - now + window) * 1000))
return tostring(place - now)
"""


class Throughput:
    def __init__(self, client: "redis.Redis", fuse: Fuse, limit: str) -> None:
        """`limit` is a rate such as `120 per minute`, of calls by everybody."""
        self._limits = sorted(limits.parse_many(limit))
        self._count = client.register_script(_COUNT)
        self._take = client.register_script(_TAKE)
        self._fuse = fuse

    def count(self) -> None:
        """Count a call that somebody waits for: never refused."""
        for limit in self._limits:
            self._ask(self._count, limit, [limit.get_expiry()])

    def take(self) -> None:
        """Take a call for bulk work. Raises RateLimited, with the seconds until it is its turn.

        A retry that is refused does not come back at its turn: those behind it wait one step longer than they need.
        """
        for limit in self._limits:
            answer = self._ask(self._take, limit, [limit.amount, limit.get_expiry()])
            wait = float(answer) if isinstance(answer, bytes) else 0.0
            if wait > 0:
                raise RateLimited(
                    f"at most {limit} calls to the screenshot API for bulk work and visitors",
                    limit=limit.amount,
                    retry_after=int(wait) + 1,
                )

    def _ask(self, script: "redis.commands.core.Script", limit: RateLimitItem, args: list[int]) -> object:
        name = f"thumb:{{captures}}:{limit.amount}/{limit.get_expiry()}"
        return self._fuse.ask("captures_uncounted", lambda: script(keys=[name, f"{name}:next"], args=args))[0]
