"""What deliveries need to know of a message: where it goes, what it says, and where the outcome is kept."""

from dataclasses import dataclass
from typing import Protocol

from jobs import TaskMessage, WebhookProgress
from telemetry.origin import UNKNOWN, Origin


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message that awaits an attempt: `body` is JSON text, `id` is the same in every attempt, `origin` what it is about."""

    id: str
    url: str
    body: str
    origin: Origin = UNKNOWN
    request_id: str = ""


class Outbox(Protocol):
    """Messages of one kind. Each method raises QueueUnavailable."""

    def awaiting(self, message: TaskMessage) -> Outgoing | None:
        """Return the message if it awaits this very attempt."""

    def record(
        self, message: TaskMessage, progress: WebhookProgress, following: TaskMessage | None, seconds: float
    ) -> None:
        """Store the outcome of an attempt, take it off the agenda, and schedule the next one in `seconds`."""
