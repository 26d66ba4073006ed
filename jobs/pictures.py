"""Captures the pictures of jobs, and decides from the outcome whether a job completes, fails or is retried."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from access import Budget, JobCharge
from errors import OverCapacity, ThumbnailError
from jobs.messages import BULK
from jobs.records import Job, JobResult, Problem
from jobs.retries import MAX_RETRIES, is_transient, postpone_delay, retry_delay, was_not_attempted
from jobs.runs import Run, Runs
from model import Picture
from storage import PictureStorage
from telemetry import metrics
from thumbnails import Ask, Thumbnailer

MAX_STARTS = 3  # per turn; a page that kills its worker each time makes its job fail
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class JobPictures:
    thumbnailer: Thumbnailer
    storage: PictureStorage
    runs: Runs
    permanent_bytes: Budget
    release: Callable[[str], None]  # what is kept for a job, by its id, until it ends

    def capture(self, job: Job) -> JobResult:
        """Capture the picture and store it, for a day or permanently. Raises ThumbnailError.

        A single job has a visitor's priority. The captures of a batch yield to those of visitors.
        """
        wanted = replace(job.wanted, delivery=replace(job.wanted.delivery, background=job.queue == BULK))
        if job.tried_at is not None:
            self.thumbnailer.forget_failure(wanted, job.tried_at)
        ask = Ask(wanted, JobCharge(job.client, self.permanent_bytes), job.request_id)
        if job.persist:
            persisted = self.thumbnailer.persist(ask, stale_ok=False)
            return _result_of(persisted.picture, persisted.stored.key, persisted.stored.url)
        picture = self.thumbnailer.get_lasting(ask, stale_ok=False).picture
        return _result_of(picture, self.storage.put_for_job(picture, job.id))

    def record_outcome(self, run: Run, outcome: JobResult | ThumbnailError) -> None:
        """Store the outcome of a run: the job ends, or gets another turn later. Raises QueueUnavailable."""
        if isinstance(outcome, JobResult):
            metrics.JOBS_ENDED.add("completed")
            kept = self.runs.complete(run, outcome)
            self._release(run.job)
            _log.info("job_completed" if kept else "job_taken_over", turn=run.message.turn)
        elif was_not_attempted(outcome) or (isinstance(outcome, OverCapacity) and run.job.queue == BULK):
            # The bulk queue made room for visitors, which is not a failure.
            metrics.JOBS_ENDED.add("postponed")
            self.runs.postpone(run, postpone_delay(outcome), retry=False)
        elif run.job.retries < MAX_RETRIES and is_transient(outcome) and run.starts <= MAX_STARTS:
            retry = run.job.retries + 1
            delay = retry_delay(retry, outcome.retry_after)
            metrics.JOBS_ENDED.add("retried")
            self.runs.postpone(run, delay, retry=True)
            _log.info("job_retried", reason=outcome.code, seconds=round(delay, 1), retry=retry)
        else:
            metrics.JOBS_ENDED.add("failed")
            self.runs.fail(run, Problem.of(outcome))
            self._release(run.job)
            _log.warning("job_failed", reason=outcome.code, retries=run.job.retries)

    def _release(self, job: Job) -> None:
        if job.wanted.target.is_document:
            self.release(job.id)


def _result_of(picture: Picture, key: str, url: str | None = None) -> JobResult:
    return JobResult(
        key,
        picture.content_type,
        picture.width,
        picture.height,
        len(picture.body),
        picture.captured_at.timestamp(),
        url,
        str(picture.notes),
        picture.captured_by,
    )
