"""The pictures of jobs: how one is taken, and what becomes of a job by that."""

from dataclasses import dataclass, replace

import structlog

from errors import OverCapacity, ThumbnailError
from jobs.messages import BULK
from jobs.records import Job, JobResult, Problem
from jobs.retries import MAX_RETRIES, is_transient, postpone_delay, retry_delay, was_not_attempted
from jobs.runs import Run, Runs
from model import Picture
from storage import PictureStorage
from thumbnails import Ask, Thumbnailer

MAX_STARTS = 3  # of one turn; a page that kills its worker each time is given up
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class JobPictures:
    thumbnailer: Thumbnailer
    storage: PictureStorage
    runs: Runs

    def capture(self, job: Job) -> JobResult:
        """Take the picture and store it, for a day or for good. Raises ThumbnailError.

        Whoever waits for one picture is a visitor, and counted as one; a batch takes what visitors leave.
        """
        wanted = replace(job.wanted, delivery=replace(job.wanted.delivery, background=job.queue == BULK))
        if job.tried_at is not None:
            self.thumbnailer.forget_failure(wanted, job.tried_at)
        ask = Ask(wanted, request_id=job.request_id)
        if job.persist:
            persisted = self.thumbnailer.persist(ask, stale_ok=False)
            return _result_of(persisted.picture, persisted.stored.key, persisted.stored.url)
        picture = self.thumbnailer.get(ask, stale_ok=False).picture
        return _result_of(picture, self.storage.put_for_job(picture, job.id))

    def record_outcome(self, run: Run, outcome: JobResult | ThumbnailError) -> None:
        """Write down what came out: an end, or another turn later. Raises QueueUnavailable."""
        if isinstance(outcome, JobResult):
            kept = self.runs.complete(run, outcome)
            _log.info("job_completed" if kept else "job_taken_over", turn=run.message.turn)
        elif was_not_attempted(outcome) or (isinstance(outcome, OverCapacity) and run.job.queue == BULK):
            # To make room for visitors is no failure.
            self.runs.postpone(run, postpone_delay(outcome), retry=False)
        elif run.job.retries < MAX_RETRIES and is_transient(outcome) and run.starts <= MAX_STARTS:
            self._retry(run, outcome)
        else:
            self.runs.fail(run, Problem.of(outcome))
            _log.warning("job_failed", reason=outcome.code, retries=run.job.retries)

    def _retry(self, run: Run, failure: ThumbnailError) -> None:
        pause = retry_delay(run.job.retries + 1, failure.retry_after)
        self.runs.postpone(run, pause, retry=True)
        _log.info("job_retried", reason=failure.code, seconds=round(pause, 1), retry=run.job.retries + 1)


def _result_of(picture: Picture, key: str, url: str | None = None) -> JobResult:
    captured_at = picture.captured_at.timestamp()
    return JobResult(key, picture.content_type, picture.width, picture.height, len(picture.body), captured_at, url)
