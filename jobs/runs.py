"""Runs: which worker works on a job. A run holds the job by a lease, which its living worker renews until the outcome.

The lease is also an entry of the agenda, so that the job of a dead worker comes due again.
"""

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from coordination import StateRedis
from errors import QueueUnavailable
from jobs.messages import CAPTURE, DELIVER_WEBHOOK, WEBHOOKS, TaskMessage
from jobs.records import Job, JobResult, Problem, State
from jobs.scripts import DONE_SECONDS, KEEP_SECONDS, script

_BEGIN = """
local job, message, turn, token, lease = a_job .. ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local found = redis.call('hmget', job, 'state', 'turn', 'lease', 'token', 'starts')
if not found[1] or found[2] ~= turn or (found[1] ~= 'pending' and found[1] ~= 'processing') then
  redis.call('zrem', due, message)
  return 0
end
if found[1] == 'processing' and found[4] == token then return tonumber(found[5]) end
if found[1] == 'processing' and tonumber(found[3]) > now then return 0 end
redis.call('zrem', due, message)
if found[1] == 'pending' then move(job, 'processing') end
redis.call('hset', job, 'token', token, 'lease', now + lease)
redis.call('zadd', due, now + lease, message)
return redis.call('hincrby', job, 'starts', 1)
"""

_RENEW = """
local job, lease = a_job .. ARGV[1], tonumber(ARGV[4])
if not holds(job, ARGV[3]) then return 0 end
redis.call('zrem', due, ARGV[2])
redis.call('hset', job, 'lease', now + lease)
redis.call('zadd', due, now + lease, ARGV[2])
return 1
"""

_POSTPONE = """
local job, seconds = a_job .. ARGV[1], tonumber(ARGV[5])
if not holds(job, ARGV[3]) then return 0 end
redis.call('zrem', due, ARGV[2])
move(job, 'pending')
redis.call('hset', job, 'starts', 0)
redis.call('hincrby', job, 'turn', 1)
redis.call('hincrby', job, 'retries', ARGV[6])
redis.call('hincrby', counts, 'retries', ARGV[6])
if ARGV[6] == '1' then redis.call('hset', job, 'tried_at', ARGV[7]) end
redis.call('zadd', due, now + seconds, ARGV[4])
return 1
"""

_FINISH = """
local id, message, token, state, field, value, webhook, keep, stay = unpack(ARGV)
if not holds(a_job .. id, token) then return 0 end
finish(id, state, field, value, message, webhook, tonumber(keep), stay)
return 1
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One worker's hold on a job; `starts` counts the runs of this turn, all but the last of which were killed."""

    job: Job
    message: TaskMessage
    token: str
    starts: int


class Runs:
    """Begins, renews and ends runs. Raises QueueUnavailable when Redis is unreachable."""

    def __init__(self, state: StateRedis, get: Callable[[str], Job | None], lease: float) -> None:
        """`get` reads a job; `lease` is the number of seconds after which an unrenewed run is lost."""
        self._get = get
        self._lease = lease
        self._begin = script(state, _BEGIN)
        self._renew = script(state, _RENEW)
        self._postpone = script(state, _POSTPONE)
        self._finish = script(state, _FINISH)

    def begin(self, message: TaskMessage, token: str = "") -> Run | None:
        """Begin a job's turn; None if the turn is over, or another worker's run holds the job.

        A worker that got no answer may call this again with the same `token`.
        """
        token = token or secrets.token_hex(8)
        starts = self._begin(message.subject, str(message), message.turn, token, self._lease)
        job = self._get(message.subject) if starts else None
        return Run(job, message, token, starts) if job else None

    @contextmanager
    def renewing(self, run: Run) -> Iterator[None]:
        """Renew the run's lease while the block lasts."""
        ended = threading.Event()
        renewer = threading.Thread(target=self._renew_until, args=(run, ended), name="lease", daemon=True)
        renewer.start()
        try:
            yield
        finally:
            ended.set()
            renewer.join()

    def _renew_until(self, run: Run, ended: threading.Event) -> None:
        while not ended.wait(self._lease / 4):
            try:
                self._renew(run.job.id, str(run.message), run.token, self._lease)
            except QueueUnavailable:
                continue  # Redis may answer the next renewal, before the lease expires

    def postpone(self, run: Run, seconds: float, *, retry: bool) -> bool:
        """Give the job another turn in `seconds`; `retry` counts it as a retry. False if the run was lost."""
        later = TaskMessage(CAPTURE, run.message.queue, run.job.id, run.message.turn + 1)
        changes = str(later), seconds, int(retry), time.time()
        return bool(self._postpone(run.job.id, str(run.message), run.token, *changes))

    def complete(self, run: Run, result: JobResult) -> bool:
        """End the job with its picture. False if the run was lost."""
        return self._end(run, State.COMPLETED, "result", json.dumps(asdict(result)))

    def fail(self, run: Run, problem: Problem) -> bool:
        """End the job with a problem. False if the run was lost."""
        return self._end(run, State.FAILED, "problem", json.dumps(asdict(problem)))

    def _end(self, run: Run, state: State, field: str, value: str) -> bool:
        webhook = str(TaskMessage(DELIVER_WEBHOOK, WEBHOOKS, run.job.id)) if run.job.webhook_url else ""
        changes = state, field, value, webhook, KEEP_SECONDS, DONE_SECONDS
        return bool(self._finish(run.job.id, str(run.message), run.token, *changes))
