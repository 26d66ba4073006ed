"""Work that outlives its request: job records in Redis, and the Celery queues that lead to the worker."""

from jobs.queue import JobQueue, celery_app
from jobs.record import (
    BULK,
    CAPTURE,
    DELIVER_WEBHOOK,
    INTERACTIVE,
    PRUNE,
    QUEUE_STATS,
    RECAPTURE,
    REFRESH,
    Batch,
    Errand,
    Job,
    JobResult,
    Problem,
    QueueStats,
    State,
    new_id,
)
from jobs.store import KEEP_SECONDS, JobStore, Run

__all__ = [
    "BULK",
    "CAPTURE",
    "DELIVER_WEBHOOK",
    "INTERACTIVE",
    "KEEP_SECONDS",
    "PRUNE",
    "QUEUE_STATS",
    "RECAPTURE",
    "REFRESH",
    "Batch",
    "Errand",
    "Job",
    "JobQueue",
    "JobResult",
    "JobStore",
    "Problem",
    "QueueStats",
    "Run",
    "State",
    "celery_app",
    "new_id",
]
