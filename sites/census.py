"""How much the catalogue holds."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from sites.database import Database
from sites.models import VersionRow


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
