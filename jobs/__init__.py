"""Work that outlives its request: job records in Redis, and the Celery queues that lead to the worker."""

from jobs.queue import JobQueue, celery_app
from jobs.receivers import Line, Receivers
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
    WebhookProgress,
    WebhookState,
    new_id,
)
from jobs.store import KEEP_SECONDS, JobStore, Run, insist

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
    "Line",
    "Problem",
    "QueueStats",
    "Receivers",
    "Run",
    "State",
    "WebhookProgress",
    "WebhookState",
    "celery_app",
    "insist",
    "new_id",
]
