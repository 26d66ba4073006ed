"""Every change of a job's state is one script in Redis, so that two who want it cannot both have it.

None of these keys ever expires: Redis' `volatile-lru` evicts pictures, which all expire, and no jobs. What is old is
removed by `jobs.retention`, a little with each new job. All names share a slot of a cluster.
"""

from collections.abc import Callable
from typing import Any

from coordination import keys
from jobs.messages import KEYPREFIX, QUEUES
from jobs.redis_errors import redis_errors_translated

KEEP_SECONDS = 86400
DONE_SECONDS = 60  # for how long a late waiter is still woken
RESEND_SECONDS = 900  # after this long without a sign of life a message counts as lost

PREFIX = keys.JOBS
_NAMES = ("index", "unfinished", "due", "outbox", "counts")  # due is work, and the outbox webhooks, each by its time
_QUEUE_KEYS = [KEYPREFIX + name for name in QUEUES]
_KEYS = [*(PREFIX + name for name in _NAMES), PREFIX, *_QUEUE_KEYS]

# A Redis at its `maxmemory` refuses a script's writes that may need room, but not once it has let another write pass. So
# `zrem` goes first in all that keeps work going or makes room.
_COMMON = """
local index, unfinished, due, outbox, counts, prefix, interactive, bulk, webhooks = unpack(KEYS)
local t = redis.call('time')
local now = tonumber(t[1]) + tonumber(t[2]) / 1e6
local function move(job, state)
  redis.call('hincrby', counts, redis.call('hget', job, 'state'), -1)
  redis.call('hincrby', counts, state, 1)
  redis.call('hset', job, 'state', state)
end
local function holds(job, token)
  local found = redis.call('hmget', job, 'state', 'token')
  return found[1] == 'processing' and found[2] == token
end
local function finish(id, state, field, value, message, webhook, keep, stay)
  local job, done = prefix .. 'job:' .. id, prefix .. 'done:' .. id
  redis.call('zrem', due, message)
  move(job, state)
  redis.call('hset', job, 'completed_at', now, field, value)
  redis.call('zrem', unfinished, id)
  redis.call('zadd', index, now + keep, 'job:' .. id)
  if webhook ~= '' then redis.call('zadd', outbox, now, webhook) end
  redis.call('xadd', done, '*', 'state', state)
  redis.call('expire', done, stay)
end
"""


def script(client: Any, text: str) -> Callable[..., Any]:
    """Give the function that runs `text`, which knows what is said above. It raises QueueUnavailable."""
    run = client.register_script(_COMMON + text)

    def call(*args: float | str) -> Any:
        with redis_errors_translated():
            return run(keys=_KEYS, args=list(args))

    return call
