"""The shared part of all scripts on jobs. Every change of a job's state is one script, so two workers never collide.

None of these keys expires, so Redis' `volatile-lru` evicts pictures, which all expire, but no jobs. `jobs.retention`
removes old records, a few with each new job. All keys share a slot of a cluster.
"""

from collections.abc import Callable
from typing import Any

from coordination import keys
from jobs.messages import KEYPREFIX, QUEUES
from jobs.redis_errors import redis_errors_translated

KEEP_SECONDS = 86400
DONE_SECONDS = 60  # how long the end of a job is still announced to callers that wait
RESEND_SECONDS = 900  # a message that was sent this long ago counts as lost

PREFIX = keys.JOBS
_NAMES = ("index", "unfinished", "due", "outbox", "counts")  # due: the work, and outbox: the webhooks, each by its time
_QUEUE_KEYS = [KEYPREFIX + name for name in QUEUES]
_KEYS = [*(PREFIX + name for name in _NAMES), PREFIX, *_QUEUE_KEYS]

# A Redis at its `maxmemory` refuses a script whose first write may need memory. After a first write that needs none, it
# accepts all others. So scripts that must succeed then begin with `zrem`.
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
  redis.call('hdel', job, 'private')
  redis.call('hset', job, 'completed_at', now, field, value)
  redis.call('zrem', unfinished, id)
  redis.call('zadd', index, now + keep, 'job:' .. id)
  if webhook ~= '' then redis.call('zadd', outbox, now, webhook) end
  redis.call('xadd', done, '*', 'state', state)
  redis.call('expire', done, stay)
end
"""


def script(client: Any, text: str) -> Callable[..., Any]:
    """Return the function that runs `text` after the shared part above. It raises QueueUnavailable."""
    run = client.register_script(_COMMON + text)

    def call(*args: float | str) -> Any:
        with redis_errors_translated():
            return run(keys=_KEYS, args=list(args))

    return call
