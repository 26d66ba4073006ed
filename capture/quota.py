"""The quota of calls to a screenshot API: all calls are counted, but only bulk work is limited.

Redis counts in fixed windows. Each refused caller gets a later time of its own, so that a thousand imports do not all
retry at once. Without Redis nothing is counted and no call is refused, but then the worker has no work either.
"""

import limits
import redis
from limits import RateLimitItem

from coordination import StateRedis
from errors import RateLimited

_COUNT = """
local count = redis.call('incr', KEYS[1])
if count == 1 then redis.call('expire', KEYS[1], ARGV[1]) end
return count
"""

# The next time is the end of the window, or one step after the last assigned time.
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


class Quota:
    def __init__(self, state: StateRedis, api: str, limit: str) -> None:
        """`limit` is a rate such as `120 per minute`, of calls to `api` for visitors and bulk work together."""
        self._api = api
        self._limits = sorted(limits.parse_many(limit))
        self._count = state.client.register_script(_COUNT)
        self._take = state.client.register_script(_TAKE)
        self._state = state

    def count_call(self) -> None:
        """Count a call for a visitor. It is never refused."""
        for limit in self._limits:
            self._run(self._count, limit, [limit.get_expiry()])

    def take_bulk_call(self) -> None:
        """Take a call for bulk work. Raises RateLimited, with the seconds until the caller may retry.

        A refused retry does not use the time that it was given; the callers after it then wait one step too long.
        """
        for limit in self._limits:
            answer = self._run(self._take, limit, [limit.amount, limit.get_expiry()])
            wait = float(answer) if isinstance(answer, bytes) else 0.0
            if wait > 0:
                what = "calls to the screenshot API, for visitors and bulk work"
                raise RateLimited.reached(limit.amount, what, limit.get_expiry(), int(wait) + 1)

    def _run(self, script: "redis.commands.core.Script", limit: RateLimitItem, args: list[int]) -> object:
        window, keys = f"{limit.amount}/{limit.get_expiry()}", self._state.keys
        names = [keys.quota(self._api, window), keys.quota_next(self._api, window)]
        return self._state.breaker.call("captures_uncounted", lambda: script(keys=names, args=args))[0]
