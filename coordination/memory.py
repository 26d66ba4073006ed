"""Room in the state for what is small and needed by all: jobs and idempotency records stop growing before it is full.

A client that fills the state with jobs must not cost others their limits and leases.
"""

from dataclasses import dataclass

import redis

from coordination.redis_breaker import RedisBreaker

# Lua. A server that evicts is always full, and one without `maxmemory` never is. Some hosted ones do not say.
NEARLY_FULL = """
local function nearly_full()
  local info = redis.pcall('info', 'memory')
  if type(info) ~= 'string' then return false end
  local used, most = string.match(info, 'used_memory:(%d+)'), string.match(info, 'maxmemory:(%d+)')
  local keeps_all = string.find(info, 'maxmemory_policy:noeviction', 1, true)
  return keeps_all and tonumber(most) > 0 and tonumber(used) > 0.9 * tonumber(most)
end
"""


@dataclass(frozen=True, slots=True)
class RedisMemory:
    """The bytes that a Redis server uses, and may use at most; 0 for no limit, and for a server that does not say."""

    used: int
    most: int


def read_memory(client: "redis.Redis", breaker: RedisBreaker) -> RedisMemory | None:
    """Ask a server for its memory. None if it does not answer."""
    told, answered = breaker.call("memory_unread", lambda: client.info("memory"))
    if not answered or not isinstance(told, dict):
        return None
    return RedisMemory(int(told.get("used_memory", 0)), int(told.get("maxmemory", 0)))
