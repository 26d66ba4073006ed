"""What the worker does: each task is a function of its process's services and of an message, and knows no Celery.

Each looks in the job's record, or in the agenda, whether it is still to be done: a message may come twice.
"""

import contextvars
import random
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import asdict
from typing import TypeVar

import structlog
from billiard.exceptions import SoftTimeLimitExceeded

from errors import CaptureTimeout, OverCapacity, QueueUnavailable, RateLimited, StorageUnavailable, ThumbnailError
from jobs import (
    BULK,
    CAPTURE,
    DELIVER_WEBHOOK,
    KEEP_SECONDS,
    MAX_STARTS,
    RECAPTURE,
    JobResult,
    Run,
    TaskMessage,
    new_id,
    retry_while_unavailable,
)
from refresh import ROUND_SECONDS, ViewedPage
from services import Services

T = TypeVar("T")

PRUNE_SECONDS = 3600
_log = structlog.get_logger()


def capture(services: Services, subject: str, turn: int, queue: str) -> None:
    """Take the picture of a job, unless it is taken or another worker is at it."""
    runs, token = services.jobs.store.runs, new_id()
    run = retry_while_unavailable(lambda: runs.begin(TaskMessage(CAPTURE, queue, subject, turn), token))
    if run is None:
        return
    with (
        structlog.contextvars.bound_contextvars(job_id=subject, request_id=run.job.request_id),
        runs.renewing(run),
    ):
        outcome = _attempt(services, run)
        _retry_past_soft_limit(
            lambda: services.job_pictures.record_outcome(run, outcome), services.settings.job_time_limit
        )


def _attempt(services: Services, run: Run) -> JobResult | ThumbnailError:
    """Take the picture, or say why it could not be taken."""
    if run.starts > MAX_STARTS:
        return CaptureTimeout(f"the worker was stopped {MAX_STARTS} times while it worked on this page")
    try:
        return _aside(lambda: services.job_pictures.capture(run.job))
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


def _retry_past_soft_limit(question: Callable[[], None], seconds: float) -> None:
    """Ask until the hard limit ends this process: the soft one is for work, and this is what has become of it."""
    try:
        retry_while_unavailable(question, seconds)
    except SoftTimeLimitExceeded:
        retry_while_unavailable(question, seconds)


def refresh(services: Services) -> None:
    """Have pictures that people look at captured again, at moments spread over the round."""
    for seen in services.refresher.choose():
        pause = random.uniform(0, ROUND_SECONDS)  # noqa: S311 - it spreads load
        services.jobs.store.agenda.schedule(TaskMessage(RECAPTURE, BULK, seen.pack()), pause)


def recapture(services: Services, subject: str, turn: int, queue: str) -> None:
    """Capture one of them, unless that has been done. What fails is not tried again: visitors will have it captured."""
    message, agenda = TaskMessage(RECAPTURE, queue, subject, turn), services.jobs.store.agenda
    if not agenda.holds(message):
        return
    try:
        _recapture(services, subject)
    except (RateLimited, OverCapacity) as err:
        agenda.schedule(message, err.retry_after or 1)
        return
    except (ThumbnailError, TimeoutError, SoftTimeLimitExceeded) as err:
        _log.info("refresh_refused", reason=getattr(err, "code", type(err).__name__))
    agenda.remove(message)


def _recapture(services: Services, subject: str) -> None:
    seen = ViewedPage.unpack(subject)
    if seen is None:
        return
    services.access.require_target(seen.request.target.host)
    request_id = new_id()
    if services.refresher.recapture(seen, request_id):
        _log.info("refreshed", host=seen.request.target.netloc, request_id=request_id)


def deliver_webhook(services: Services, subject: str, turn: int, queue: str) -> None:
    """Try once to tell a receiver how a job ended, and let those go on that waited for it."""
    with structlog.contextvars.bound_contextvars(job_id=subject, turn=turn):
        waited = services.deliveries.attempt(TaskMessage(DELIVER_WEBHOOK, queue, subject, turn))
        services.jobs.send(waited)


def prune(services: Services) -> None:
    """Remove the pictures whose jobs are forgotten."""
    try:
        count = services.storage.prune(KEEP_SECONDS + PRUNE_SECONDS)
    except StorageUnavailable:
        return  # it is in the log, and the next hour comes
    _log.info("pictures_pruned", count=count)


def queue_stats(services: Services) -> None:
    """Log where work stands."""
    _log.info("queue_stats", **asdict(services.jobs.store.stats()))


def tick(services: Services) -> None:
    """Remove what is old, send what is due; what cannot be sent now, as to a full Redis, is due again later."""
    try:
        services.jobs.store.retention.prune()
        services.jobs.send_due()
    except QueueUnavailable:
        return
