"""What the worker is asked to do: the names of tasks and queues, and the messages."""

from dataclasses import dataclass
from typing import Self

from coordination import keys

# The names of Celery's tasks and queues, known to those who enqueue and to the worker.
CAPTURE, DELIVER_WEBHOOK, PRUNE, REFRESH = "capture", "deliver_webhook", "prune", "refresh"
RECAPTURE, QUEUE_STATS = "recapture", "queue_stats"
INTERACTIVE, BULK, WEBHOOKS = "interactive", "bulk", "webhooks"
QUEUES = (INTERACTIVE, BULK, WEBHOOKS)  # the first is emptied first
KEYPREFIX = keys.CELERY  # of the queues, which are lists of messages, in Redis


@dataclass(frozen=True, slots=True)
class TaskMessage:
    """One message to the worker: `task` is to be done for `subject`, a job's id or whatever the task knows.

    `turn` tells one message for a subject from the next, so that a message that comes twice is known by it.
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
