"""Which versions of a site go, and the removal of pictures that no version needs from the storage.

A picture is noted as removed in the transaction that removes its last version, and before one is stored whose version
is not yet recorded. So a process may be killed at any moment, and the storage may fail: a later sweep removes it.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session

from errors import StorageUnavailable
from sites.database import Database
from sites.models import RemovedPicture, SiteRow, VersionRow
from sites.schedules import Keep
from storage import PictureStorage

GRACE = timedelta(minutes=10)  # longer than it takes to store a picture and to record its version
REMOVAL = timedelta(minutes=2)  # longer than a call to the storage takes; else its process was killed
_log = structlog.get_logger()


def note_removed(session: Session, keys: Iterable[str], at: datetime) -> None:
    """Note pictures that no version may need from now on."""
    for key in keys:
        if (noted := session.get(RemovedPicture, key, with_for_update=True)) is not None:
            noted.at = at
        else:
            session.add(RemovedPicture(key=key, at=at))
    session.flush()


def note_stored(session: Session, key: str, at: datetime) -> None:
    """Note a picture that is about to be stored, whose version is not recorded yet.

    Raises StorageUnavailable while a sweep removes the same picture, or it could do so after it was stored.
    """
    noted = session.get(RemovedPicture, key, with_for_update=True)
    if noted is not None and noted.removing_at is not None and noted.removing_at > at - REMOVAL:
        raise StorageUnavailable("an old picture that looks the same is being removed; try again in a few seconds")
    note_removed(session, [key], at)


def note_needed(session: Session, key: str) -> None:
    """Undo the note of a picture that a version needs now."""
    session.execute(delete(RemovedPicture).where(RemovedPicture.key == key))


def note_all_removed(session: Session, site_id: int, at: datetime) -> None:
    """Note all pictures of a site that is about to be removed."""
    note_removed(session, set(session.scalars(select(VersionRow.key).where(VersionRow.site_id == site_id))), at)


def remove_old_versions(session: Session, row: SiteRow, now: datetime) -> list[int]:
    """Remove the versions that the site no longer keeps, and return their numbers.

    The newest one, the last one that was captured, and the one that is shown stay in any case.
    """
    keep = Keep.parse(row.keep)
    versions = list(
        session.scalars(select(VersionRow).where(VersionRow.site_id == row.id).order_by(VersionRow.number.desc()))
    )
    shown = {row.picture_number, row.latest_number, versions[0].number if versions else None}
    if keep.versions is not None:
        old = versions[keep.versions :]
    elif keep.days is not None:
        old = [version for version in versions if version.seen_at < now - timedelta(days=keep.days)]
    else:
        old = []
    gone = [version for version in old if version.number not in shown]
    for version in gone:
        session.delete(version)
    session.flush()
    needed = {version.key for version in versions if version not in gone}
    note_removed(session, {version.key for version in gone} - needed, now)
    return [version.number for version in gone]


class Sweeper:
    """Removes pictures from the storage."""

    def __init__(
        self, database: Database, storage: PictureStorage, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._database = database
        self._storage = storage
        self._now = now

    def sweep(self, most: int = 1000) -> int:
        """Remove up to `most` pictures that no version has needed for ten minutes, and return their count.

        Raises DatabaseUnavailable and StorageUnavailable.
        """
        limit = self._now() - GRACE
        query = select(RemovedPicture.key).where(RemovedPicture.at < limit).order_by(RemovedPicture.at).limit(most)
        keys = self._database.read(lambda session: list(session.scalars(query)))
        count = sum(self._remove(key, limit) for key in keys)
        if count:
            _log.info("site_pictures_removed", count=count)
        return count

    def _remove(self, key: str, limit: datetime) -> bool:
        """Remove one picture, unless it is needed again.

        No transaction is open while the storage works: it may take long, and SQLite has one writer at a time.
        """
        began = self._now()
        if not self._database.write(lambda session: _begin_removal(session, key, limit, began)):
            return False
        self._storage.remove(key)
        done = delete(RemovedPicture).where(RemovedPicture.key == key, RemovedPicture.removing_at == began)
        self._database.write(lambda session: session.execute(done))
        return True


def _begin_removal(session: Session, key: str, limit: datetime, now: datetime) -> bool:
    """Note that a picture is being removed, unless it is needed again: see `note_stored`."""
    noted = session.get(RemovedPicture, key, with_for_update=True)
    if noted is None or noted.at >= limit:
        return False
    if session.scalar(select(exists().where(VersionRow.key == key))):
        session.delete(noted)
        return False
    noted.removing_at = now
    return True
