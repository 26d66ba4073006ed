"""The shared part of all scripts on jobs. Every change of a job's state is one script, so two workers never collide.

An unfinished job does not expire: it must end, by its outcome or by `jobs.retention` after a day. An ended job expires.
`jobs.retention` usually removes it before that, a few records with each new job, and counts. All keys share a slot of a
cluster.
"""

from collections.abc import Callable
from typing import Any

from coordination import StateKeys, StateRedis
from jobs.messages import QUEUES
from jobs.redis_errors import redis_errors_translated

KEEP_SECONDS = 86400
DONE_SECONDS = 60  # how long the end of a job is still announced to callers that wait
RESEND_SECONDS = 900  # a message that was sent this long ago counts as lost

# A Redis at its `maxmemory` refuses a script whose first write may need memory. After a first write that needs none, it
# accepts all others. So scripts that must succeed then begin with `zrem`.
_COMMON = """
local index, unfinished, due, outbox, counts, a_job, a_batch, an_end, interactive, bulk, webhooks = unpack(KEYS)
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
  local job, done = a_job .. id, an_end .. id
  redis.call('zrem', due, message)
  move(job, state)
  redis.call('hdel', job, 'private')
  redis.call('hset', job, 'completed_at', now, field, value)
  redis.call('zrem', unfinished, id)
  redis.call('zadd', index, now + keep, 'job:' .. id)
  redis.call('expire', job, 2 * keep)
  if webhook ~= '' then redis.call('zadd', outbox, now, webhook) end
  redis.call('xadd', done, '*', 'state', state)
  redis.call('expire', done, stay)
end
"""


def script(state: StateRedis, text: str) -> Callable[..., Any]:
    """Return the function that runs `text` after the shared part above. It raises QueueUnavailable."""
    run, names = state.client.register_script(_COMMON + text), _names(state.keys)

    def call(*args: float | str) -> Any:
        with redis_errors_translated():
            return run(keys=names, args=list(args))

    return call


def _names(keys: StateKeys) -> list[str]:
    """Name the keys in the order of the shared part; `due` is the work, and `outbox` the webhooks, each by its time."""
    whole = keys.jobs_index(), keys.jobs_unfinished(), keys.jobs_due(), keys.jobs_outbox(), keys.jobs_counts()
    return [*whole, keys.job(""), keys.batch(""), keys.job_done(""), *map(keys.celery, QUEUES)]
