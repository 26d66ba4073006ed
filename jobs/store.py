"""Job records in Redis. Every change of a state is one script, so that two who want it cannot both have it.

Every unfinished job has an entry in `due`: the time at which its message is sent anew unless something happens
before. A retry is such a time, and so is the lease of a run, which a living worker keeps pushing ahead: whatever loses
a message or a worker, the job comes due again. A message that comes twice finds its turn over or the lease in force.

None of these keys ever expires: Redis' `volatile-lru` evicts pictures, which all expire, and no jobs. What is old is
removed here, a little with each new job. All names share a slot of a cluster.
"""

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import redis
import structlog

from errors import OverCapacity, QueueUnavailable
from jobs.record import (
    CAPTURE,
    DELIVER_WEBHOOK,
    KEYPREFIX,
    QUEUES,
    WEBHOOKS,
    Batch,
    Errand,
    Job,
    JobResult,
    Problem,
    QueueStats,
    State,
    WebhookProgress,
)

T = TypeVar("T")

KEEP_SECONDS = 86400
RESEND_SECONDS = 900  # after this long without a sign of life a message counts as lost
LOST_SECONDS = 5  # the same where no message waits in any queue
PRUNED_AT_ONCE = 200
DONE_SECONDS = 60  # for how long a late waiter is still woken
_SLICE_MS = 2000  # of waiting: the client's sockets are silent for no longer

_PREFIX = "thumb:{jobs}:"
_NAMES = ("index", "unfinished", "due", "counts")
_MESSAGES = [KEYPREFIX + name for name in QUEUES]
_KEYS = [*(_PREFIX + name for name in _NAMES), _PREFIX, *_MESSAGES]
_log = structlog.get_logger()

# A Redis at its `maxmemory` refuses a script's writes that may need room, but not once it has let another write pass. So
# `zrem` goes first in all that keeps work going or makes room.
_COMMON = """
local index, unfinished, due, counts, prefix = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
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
local function finish(id, state, field, value, errand, webhook, keep, stay)
  local job, done = prefix .. 'job:' .. id, prefix .. 'done:' .. id
  redis.call('zrem', due, errand)
  move(job, state)
  redis.call('hset', job, 'completed_at', now, field, value)
  redis.call('zrem', unfinished, id)
  redis.call('zadd', index, now + keep, 'job:' .. id)
  if webhook ~= '' then redis.call('zadd', due, now, webhook) end
  redis.call('xadd', done, '*', 'state', state)
  redis.call('expire', done, stay)
end
"""

_ADD = """
local limit, keep, resend, count = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), (#ARGV - 5) / 3
if redis.call('exists', prefix .. 'job:' .. ARGV[6]) == 1 then return 1 end
if redis.call('zcard', unfinished) + count > limit then return 0 end
if redis.call('zcard', index) + count > 10 * limit then
  return -math.ceil(math.max(tonumber(redis.call('zrange', index, 0, 0, 'withscores')[2] or now) - now, 60))
end
for i = 6, #ARGV, 3 do
  redis.call('hset', prefix .. 'job:' .. ARGV[i], 'wish', ARGV[i + 1], 'state', 'pending', 'turn', 1)
  redis.call('zadd', index, now + keep, 'job:' .. ARGV[i])
  redis.call('zadd', unfinished, now, ARGV[i])
  redis.call('zadd', due, now + resend, ARGV[i + 2])
end
if ARGV[4] ~= '' then
  redis.call('set', prefix .. 'batch:' .. ARGV[4], ARGV[5])
  redis.call('zadd', index, now + 2 * keep, 'batch:' .. ARGV[4])
end
redis.call('hincrby', counts, 'pending', count)
return 1
"""

_BEGIN = """
local job, errand, turn, token, lease = prefix .. 'job:' .. ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local found = redis.call('hmget', job, 'state', 'turn', 'lease', 'token', 'starts')
if not found[1] or found[2] ~= turn or (found[1] ~= 'pending' and found[1] ~= 'processing') then
  redis.call('zrem', due, errand)
  return 0
end
if found[1] == 'processing' and found[4] == token then return tonumber(found[5]) end
if found[1] == 'processing' and tonumber(found[3]) > now then return 0 end
redis.call('zrem', due, errand)
if found[1] == 'pending' then move(job, 'processing') end
redis.call('hset', job, 'token', token, 'lease', now + lease)
redis.call('zadd', due, now + lease, errand)
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
redis.call('zadd', due, now + seconds, ARGV[4])
return 1
"""

