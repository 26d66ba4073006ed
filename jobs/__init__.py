"""Work that outlives its request: job records in Redis, and the Celery queues that lead to the worker."""

from jobs.agenda import Agenda
from jobs.messages import (
    BULK,
    CAPTURE,
    CAPTURE_SITE,
    CAPTURE_SITES,
    DELIVER_WEBHOOK,
    INTERACTIVE,
    PRUNE,
    QUEUE_STATS,
    RECAPTURE,
    REFRESH,
    SWEEP_PURGED,
    TELL_CACHES,
    WEBHOOKS,
    TaskMessage,
)
from jobs.pictures import MAX_STARTS, JobPictures
from jobs.presenter import JobPresenter
from jobs.queue import JobQueue, celery_app
from jobs.records import Batch, Job, JobResult, Problem, State, WebhookProgress, WebhookState, ids_from, new_id
from jobs.redis_errors import redis_errors_translated, retry_while_unavailable
from jobs.retries import is_transient, was_not_attempted
from jobs.runs import Run, Runs
from jobs.scripts import KEEP_SECONDS
from jobs.store import JobStore
from jobs.workers import BEAT_MISSING_SECONDS, MISSING_SECONDS

__all__ = [
    "BEAT_MISSING_SECONDS",
    "BULK",
    "CAPTURE",
    "CAPTURE_SITE",
    "CAPTURE_SITES",
    "DELIVER_WEBHOOK",
    "INTERACTIVE",
    "KEEP_SECONDS",
    "MAX_STARTS",
    "MISSING_SECONDS",
    "PRUNE",
    "QUEUE_STATS",
    "RECAPTURE",
    "REFRESH",
    "SWEEP_PURGED",
    "TELL_CACHES",
    "WEBHOOKS",
    "Agenda",
    "Batch",
    "Job",
    "JobPictures",
    "JobPresenter",
    "JobQueue",
    "JobResult",
    "JobStore",
    "Problem",
    "Run",
    "Runs",
    "State",
    "TaskMessage",
    "WebhookProgress",
    "WebhookState",
    "celery_app",
    "ids_from",
    "is_transient",
    "new_id",
    "redis_errors_translated",
    "retry_while_unavailable",
    "was_not_attempted",
]
