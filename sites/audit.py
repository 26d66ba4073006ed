"""The audit log: what admins did, and who tried to become one."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from sites.database import Database
from sites.models import AuditRow
from sites.rows import LARGEST_ID

KEPT = timedelta(days=365)
_MOST_TEXT = 500


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """`who`, at the address `client`, did `action` to `subject`. Ids grow with time."""

    id: int
    at: datetime
    who: str
    client: str
    action: str
    subject: str
    detail: str


class AuditLog:
    """Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database = database
        self._now = now

    def record(self, who: str, client: str, action: str, subject: str = "", detail: str = "") -> None:
        """Add an entry, and remove those of more than a year ago."""
        now = self._now()

        def work(session: Session) -> None:
            session.execute(delete(AuditRow).where(AuditRow.at < now - KEPT))
            session.add(
                AuditRow(
                    at=now,
                    who=who[:_MOST_TEXT],
                    client=client,
                    action=action,
                    subject=subject[:_MOST_TEXT],
                    detail=detail[:_MOST_TEXT],
                )
            )

        self._database.write(work)

    def entries(self, before: int | None = None, limit: int = 50) -> list[AuditEntry]:
        """Return entries, the newest first, of ids below `before`."""
        query = select(AuditRow).order_by(AuditRow.id.desc()).limit(limit)
        if before is not None:
            query = query.where(AuditRow.id < min(max(before, 0), LARGEST_ID))

        def work(session: Session) -> list[AuditEntry]:
            return [
                AuditEntry(row.id, row.at, row.who, row.client, row.action, row.subject, row.detail)
                for row in session.scalars(query)
            ]

        return self._database.read(work)
