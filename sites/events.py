"""Messages about captures, until the queue of webhooks has them.

A message is written in the transaction that records its capture, so a process that is killed afterwards loses none.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from sites.database import Database
from sites.models import SiteEventRow

OVERDUE = timedelta(seconds=30)  # longer than it takes to queue a message after its capture
MOST = 500  # messages of one look


@dataclass(frozen=True, slots=True)
class SiteEvent:
    """A message about a capture: `body` is JSON text, and `id` the same however often it is queued."""

    id: str
    body: str


class SiteEvents:
    """Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database = database
        self._now = now

    def overdue(self) -> Sequence[SiteEvent]:
        """Return messages that were not queued when their capture was recorded, the oldest first."""
        query = (
            select(SiteEventRow).where(SiteEventRow.at < self._now() - OVERDUE).order_by(SiteEventRow.at).limit(MOST)
        )
        return self._database.read(lambda session: [SiteEvent(row.id, row.body) for row in session.scalars(query)])

    def remove(self, events: Iterable[SiteEvent]) -> None:
        """Remove messages that have been queued."""
        statement = delete(SiteEventRow).where(SiteEventRow.id.in_([event.id for event in events]))
        self._database.write(lambda session: session.execute(statement))


def note_events(session: Session, events: Iterable[SiteEvent], at: datetime) -> None:
    session.add_all(SiteEventRow(id=event.id, body=event.body, at=at) for event in events)
