"""Work that outlives its request: job records in Redis, and the Celery queues that lead to the worker."""

from jobs.messages import (
    BULK,
    CAPTURE,
    DELIVER_WEBHOOK,
    INTERACTIVE,
    PRUNE,
    QUEUE_STATS,
    RECAPTURE,
    REFRESH,
    WEBHOOKS,
    TaskMessage,
)
from jobs.queue import JobQueue, celery_app
from jobs.records import Batch, Job, JobResult, Problem, State, WebhookProgress, WebhookState, ids_from, new_id
from jobs.redis_errors import retry_while_unavailable
from jobs.runs import Run, Runs
from jobs.scripts import KEEP_SECONDS
from jobs.store import JobStore

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
    "WEBHOOKS",
    "Batch",
    "Job",
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
    "new_id",
    "retry_while_unavailable",
]
