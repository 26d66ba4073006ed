"""What keeps jobs from filling Redis, and Redis from dropping jobs."""

import json
from dataclasses import asdict
from typing import Any

import redis
import structlog

from errors import OverCapacity
from jobs.messages import DELIVER_WEBHOOK, WEBHOOKS, TaskMessage
from jobs.records import Problem
from jobs.scripts import DONE_SECONDS, KEEP_SECONDS, script

PRUNED_AT_ONCE = 200
_log = structlog.get_logger()

# A job whose day is over before it has ended fails, and is kept like any other that has.
_PRUNE = """
local keep, problem, stay, tell = tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
local function give_up(id, turn, wish)
  local told = cjson.decode(wish)
  local webhook = type(told.webhook_url) == 'string' and string.format(tell, id) or ''
  local message = 'capture ' .. told.queue .. ' ' .. id .. ' ' .. turn
  finish(id, 'failed', 'problem', problem, message, webhook, keep, stay)
end
local old = redis.call('zrange', index, '-inf', now, 'byscore', 'limit', 0, ARGV[1])
local removed = 0
for _, name in ipairs(old) do
  redis.call('zrem', index, name)
  local id, record = string.match(name, '^job:(.+)$'), prefix .. name
  local found = id and redis.call('hmget', record, 'state', 'turn', 'wish', 'lease') or {}
  if found[1] == 'processing' and tonumber(found[4]) > now then
    redis.call('zadd', index, found[4], name)
  elseif found[1] == 'pending' or found[1] == 'processing' then
    give_up(id, found[2], found[3])
  else
    if found[1] then redis.call('hincrby', counts, found[1], -1) end
    redis.call('del', record)
    removed = removed + 1
  end
end
return removed
"""


class Retention:
    def __init__(self, client: Any) -> None:
        self._client = client
        self._prune = script(client, _PRUNE)

    def prune(self) -> int:
        """Remove some of what ended a day ago and give their number; fail what has not ended a day after its beginning.

        Raises QueueUnavailable.
        """
        unreached = json.dumps(asdict(Problem.of(OverCapacity("the job did not get its turn within a day"))))
        tell = str(TaskMessage(DELIVER_WEBHOOK, WEBHOOKS, "%s"))
        return int(self._prune(PRUNED_AT_ONCE, KEEP_SECONDS, unreached, DONE_SECONDS, tell))

    def warn_if_evictable(self) -> None:
        """Warn where Redis may evict jobs and queues: by its setting, for which hosted ones may not be asked."""
        try:
            policy = self._client.config_get("maxmemory-policy").get("maxmemory-policy", "")
        except redis.RedisError:
            return
        if policy.startswith("allkeys"):
            _log.warning("jobs_evictable", policy=policy, hint="set Redis' maxmemory-policy to volatile-lru")
