"""The records of jobs in Redis: creates, reads, awaits and counts them. Also holds their agenda, runs and retention."""

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from coordination import NEARLY_FULL, StateRedis
from errors import OverCapacity
from jobs.agenda import Agenda
from jobs.messages import CAPTURE, QUEUES, TaskMessage
from jobs.records import Batch, Job, QueueStats, State
from jobs.redis_errors import redis_errors_translated
from jobs.retention import Retention
from jobs.runs import Runs
from jobs.scripts import KEEP_SECONDS, RESEND_SECONDS, script
from jobs.workers import BEAT_SEEN_AT, SEEN_AT, Workers

_SLICE_MS = 2000  # of one blocking read; must stay below the client's socket time-out

_ADD = """
local limit, keep, resend, count = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), (#ARGV - 5) / 4
if redis.call('exists', a_job .. ARGV[6]) == 1 then return 1 end
if redis.call('zcard', unfinished) + count > limit then return 0 end
if nearly_full() then return 2 end
if redis.call('zcard', index) + count > 10 * limit then
  return -math.ceil(math.max(tonumber(redis.call('zrange', index, 0, 0, 'withscores')[2] or now) - now, 60))
end
for i = 6, #ARGV, 4 do
  redis.call('hset', a_job .. ARGV[i], 'wish', ARGV[i + 1], 'state', 'pending', 'turn', 1)
  redis.call('zadd', index, now + keep, 'job:' .. ARGV[i])
  redis.call('zadd', unfinished, now, ARGV[i])
  redis.call('zadd', due, now + resend, ARGV[i + 2])
  if ARGV[i + 3] ~= '' then redis.call('hset', a_job .. ARGV[i], 'private', ARGV[i + 3]) end
end
if ARGV[4] ~= '' then
  redis.call('set', a_batch .. ARGV[4], ARGV[5], 'ex', 3 * keep)
  redis.call('zadd', index, now + 2 * keep, 'batch:' .. ARGV[4])
end
redis.call('hincrby', counts, 'pending', count)
return 1
"""


class JobStore:
    """The records, with their agenda, runs and retention. Raises QueueUnavailable when Redis is unreachable."""

    def __init__(self, state: StateRedis, lease: float = 15, limit: int = 10_000) -> None:
        """`lease` is as in `Runs`. `limit` bounds the unfinished jobs. At most ten times as many are kept in all."""
        self._client: Any = state.client  # its type covers the asynchronous client too
        self._blocking = state.blocking
        self._keys = state.keys
        self._limit = limit
        self._add = script(state, NEARLY_FULL + _ADD)
        self.agenda = Agenda(state)
        self.runs = Runs(state, self.get, lease)
        self.retention = Retention(state)
        self.workers = Workers(state)

    def add(self, jobs: Sequence[Job], batch: Batch | None = None) -> list[TaskMessage]:
        """Record new jobs, all or none, and return the messages to be sent for them. Raises OverCapacity.

        Jobs with known ids, from an earlier attempt at the same request, are left unchanged.
        """
        self.retention.prune()
        messages = [TaskMessage(CAPTURE, job.queue, job.id) for job in jobs]
        head = [batch.id, json.dumps(asdict(batch))] if batch else ["", ""]
        flat = [
            text
            for job, message in zip(jobs, messages, strict=True)
            for text in (job.id, job.encode_request(), str(message), job.encode_until_the_end())
        ]
        added = self._add(self._limit, KEEP_SECONDS, RESEND_SECONDS, *head, *flat)
        if added == 0:
            raise OverCapacity("too many jobs are waiting; try again later", retry_after=60)
        if added == 2:
            raise OverCapacity("the memory for jobs is full; try again later", retry_after=60)
        if added < 0:  # minus the seconds until the oldest record is removed
            raise OverCapacity("too many jobs were created in the last day; try again later", retry_after=-added)
        return messages

    def get(self, id_: str) -> Job | None:
        return self.get_all([id_])[0]

    def get_all(self, ids: Iterable[str]) -> list[Job | None]:
        """Read many jobs in one round trip; None for unknown ids."""
        names = list(ids)
        with redis_errors_translated(), self._client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hgetall(self._keys.job(name))
            found = pipe.execute()
        return [Job.decode(name, fields) if fields else None for name, fields in zip(names, found, strict=True)]

    def get_batch(self, id_: str) -> Batch | None:
        with redis_errors_translated():
            value = self._client.get(self._keys.batch(id_))
        if not isinstance(value, bytes):
            return None
        record = json.loads(value)
        return Batch(**record | {"jobs": tuple(record["jobs"])})

    def wait_for_end(self, id_: str, seconds: float) -> Job | None:
        """Wait until the job has ended or `seconds` have passed, and return its state then."""
        end = time.monotonic() + seconds
        while True:
            job = self.get(id_)
            left = int((end - time.monotonic()) * 1000)
            if job is None or job.state.ended or left <= 0:
                return job
            with redis_errors_translated():
                self._blocking.xread({self._keys.job_done(id_): "0"}, block=min(left, _SLICE_MS))

    def newest(self, most: int) -> list[Job]:
        """Return the jobs that were made last, the newest first."""
        with redis_errors_translated():
            named = self._client.zrevrange(self._keys.jobs_index(), 0, 2 * most)  # batches are there too
        ids = [name.decode().removeprefix("job:") for name in named if name.startswith(b"job:")]
        found = [job for job in self.get_all(ids[:most]) if job]
        return sorted(found, key=lambda job: job.created_at, reverse=True)

    def stats(self) -> QueueStats:
        """Return the state of all work. Reads counters only: one round trip, however many jobs there are."""
        keys = self._keys
        with redis_errors_translated(), self._client.pipeline(transaction=False) as pipe:
            pipe.hgetall(keys.jobs_counts()).zrange(keys.jobs_unfinished(), 0, 0, withscores=True)
            pipe.zcard(keys.jobs_outbox()).time()
            for queue in QUEUES:
                pipe.llen(keys.celery(queue))
            counted, oldest, undelivered, (seconds, micros), *lengths = pipe.execute()
        now = seconds + micros / 1e6
        seen, _ = counted.pop(SEEN_AT.encode(), None), counted.pop(BEAT_SEEN_AT.encode(), None)
        found = {name.decode(): int(value) for name, value in counted.items()}
        age = max(now - oldest[0][1], 0.0) if oldest else None
        states = {state.value: found.get(state, 0) for state in State}
        queued = dict(zip(QUEUES, lengths, strict=True))
        unseen = None if seen is None else max(now - float(seen), 0.0)
        return QueueStats(queued, undelivered, states, found.get("retries", 0), age, unseen)
