"""How many captures of sites may begin: a budget a day, few at a time, and none while the screenshot API is busy.

At most a few messages of sites are in the queue. So an import of thousands of sites waits in the database, where it delays
no other work of the worker.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from coordination import StateRedis
from jobs import redis_errors_translated
from sites.claims import Claim

MOST_IN_PROGRESS = 32
LONGEST_PAUSE = 60.0  # seconds
_BUDGET_SECONDS = 2 * 86400

# A claim that has expired is no longer in progress, whatever became of its message.
_RESERVE = """
local day, wanted, allowed, most = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
if redis.call('exists', KEYS[3]) == 1 then return 0 end
local t = redis.call('time')
redis.call('zremrangebyscore', KEYS[2], '-inf', tonumber(t[1]))
local found = redis.call('hmget', KEYS[1], 'day', 'spent')
local spent = found[1] == day and tonumber(found[2]) or 0
local granted = math.max(math.min(wanted, allowed - spent, most - redis.call('zcard', KEYS[2])), 0)
if granted > 0 then
  redis.call('hset', KEYS[1], 'day', day, 'spent', spent + granted)
  redis.call('expire', KEYS[1], ARGV[5])
end
return granted
"""

_GIVE_BACK = """
if redis.call('hget', KEYS[1], 'day') == ARGV[1] then
  if redis.call('hincrby', KEYS[1], 'spent', -tonumber(ARGV[2])) < 0 then redis.call('hset', KEYS[1], 'spent', 0) end
end
return 1
"""


class Pace:
    """Raises QueueUnavailable when Redis is unreachable."""

    def __init__(self, state: StateRedis, budget: int) -> None:
        """`budget` is the number of captures a day (UTC) for all sites."""
        self._client: Any = state.client  # its type covers the asynchronous client too
        self._spent = state.keys.sites_budget()
        self._in_progress = state.keys.sites_in_progress()
        self._pause = state.keys.sites_pause()
        self._budget = budget
        self._reserve = state.client.register_script(_RESERVE)
        self._give_back = state.client.register_script(_GIVE_BACK)

    def reserve(self, wanted: int = MOST_IN_PROGRESS) -> int:
        """Reserve up to `wanted` captures of today's budget, as many as may begin now, and return their number."""
        args: list[str | int] = [_today(), wanted, self._budget, MOST_IN_PROGRESS, _BUDGET_SECONDS]
        with redis_errors_translated():
            return int(self._reserve(keys=[self._spent, self._in_progress, self._pause], args=args))

    def spent_today(self) -> int:
        """Return how many captures of today's budget are used."""
        with redis_errors_translated():
            day, spent = self._client.hmget(self._spent, "day", "spent")
        return int(spent or 0) if day == _today().encode() else 0

    def give_back(self, count: int = 1) -> None:
        """Give back captures that were reserved and not made."""
        if count > 0:
            with redis_errors_translated():
                self._give_back(keys=[self._spent], args=[_today(), count])

    def add(self, claims: Iterable[Claim]) -> None:
        """Note claims that are in progress from now on, whose messages are about to be sent."""
        if scores := {str(claim): claim.unsent_until.timestamp() for claim in claims}:
            with redis_errors_translated():
                self._client.zadd(self._in_progress, scores)

    def keep(self, claims: Iterable[Claim]) -> None:
        """Note that the messages of claims are sent. One that is no longer in progress is left out."""
        if scores := {str(claim): claim.due_at.timestamp() for claim in claims}:
            with redis_errors_translated():
                self._client.zadd(self._in_progress, scores, xx=True)

    def remove(self, claim: Claim) -> None:
        """Note that a claim is no longer in progress."""
        with redis_errors_translated():
            self._client.zrem(self._in_progress, str(claim))

    def pause(self, seconds: float) -> None:
        """Begin no capture for `seconds`, at most a minute."""
        with redis_errors_translated():
            self._client.set(self._pause, b"1", px=max(round(min(seconds, LONGEST_PAUSE) * 1000), 1))


def _today() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d}"
