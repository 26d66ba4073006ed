"""Who works on a job: a run holds it by a lease, which its living worker keeps pushing ahead, until it says what came out.

The lease is an entry of the agenda too, so that a job whose worker died comes due again.
"""

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from errors import QueueUnavailable
from jobs.messages import CAPTURE, DELIVER_WEBHOOK, WEBHOOKS, TaskMessage
from jobs.records import Job, JobResult, Problem, State
from jobs.scripts import DONE_SECONDS, KEEP_SECONDS, script

_BEGIN = """
local job, message, turn, token, lease = prefix .. 'job:' .. ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
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
local job, lease = prefix .. 'job:' .. ARGV[1], tonumber(ARGV[4])
if not holds(job, ARGV[3]) then return 0 end
redis.call('zrem', due, ARGV[2])
redis.call('hset', job, 'lease', now + lease)
redis.call('zadd', due, now + lease, ARGV[2])
return 1
"""

_POSTPONE = """
local job, seconds = prefix .. 'job:' .. ARGV[1], tonumber(ARGV[5])
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
if not holds(prefix .. 'job:' .. id, token) then return 0 end
finish(id, state, field, value, message, webhook, tonumber(keep), stay)
return 1
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One worker's hold on a job; `starts` counts those that began this turn, of which all but one were killed."""

    job: Job
    message: TaskMessage
    token: str
    starts: int


class Runs:
    """Holds on jobs. Raises QueueUnavailable wherever Redis is away."""

    def __init__(self, client: Any, get: Callable[[str], Job | None], lease: float) -> None:
        """`get` reads a job; `lease` is a run's life without a sign of its worker, in seconds."""
        self._get = get
        self._lease = lease
        self._begin = script(client, _BEGIN)
        self._renew = script(client, _RENEW)
        self._postpone = script(client, _POSTPONE)
        self._finish = script(client, _FINISH)

    def begin(self, message: TaskMessage, token: str = "") -> Run | None:
        """Take a job's turn; None where it is over, or in the hands of a living worker.

        Whoever got no answer may ask again with the same `token`.
        """
        token = token or secrets.token_hex(8)
        starts = self._begin(message.subject, str(message), message.turn, token, self._lease)
        job = self._get(message.subject) if starts else None
        return Run(job, message, token, starts) if job else None

    @contextmanager
    def renewing(self, run: Run) -> Iterator[None]:
        """Show for as long as the block lasts that the run's worker lives."""
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
                continue  # the next beat may find it back, and the hold still in force

    def postpone(self, run: Run, seconds: float, *, retry: bool) -> bool:
        """Give the job another turn in `seconds`, as a `retry` of what was tried. False where the hold was lost."""
        later = TaskMessage(CAPTURE, run.message.queue, run.job.id, run.message.turn + 1)
        how = str(later), seconds, int(retry), time.time()
        return bool(self._postpone(run.job.id, str(run.message), run.token, *how))

    def complete(self, run: Run, result: JobResult) -> bool:
        """End the job well. False where the hold was lost."""
        return self._end(run, State.COMPLETED, "result", json.dumps(asdict(result)))

    def fail(self, run: Run, problem: Problem) -> bool:
        """End the job with a problem. False where the hold was lost."""
        return self._end(run, State.FAILED, "problem", json.dumps(asdict(problem)))

    def _end(self, run: Run, state: State, field: str, value: str) -> bool:
        webhook = str(TaskMessage(DELIVER_WEBHOOK, WEBHOOKS, run.job.id)) if run.job.webhook_url else ""
        how = state, field, value, webhook, KEEP_SECONDS, DONE_SECONDS
        return bool(self._finish(run.job.id, str(run.message), run.token, *how))
