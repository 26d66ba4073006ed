"""Messages to the worker, and the names of its tasks and queues."""

from dataclasses import dataclass
from typing import Self

# The names of Celery's tasks and queues, shared by the web process and the worker.
SWEEP_PURGED, TELL_CACHES = "sweep_purged", "tell_caches"
CAPTURE, DELIVER_WEBHOOK, PRUNE, REFRESH = "capture", "deliver_webhook", "prune", "refresh"
RECAPTURE, QUEUE_STATS = "recapture", "queue_stats"
CAPTURE_SITES, CAPTURE_SITE = "capture_sites", "capture_site"
INTERACTIVE, BULK, WEBHOOKS = "interactive", "bulk", "webhooks"
QUEUES = (INTERACTIVE, BULK, WEBHOOKS)  # the first is emptied first


@dataclass(frozen=True, slots=True)
class TaskMessage:
    """One message to the worker: do `task` for `subject`, which is a job's id, a viewed page, or a claim on a site.

    `turn` numbers the messages for a subject, so that an old or doubled message is recognised.
    """

    task: str
    queue: str
    subject: str
    turn: int = 1

    def __str__(self) -> str:
        return f"{self.task} {self.queue} {self.subject} {self.turn}"

    @classmethod
    def parse(cls, text: str) -> Self:
        task, queue, subject, turn = text.split(" ")
        return cls(task, queue, subject, int(turn))
