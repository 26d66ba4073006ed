"""How much the catalogue holds."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from sites.database import Database
from sites.models import SiteRow, VersionRow


@dataclass(frozen=True, slots=True)
class Census:
    """How many versions of sites there are, how many of them people have uploaded, and the bytes of their pictures."""

    versions: int
    uploaded: int
    picture_bytes: int


def take_census(database: Database) -> Census:
    """Count what is kept. Raises DatabaseUnavailable."""
    uploaded = func.count().filter(VersionRow.uploaded)
    query = select(func.count(), uploaded, func.coalesce(func.sum(VersionRow.size), 0)).select_from(VersionRow)

    def work(session: Session) -> Census:
        versions, uploads, size = session.execute(query).one()
        return Census(int(versions), int(uploads), int(size))

    return database.read(work)


def count_due(database: Database) -> int:
    """Count the sites that are due for a capture. Raises DatabaseUnavailable, after two seconds at PostgreSQL."""
    query = select(func.count()).select_from(SiteRow)

    def work(session: Session) -> int:
        if not database.is_sqlite:
            session.execute(text("SET LOCAL statement_timeout = 2000"))
        due = query.where(SiteRow.due_at <= datetime.now(UTC), SiteRow.paused.is_(False))
        return int(session.scalar(due) or 0)

    return database.read(work)