_FINISH = """
local id, errand, token, state, field, value, webhook, keep, stay = unpack(ARGV)
if not holds(prefix .. 'job:' .. id, token) then return 0 end
finish(id, state, field, value, errand, webhook, tonumber(keep), stay)
return 1
"""

_NOTE_WEBHOOK = """
local job = prefix .. 'job:' .. ARGV[1]
redis.call('zrem', due, ARGV[2])
if redis.call('exists', job) == 0 then return 0 end
redis.call('hset', job, 'webhook', ARGV[3])
if ARGV[4] ~= '' then redis.call('zadd', due, now + tonumber(ARGV[5]), ARGV[4]) end
return 1
"""

# The first message of a job is sent by whoever asks for it. Where as many messages wait as work is outstanding, none was
# lost: it waits its turn. Where no message waits, those of jobs that still wait for their first turn were lost, as happens with a connection.
_CLAIM = """
local age = tonumber(ARGV[2]) - tonumber(ARGV[3])
if redis.call('exists', KEYS[6], KEYS[7]) == 0 then
  for _, errand in ipairs(redis.call('zrange', due, now, now + age, 'byscore', 'limit', 0, ARGV[1])) do
    local id = string.match(errand, '^capture %S+ (%S+) 1$')
    if id and redis.call('hget', prefix .. 'job:' .. id, 'state') == 'pending' then
      redis.call('zadd', due, now, errand)
    end
  end
end
local messages, outstanding = redis.call('llen', KEYS[6]) + redis.call('llen', KEYS[7]), redis.call('zcard', due)
local function is_never_begun(errand)
  local id = string.match(errand, '^capture %S+ (%S+) 1$')
  return id and redis.call('hget', prefix .. 'job:' .. id, 'state') == 'pending'
end
local sent = {}
for _, errand in ipairs(redis.call('zrange', due, '-inf', now, 'byscore', 'limit', 0, ARGV[1])) do
  redis.call('zadd', due, now + tonumber(ARGV[2]), errand)
  if messages < outstanding or not is_never_begun(errand) then
    sent[#sent + 1] = errand
    messages = messages + 1
  end
end
return sent
"""

# A job whose day is over before it has ended fails, and is kept like any other that has.
_PRUNE = """
local keep, problem, stay = tonumber(ARGV[2]), ARGV[3], ARGV[4]
local function give_up(id, turn, wish)
  local told = cjson.decode(wish)
  local webhook = type(told.webhook_url) == 'string' and 'deliver_webhook ' .. told.queue .. ' ' .. id .. ' 1' or ''
  local errand = 'capture ' .. told.queue .. ' ' .. id .. ' ' .. turn
  finish(id, 'failed', 'problem', problem, errand, webhook, keep, stay)
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


@dataclass(frozen=True, slots=True)
class Run:
    """One worker's hold on a job; `starts` counts those that began this turn, of which all but one were killed."""

    job: Job
    errand: Errand
    token: str
    starts: int


