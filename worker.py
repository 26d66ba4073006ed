"""The worker: Celery's tasks over the same services as the web process has. Imports nothing of the web.

Run it by `celery -A worker worker`. Every task is told what to do by an errand, and looks in the job's record whether
it is still to be done: a message may come twice.
"""

import contextvars
import logging
import os
import random
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import structlog
from billiard.exceptions import SoftTimeLimitExceeded
from celery import bootsteps
from celery.signals import setup_logging, worker_init, worker_process_init, worker_process_shutdown

import config
import logs
import services as composition
from config import Settings
from errors import CaptureTimeout, OverCapacity, QueueUnavailable, RateLimited, StorageUnavailable, ThumbnailError
from jobs import (
    BULK,
    CAPTURE,
    DELIVER_WEBHOOK,
    INTERACTIVE,
    KEEP_SECONDS,
    PRUNE,
    QUEUE_STATS,
    RECAPTURE,
    REFRESH,
    Errand,
    Job,
    JobResult,
    Problem,
    Run,
    celery_app,
    insist,
    new_id,
)
from jobs.retries import MAX_RETRIES, is_transient, pause_before, pause_until, was_put_off
from model import Picture
from refresh import ROUND_SECONDS
from services import Services
from views import Seen

T = TypeVar("T")

PRUNE_SECONDS = 3600
MAX_STARTS = 3  # of one turn; a page that kills its worker each time is given up
STATS_SECONDS = 60.0
_log = structlog.get_logger()


def _load() -> Settings:
    try:
        return config.load()
    except config.ConfigError as err:
        sys.exit(str(err))


def _every(seconds: float, task: str, queue: str = INTERACTIVE) -> dict[str, object]:
    """Have beat send `task`; a message that nobody took before the next is worth nothing."""
    return {"task": task, "schedule": seconds, "options": {"queue": queue, "expires": seconds}}


settings = _load()
app = celery_app(settings.redis_url, settings.job_time_limit)
app.conf.worker_concurrency = settings.worker_concurrency
app.conf.beat_schedule = {
    QUEUE_STATS: _every(STATS_SECONDS, QUEUE_STATS),
    PRUNE: _every(PRUNE_SECONDS, PRUNE, BULK),
}
if settings.refresh_budget:
    app.conf.beat_schedule[REFRESH] = _every(ROUND_SECONDS, REFRESH)


@lru_cache(maxsize=1)
def services() -> Services:
    """Make the services of this process, when they are first needed. A capture must end before its job's time does."""
    timeout = min(settings.capture_timeout, settings.job_time_limit * 0.6)
    return composition.build(settings.model_copy(update={"capture_timeout": timeout}))


@app.task(name=CAPTURE)  # type: ignore[untyped-decorator] # Celery has no types
def capture(subject: str, turn: int, queue: str) -> None:
    """Take the picture of a job, unless it is taken or another worker is at it."""
    runs, token = services().jobs.store.runs, new_id()
    run = insist(lambda: runs.begin(Errand(CAPTURE, queue, subject, turn), token))
    if run is None:
        return
    structlog.contextvars.bind_contextvars(job_id=subject, request_id=run.job.request_id)
    with runs.held(run):
        outcome = _attempt(run)
        _insist(lambda: _conclude(run, outcome))
    structlog.contextvars.clear_contextvars()


def _insist(question: Callable[[], None]) -> None:
    """Ask until the hard limit ends this process: the soft one is for work, and this is what has become of it."""
    try:
        insist(question, settings.job_time_limit)
    except SoftTimeLimitExceeded:
        insist(question, settings.job_time_limit)


@app.task(name=REFRESH)  # type: ignore[untyped-decorator]
def refresh() -> None:
    """Have pictures that people look at captured again, at moments spread over the round."""
    for seen in services().refresher.choose():
        pause = random.uniform(0, ROUND_SECONDS)  # noqa: S311 - it spreads load
        services().jobs.store.agenda.schedule(Errand(RECAPTURE, BULK, seen.pack()), pause)


@app.task(name=RECAPTURE)  # type: ignore[untyped-decorator]
def recapture(subject: str, turn: int, queue: str) -> None:
    """Capture one of them, unless that has been done. What fails is not tried again: visitors will have it captured."""
    errand, agenda = Errand(RECAPTURE, queue, subject, turn), services().jobs.store.agenda
    if not agenda.is_due(errand):
        return
    try:
        _recapture(subject)
    except (RateLimited, OverCapacity) as err:
        agenda.schedule(errand, err.retry_after or 1)
        return
    except (ThumbnailError, TimeoutError, SoftTimeLimitExceeded) as err:
        _log.info("refresh_refused", reason=getattr(err, "code", type(err).__name__))
    agenda.settle(errand)


def _recapture(subject: str) -> None:
    seen = Seen.unpack(subject)
    if seen is None:
        return
    services().access.check_target(seen.request.host_name)
    request_id = new_id()
    if services().refresher.capture(seen, services().throughput.take, request_id):
        _log.info("refreshed", host=seen.request.host, request_id=request_id)


@app.task(name=QUEUE_STATS)  # type: ignore[untyped-decorator]
def queue_stats() -> None:
    """Log where work stands."""
    _log.info("queue_stats", **asdict(services().jobs.store.stats()))


