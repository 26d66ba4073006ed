"""Retention of jobs: removes old records so that Redis does not fill up."""

import json
from dataclasses import asdict

from coordination import StateRedis
from errors import OverCapacity
from jobs.messages import DELIVER_WEBHOOK, WEBHOOKS, TaskMessage
from jobs.records import Problem
from jobs.scripts import DONE_SECONDS, KEEP_SECONDS, script

PRUNE_BATCH = 200

# A job that has not ended within a day fails. Its record is then kept for a day, like that of any ended job.
_PRUNE = """
local keep, problem, stay, webhook_format = tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
local function give_up(id, turn, wish)
  local request = cjson.decode(wish)
  local webhook = type(request.webhook_url) == 'string' and string.format(webhook_format, id) or ''
  local message = 'capture ' .. request.queue .. ' ' .. id .. ' ' .. turn
  finish(id, 'failed', 'problem', problem, message, webhook, keep, stay)
end
local old = redis.call('zrange', index, '-inf', now, 'byscore', 'limit', 0, ARGV[1])
local removed = 0
for _, name in ipairs(old) do
  redis.call('zrem', index, name)
  local kind, id = string.match(name, '^(%a+):(.+)$')
  local record = (kind == 'job' and a_job or a_batch) .. id
  local found = kind == 'job' and redis.call('hmget', record, 'state', 'turn', 'wish', 'lease') or {}
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
if redis.call('zcard', index) == 0 then redis.call('hdel', counts, 'pending', 'processing', 'completed', 'failed') end
return removed
"""


class Retention:
    def __init__(self, state: StateRedis) -> None:
        self._prune = script(state, _PRUNE)

    def prune(self) -> int:
        """Remove some jobs that ended a day ago, and return their count. Fail jobs that did not end within a day.

        Raises QueueUnavailable.
        """
        too_late = json.dumps(
            asdict(Problem.of(OverCapacity("the job could not be done within a day; try again later")))
        )
        webhook = str(TaskMessage(DELIVER_WEBHOOK, WEBHOOKS, "%s"))
        return int(self._prune(PRUNE_BATCH, KEEP_SECONDS, too_late, DONE_SECONDS, webhook))