class JobStore:
    """The records, and the times at which errands are due. Raises QueueUnavailable wherever Redis is away."""

    def __init__(self, client: "redis.Redis", waiting: "redis.Redis", lease: float = 15, limit: int = 10_000) -> None:
        """`waiting` may be silent for some seconds; `lease` is a run's life without a sign of its worker, in seconds.

        `limit` bounds the unfinished jobs; ten times as many are kept in all, since Redis must hold them.
        """
        self._client: Any = client  # its types are of the asynchronous client too
        self._waiting = waiting
        self._lease = lease
        self._limit = limit
        scripts = {"add": _ADD, "begin": _BEGIN, "renew": _RENEW, "postpone": _POSTPONE, "finish": _FINISH}
        scripts["note_webhook"] = _NOTE_WEBHOOK
        scripts |= {"claim": _CLAIM, "prune": _PRUNE}
        self._scripts = {name: self._client.register_script(_COMMON + text) for name, text in scripts.items()}

    def add(self, jobs: Sequence[Job], batch: Batch | None = None) -> list[Errand]:
        """Record new jobs, all or none, and give the errands that are to be sent for them. Raises OverCapacity.

        Those of an earlier try, known by their ids, stay as they are.
        """
        self.prune()
        errands = [Errand(CAPTURE, job.queue, job.id) for job in jobs]
        head = [batch.id, json.dumps(asdict(batch))] if batch else ["", ""]
        each = [(job.id, job.wish(), str(errand)) for job, errand in zip(jobs, errands, strict=True)]
        flat = [text for three in each for text in three]
        added = self._call("add", self._limit, KEEP_SECONDS, RESEND_SECONDS, *head, *flat)
        if added == 0:
            raise OverCapacity("too many jobs are waiting; try again later", retry_after=60)
        if added < 0:  # the seconds until the oldest goes
            raise OverCapacity("too many jobs of the last day are kept; try again later", retry_after=-added)
        return errands

    def get(self, id_: str) -> Job | None:
        return self.get_all([id_])[0]

    def get_all(self, ids: Iterable[str]) -> list[Job | None]:
        """Read many jobs in one exchange; None for those that there are not."""
        names = list(ids)
        with translated(), self._client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hgetall(f"{_PREFIX}job:{name}")
            found = pipe.execute()
        return [Job.read(name, fields) if fields else None for name, fields in zip(names, found, strict=True)]

    def get_batch(self, id_: str) -> Batch | None:
        with translated():
            value = self._client.get(f"{_PREFIX}batch:{id_}")
        if not isinstance(value, bytes):
            return None
        record = json.loads(value)
        return Batch(**record | {"jobs": tuple(record["jobs"])})

    def begin(self, errand: Errand, token: str = "") -> Run | None:
        """Take a job's turn; None where it is over, or in the hands of a living worker.

        Whoever got no answer may ask again with the same `token`.
        """
        token = token or secrets.token_hex(8)
        starts = self._call("begin", errand.subject, str(errand), errand.turn, token, self._lease)
        job = self.get(errand.subject) if starts else None
        return Run(job, errand, token, starts) if job else None

    @contextmanager
    def held(self, run: Run) -> Iterator[None]:
        """Show for as long as the block lasts that the run's worker lives."""
        ended = threading.Event()
        heart = threading.Thread(target=self._beat, args=(run, ended), name="lease", daemon=True)
        heart.start()
        try:
            yield
        finally:
            ended.set()
            heart.join()

    def _beat(self, run: Run, ended: threading.Event) -> None:
        while not ended.wait(self._lease / 4):
            try:
                self._call("renew", run.job.id, str(run.errand), run.token, self._lease)
            except QueueUnavailable:
                continue  # the next beat may find it back, and the hold still in force

    def postpone(self, run: Run, seconds: float, *, retry: bool) -> bool:
        """Give the job another turn in `seconds`. False where the hold was lost."""
        later = Errand(CAPTURE, run.errand.queue, run.job.id, run.errand.turn + 1)
        return bool(
            self._call("postpone", run.job.id, str(run.errand), run.token, str(later), seconds, 1 if retry else 0)
        )

    def complete(self, run: Run, result: JobResult) -> bool:
        """End the job well. False where the hold was lost."""
        return self._finish(run, State.COMPLETED, "result", json.dumps(asdict(result)))

    def fail(self, run: Run, problem: Problem) -> bool:
        """End the job with a problem. False where the hold was lost."""
        return self._finish(run, State.FAILED, "problem", json.dumps(asdict(problem)))

    def _finish(self, run: Run, state: State, field: str, value: str) -> bool:
        webhook = str(Errand(DELIVER_WEBHOOK, WEBHOOKS, run.job.id)) if run.job.webhook_url else ""
        return bool(
            self._call(
                "finish",
                run.job.id,
                str(run.errand),
                run.token,
                state,
                field,
                value,
                webhook,
                KEEP_SECONDS,
                DONE_SECONDS,
            )
        )

    def note_webhook(self, errand: Errand, progress: WebhookProgress, later: Errand | None, seconds: float) -> None:
        """Settle a try to deliver a job's webhook, keep on the job how it went, and plan the next in `seconds`."""
        name, outcome = errand.subject, json.dumps(asdict(progress))
        self._call("note_webhook", name, str(errand), outcome, str(later or ""), seconds)

    def schedule(self, errand: Errand, seconds: float) -> None:
        """Have an errand sent in `seconds`; again every quarter of an hour until somebody settles it."""
        with translated():
            self._client.zadd(_PREFIX + "due", {str(errand): self._now() + seconds})

    def hasten(self, errands: Iterable[Errand], seconds: float = 1.0) -> None:
        """Have errands that are waiting already sent in `seconds`; those that were settled stay so."""
        with translated():
            at = self._now() + seconds
            self._client.zadd(_PREFIX + "due", {str(errand): at for errand in errands}, xx=True)

    def settle(self, errand: Errand) -> None:
        """Say that an errand is done and shall not be sent again."""
        with translated():
            self._client.zrem(_PREFIX + "due", str(errand))

    def is_due(self, errand: Errand) -> bool:
        """Tell whether an errand is still to be done, now or later: its message may come once more when it is not."""
        with translated():
            return self._client.zscore(_PREFIX + "due", str(errand)) is not None

    def claim(self, most: int = 100) -> list[Errand]:
        """Take the errands that are due, to send them; those that come to nothing are due again later."""
        return [Errand.parse(text.decode()) for text in self._call("claim", most, RESEND_SECONDS, LOST_SECONDS)]

    def prune(self) -> int:
        """Remove some of what ended a day ago and give their number; fail what has not ended a day after its beginning."""
        unreached = json.dumps(asdict(Problem.of(OverCapacity("the job did not get its turn within a day"))))
        return int(self._call("prune", PRUNED_AT_ONCE, KEEP_SECONDS, unreached, DONE_SECONDS))

    def check_eviction(self) -> None:
        """Warn where Redis may evict jobs and queues: by its setting, for which hosted ones may not be asked."""
        try:
            policy = self._client.config_get("maxmemory-policy").get("maxmemory-policy", "")
        except redis.RedisError:
            return
        if policy.startswith("allkeys"):
            _log.warning("jobs_evictable", policy=policy, hint="set Redis' maxmemory-policy to volatile-lru")

    def wait(self, id_: str, seconds: float) -> Job | None:
        """Wait until the job has ended or `seconds` are over, and give it as it then is."""
        end = time.monotonic() + seconds
        while True:
            job = self.get(id_)
            left = int((end - time.monotonic()) * 1000)
            if job is None or job.state.ended or left <= 0:
                return job
            with translated():
                self._waiting.xread({f"{_PREFIX}done:{id_}": "0"}, block=min(left, _SLICE_MS))

    def stats(self) -> QueueStats:
        """Tell where work stands, from what is counted anyway: one exchange, however many jobs there are."""
        with translated(), self._client.pipeline(transaction=False) as pipe:
            pipe.hgetall(_PREFIX + "counts").zrange(_PREFIX + "unfinished", 0, 0, withscores=True).time()
            for queue in QUEUES:
                pipe.llen(KEYPREFIX + queue)
            counted, oldest, (seconds, micros), *lengths = pipe.execute()
        found = {name.decode(): int(value) for name, value in counted.items()}
        age = max(seconds + micros / 1e6 - oldest[0][1], 0.0) if oldest else None
        states = {state.value: found.get(state, 0) for state in State}
        return QueueStats(dict(zip(QUEUES, lengths, strict=True)), states, found.get("retries", 0), age)

    def _now(self) -> float:
        """Redis' own clock: those of the machines may differ."""
        seconds, micros = self._client.time()
        return float(seconds + micros / 1e6)

    def _call(self, name: str, *args: float | str) -> Any:
        with translated():
            return self._scripts[name](keys=_KEYS, args=list(args))


@contextmanager
def translated() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as err:
        _log.error("jobs_unreachable", error=type(err).__name__)
        raise QueueUnavailable("jobs cannot be reached at the moment; try again in a few seconds") from err


def insist(question: Callable[[], T], seconds: float = 120) -> T:
    """Ask for `seconds` even if Redis is away: an outcome is not lost, since what led to it cannot be undone."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            return question()
        except QueueUnavailable:
            time.sleep(0.5)
    return question()