def _attempt(run: Run) -> JobResult | ThumbnailError:
    """Take the picture, or say why it could not be taken."""
    if run.starts > MAX_STARTS:
        return CaptureTimeout(f"the worker was stopped {MAX_STARTS} times while it worked on this page")
    try:
        return _aside(lambda: _take(run.job))
    except SoftTimeLimitExceeded:
        return CaptureTimeout("the page was not captured in time")
    except ThumbnailError as err:
        return err
    except Exception as err:  # noqa: BLE001 - a fault of ours would be no other at the next try
        _log.exception("unexpected_error", error=type(err).__name__)
        return ThumbnailError("something went wrong here; the request id helps to find it")


def _aside(work: Callable[[], T]) -> T:
    """Do `work` in a thread: the soft limit's exception is raised in the main one, where no library swallows it."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as err:  # noqa: BLE001 - it is raised where the result is waited for
            future.set_exception(err)

    threading.Thread(target=contextvars.copy_context().run, args=(run,), name="job", daemon=True).start()
    return future.result()


def _take(job: Job) -> JobResult:
    wanted = replace(job.wanted, delivery=replace(job.wanted.delivery, background=job.queue == BULK))
    if job.retries:
        services().thumbnailer.forgive(wanted)
    if job.persist:
        persisted = services().thumbnailer.persist(wanted, _charge(job), job.request_id, patient=True)
        return _describe(persisted.picture, persisted.stored.key, persisted.stored.url)
    picture = services().thumbnailer.obtain(wanted, _charge(job), job.request_id).picture
    return _describe(picture, services().storage.keep(picture, job.id))


@app.task(name=DELIVER_WEBHOOK)  # type: ignore[untyped-decorator]
def deliver_webhook(subject: str, turn: int, queue: str) -> None:
    """Try once to tell a receiver how a job ended."""
    with structlog.contextvars.bound_contextvars(job_id=subject, turn=turn):
        services().deliveries.attempt(Errand(DELIVER_WEBHOOK, queue, subject, turn))


@app.task(name=PRUNE)  # type: ignore[untyped-decorator]
def prune() -> None:
    """Remove the pictures whose jobs are forgotten."""
    try:
        count = services().storage.prune(KEEP_SECONDS + PRUNE_SECONDS)
    except StorageUnavailable:
        return  # it is in the log, and the next hour comes
    _log.info("pictures_pruned", count=count)


def _charge(job: Job) -> Callable[[], None]:
    """Whoever waits for one picture is a visitor, and counted as one; a batch takes what visitors leave."""
    throughput = services().throughput
    return throughput.take if job.queue == BULK else throughput.count


def _describe(picture: Picture, key: str, url: str | None = None) -> JobResult:
    captured_at = picture.captured_at.timestamp()
    return JobResult(key, picture.content_type, picture.width, picture.height, len(picture.body), captured_at, url)


def _conclude(run: Run, outcome: JobResult | ThumbnailError) -> None:
    runs = services().jobs.store.runs
    if isinstance(outcome, JobResult):
        kept = runs.complete(run, outcome)
        _log.info("job_completed" if kept else "job_taken_over", turn=run.errand.turn)
    elif was_put_off(outcome) or (isinstance(outcome, OverCapacity) and run.job.queue == BULK):
        # To make room for visitors is no failure.
        runs.postpone(run, pause_until(outcome), retry=False)
    elif run.job.retries < MAX_RETRIES and is_transient(outcome) and run.starts <= MAX_STARTS:
        pause = pause_before(run.job.retries + 1, outcome.retry_after)
        runs.postpone(run, pause, retry=True)
        _log.info("job_retried", reason=outcome.code, seconds=round(pause, 1), retry=run.job.retries + 1)
    else:
        runs.fail(run, Problem.of(outcome))
        _log.warning("job_failed", reason=outcome.code, retries=run.job.retries)


class Clock(bootsteps.StartStopStep):  # type: ignore[misc] # Celery has no types
    """Sends what is due, once a second, in the worker's main process."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        super().__init__(consumer, **kwargs)
        self._tick: Any = None

    def start(self, consumer: Any) -> None:
        services().jobs.store.upkeep.check_eviction()
        self._tick = consumer.timer.call_repeatedly(1.0, tick)

    def stop(self, _consumer: Any) -> None:
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None

    shutdown = stop


app.steps["consumer"].add(Clock)


def tick() -> None:
    """Remove what is old, send what is due; what cannot be sent now, as to a full Redis, is due again later."""
    try:
        services().jobs.store.upkeep.prune()
        services().jobs.send_due()
    except QueueUnavailable:
        return


@setup_logging.connect  # type: ignore[untyped-decorator]
def _log_like_the_rest(**_: object) -> None:
    logs.configure(settings.log_format, settings.log_level)
    for chatty in ("celery.app.trace", "celery.worker.strategy"):  # two lines a task, that say less than ours
        logging.getLogger(chatty).setLevel(logging.WARNING)


@worker_init.connect  # type: ignore[untyped-decorator]
def _give_way(**_: object) -> None:
    """Let visitors' processes have the cores first, where they share a machine with this one."""
    os.nice(settings.worker_niceness)
    if os.getsid(0) == os.getpid():
        # A process in a session of its own is weighed by its session where the kernel groups by sessions: sched(7).
        with suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(settings.worker_niceness), encoding="ascii")


@worker_process_init.connect  # type: ignore[untyped-decorator]
def _begin_afresh(**_: object) -> None:
    """Forget the services of the process that this one was forked from: no two may read from one socket."""
    services.cache_clear()


@worker_process_shutdown.connect  # type: ignore[untyped-decorator]
def _end(**_: object) -> None:
    if services.cache_info().currsize:
        services().close()
