"""The worker's tasks. Each is a function of the process's services and a message's fields. Knows no Celery.

A message may arrive twice, so each task first checks the job's record or the agenda.
"""

import contextvars
import random
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import asdict
from typing import TypeVar

import structlog
from billiard.exceptions import SoftTimeLimitExceeded

from errors import (
    INTERNAL_ERROR,
    CaptureTimeout,
    DatabaseUnavailable,
    OverCapacity,
    QueueUnavailable,
    RateLimited,
    StorageUnavailable,
    ThumbnailError,
)
from jobs import (
    BULK,
    CAPTURE,
    CAPTURE_SITE,
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
from sites import SITE_ROUND_SECONDS, Claim
from telemetry import traces
from telemetry.origin import UNKNOWN

T = TypeVar("T")

PRUNE_SECONDS = 3600
_log = structlog.get_logger()


def capture(services: Services, subject: str, turn: int, queue: str) -> None:
    """Capture a job's picture, unless the job has ended or another worker runs it."""
    runs, token = services.jobs.store.runs, new_id()
    run = retry_while_unavailable(lambda: runs.begin(TaskMessage(CAPTURE, queue, subject, turn), token))
    if run is None:
        return
    with (
        traces.working(CAPTURE, run.job.origin, run.job.request_id, host=run.job.wanted.target.netloc, job_id=subject),
        structlog.contextvars.bound_contextvars(job_id=subject, request_id=run.job.request_id, **traces.log_facts()),
        runs.renewing(run),
    ):
        outcome = _attempt(services, run)
        if isinstance(outcome, ThumbnailError):
            traces.note_error(outcome.code)

        def record() -> None:
            pictures, seconds = services.job_pictures, services.settings.job_time_limit
            retry_while_unavailable(lambda: pictures.record_outcome(run, outcome), seconds)

        try:
            record()
        except SoftTimeLimitExceeded:
            record()  # the soft limit is for the capture; only the hard one ends the attempts to record its outcome


def _attempt(services: Services, run: Run) -> JobResult | ThumbnailError:
    """Capture the picture, or return the error."""
    if run.starts > MAX_STARTS:
        return CaptureTimeout(
            f"the worker was killed {MAX_STARTS} times during this capture; create a new job to try again"
        )
    try:
        return _run_in_thread(lambda: services.job_pictures.capture(run.job))
    except SoftTimeLimitExceeded:
        return CaptureTimeout("the page was not captured in time; try again later")
    except ThumbnailError as err:
        return err
    except Exception as err:  # noqa: BLE001 - a bug of ours, so a retry would fail too
        _log.exception("unexpected_error", error=type(err).__name__)
        return ThumbnailError(INTERNAL_ERROR)


def _run_in_thread(work: Callable[[], T]) -> T:
    """Do `work` in a thread: the soft limit's exception is raised in the main one, where no library swallows it."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as err:  # noqa: BLE001 - the main thread raises it again
            future.set_exception(err)

    threading.Thread(target=contextvars.copy_context().run, args=(run,), name="job", daemon=True).start()
    return future.result()


def refresh(services: Services) -> None:
    """Schedule recaptures of popular old pages, at random times within the round; none while too much work is due."""
    if services.jobs.store.agenda.outstanding() >= services.settings.job_queue_limit:
        return
    for page in services.refresher.choose():
        delay = random.uniform(0, ROUND_SECONDS)  # noqa: S311 - it spreads load
        services.jobs.store.agenda.schedule(TaskMessage(RECAPTURE, BULK, page.pack()), delay)


def recapture(services: Services, subject: str, turn: int, queue: str) -> None:
    """Recapture a popular page, unless this was done. A failure is not retried: the next visitor starts a capture."""
    message, agenda = TaskMessage(RECAPTURE, queue, subject, turn), services.jobs.store.agenda
    if not agenda.holds(message):
        return
    page, request_id = ViewedPage.unpack(subject), new_id()
    with (
        traces.working(RECAPTURE, UNKNOWN, request_id),
        structlog.contextvars.bound_contextvars(**traces.log_facts()),
    ):
        _recapture(services, message, page, request_id)


def _recapture(services: Services, message: TaskMessage, page: ViewedPage | None, request_id: str) -> None:
    agenda = services.jobs.store.agenda
    try:
        if page is not None:
            services.access.require_target(page.request.target)
            if services.refresher.recapture(page, request_id):
                _log.info("refreshed", host=page.request.target.netloc, request_id=request_id)
    except (RateLimited, OverCapacity) as err:
        agenda.schedule(message, err.retry_after or 1)
        return
    except (ThumbnailError, TimeoutError, SoftTimeLimitExceeded) as err:
        reason = getattr(err, "code", type(err).__name__)
        traces.note_error(reason)
        _log.info("refresh_refused", reason=reason)
    agenda.remove(message)


def capture_sites(services: Services) -> None:
    """Claim the sites that are due, and send their captures at random times within the round.

    Queue the messages, too, of processes that were killed before they did.
    """
    try:
        services.site_events.queue_overdue()
        claims = services.site_capturer.choose()
        for claim in claims:
            delay = random.uniform(0, SITE_ROUND_SECONDS)  # noqa: S311 - it spreads load
            services.jobs.store.agenda.schedule(TaskMessage(CAPTURE_SITE, BULK, str(claim)), delay)
        services.site_capturer.keep(claims)
    except (DatabaseUnavailable, QueueUnavailable):
        return  # already logged; they stay due, or are due again soon


def capture_site(services: Services, subject: str, turn: int, queue: str) -> None:
    """Capture a site, unless its claim was lost. Without an outcome, the claim expires and the site is due again."""
    claim, message, request_id = Claim.parse(subject), TaskMessage(CAPTURE_SITE, queue, subject, turn), new_id()
    with (
        traces.working(CAPTURE_SITE, UNKNOWN, request_id, site=claim.site_id),
        structlog.contextvars.bound_contextvars(site_id=claim.site_id, request_id=request_id, **traces.log_facts()),
    ):
        try:
            recorded = _run_in_thread(lambda: services.site_capturer.capture(claim, request_id))
        except (DatabaseUnavailable, QueueUnavailable, SoftTimeLimitExceeded) as err:
            reason = getattr(err, "code", type(err).__name__)
            traces.note_error(reason)
            _log.warning("site_capture_lost", reason=reason)
        except Exception as err:  # noqa: BLE001 - a bug of ours; the site is due again when its claim expires
            _log.exception("unexpected_error", error=type(err).__name__)
        else:
            if recorded is not None:
                retry_while_unavailable(lambda: services.site_events.queue(recorded.events))
    retry_while_unavailable(lambda: services.jobs.store.agenda.remove(message))
    retry_while_unavailable(lambda: services.site_capturer.pace.remove(claim))


def deliver_webhook(services: Services, subject: str, turn: int, queue: str) -> None:
    """Try once to deliver a webhook, then resend the messages that waited for this attempt to end."""
    with structlog.contextvars.bound_contextvars(webhook=subject, turn=turn):
        waiting = services.deliveries.attempt(TaskMessage(DELIVER_WEBHOOK, queue, subject, turn))
        services.jobs.send(waiting)


def prune(services: Services) -> None:
    """Remove the pictures of jobs whose records have been removed, and those that no site needs any more."""
    try:
        count = services.storage.prune(KEEP_SECONDS + PRUNE_SECONDS)
        _log.info("pictures_pruned", count=count)
        while services.site_sweeper.sweep():
            pass
    except (StorageUnavailable, DatabaseUnavailable, SoftTimeLimitExceeded):
        return  # already logged, or too much for one run; the next one is in an hour


def sweep_purged(services: Services) -> None:
    """Remove the files of what was purged or taken down. What is not done in time, the next run does."""
    with suppress(SoftTimeLimitExceeded):
        services.purging.sweeper.sweep()


def tell_caches(services: Services, _subject: str, _turn: int, _queue: str) -> None:
    """Tell the caches in front what was purged, now that all processes know it."""
    with suppress(SoftTimeLimitExceeded):  # the sweep tells what is left
        services.purging.in_front.tell_pending()


def queue_stats(services: Services) -> None:
    """Log the state of all jobs, and note that beat runs, which has sent this."""
    services.jobs.store.workers.note_beat()
    _log.info("queue_stats", **asdict(services.jobs.store.stats()))


def tick(services: Services) -> None:
    """Prune old records, send due messages, and say that a worker runs.

    If this fails, say because Redis is full, a later tick retries it.
    """
    try:
        services.jobs.store.retention.prune()
        services.jobs.send_due()
        services.jobs.store.workers.announce()
    except QueueUnavailable:
        return
