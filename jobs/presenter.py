"""Describes jobs for callers: `GET /jobs/{id}` and webhooks show the same. Knows no HTTP."""

import threading
import time
from collections.abc import Sequence
from dataclasses import asdict

from cachetools import TTLCache

from jobs.records import Batch, Job, State, timestamp
from jobs.scripts import KEEP_SECONDS
from storage import PictureStorage

PRESIGNED_SECONDS = 600.0  # how long a signed URL is reused; the credentials that signed it may expire


class JobPresenter:
    def __init__(self, storage: PictureStorage, public_url: str | None) -> None:
        """`public_url` is the service's base URL, if the operator has set it."""
        self._storage = storage
        self._public_url = public_url
        # Signing takes a millisecond, and clients poll batches. A reused URL keeps its original expiry.
        self._presigned: TTLCache[str, str] = TTLCache(4096, PRESIGNED_SECONDS)
        self._lock = threading.Lock()

    def describe(self, job: Job, base_url: str = "") -> dict[str, object]:
        """Describe `job`. `base_url` is used if no public URL is set; without either, URLs are paths."""
        return {
            "job_id": job.id,
            "status": job.state,
            "image_url": self._image_url(job, base_url),
            # The caller's own page becomes public by this URL, which is said aloud.
            **({"private_content": True} if job.persist and job.wanted.owner else {}),
            "error": job.problem.members if job.problem else None,
            "retries": job.retries,
            "webhook": asdict(job.webhook) if job.webhook else None,
            "created_at": timestamp(job.created_at),
            "completed_at": timestamp(job.completed_at) if job.completed_at else None,
            **({"captured_by": job.result.captured_by} if job.result and job.result.captured_by else {}),
            **({"page_status": job.result.page_status} if job.result and job.result.page_status else {}),
        }

    def describe_batch(self, batch: Batch, jobs: Sequence[Job], base_url: str = "") -> dict[str, object]:
        """Describe a batch by those of its jobs whose records still exist."""
        return {
            "batch_id": batch.id,
            "status": _batch_state(batch, jobs),
            **{state.value: sum(job.state is state for job in jobs) for state in State},
            "created_at": timestamp(batch.created_at),
            "jobs": [self.describe(job, base_url) for job in jobs],
        }

    def _image_url(self, job: Job, base_url: str) -> str | None:
        """Return a permanent URL if the picture was persisted, else one that lasts as long as the job's record."""
        if job.result is None:
            return None
        url = job.result.url or self._temporary_url(job, job.result.key)
        return (self._public_url or base_url) + url if url.startswith("/") else url

    def _temporary_url(self, job: Job, key: str) -> str:
        with self._lock:
            url = self._presigned.get(key)
        if url is None:
            left = (job.completed_at or 0) + KEEP_SECONDS - time.time()
            url = self._storage.presign(key, max(int(left), 1)) or f"/jobs/{job.id}/image"
            with self._lock:
                self._presigned[key] = url
        return url


def _batch_state(batch: Batch, jobs: Sequence[Job]) -> State:
    """Sum up a batch: pending until a job has begun; once all have ended, failed if one failed."""
    if all(job.state.ended for job in jobs):
        return State.FAILED if any(job.state is State.FAILED for job in jobs) else State.COMPLETED
    some_removed = len(jobs) < len(batch.jobs)  # they ended long ago
    return State.PROCESSING if some_removed or any(job.begun for job in jobs) else State.PENDING
