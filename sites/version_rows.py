"""Versions as rows: how one is found, stored and added. Shared by what records captures and what people choose."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

import images
from images import CpuPool
from model import Picture
from sites.database import Database
from sites.models import SiteRow, VersionRow
from sites.retention import note_needed, note_stored
from sites.rows import no_such_site, require_id, to_site
from sites.values import Site, Version
from storage import PictureStorage, site_key


@dataclass(frozen=True, slots=True)
class VersionStore:
    """Where versions are: their rows in a database, and their pictures in a storage.

    `changed` is called with a site that may show another version now, and with the versions that were removed.
    """

    database: Database
    storage: PictureStorage
    cpu: CpuPool
    changed: Callable[[int, Sequence[int]], object] = lambda _site_id, _removed: None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def store(self, site_id: int, picture: Picture) -> Version:
        """Store a picture, and return the version that it becomes, without its number.

        Raises DatabaseUnavailable, StorageUnavailable or StorageFull. Without `add_version`, it is removed again later.
        """
        key = site_key(picture, site_id)[0]
        self.database.write(lambda session: note_stored(session, key, self.now()))
        self.storage.put_for_site(picture, site_id)
        pixels = images.pixels_decoding(picture.body)
        colour = self.cpu.run(lambda: images.mean_colour(picture.body, picture.pixels), pixels=pixels) if pixels else ""
        return Version(
            site_id,
            0,
            key,
            picture.content_type,
            picture.width,
            picture.height,
            len(picture.body),
            picture.captured_at,
            picture.captured_at,
            colour=colour,
            captured_by=picture.captured_by,
        )


def find_row(session: Session, site_id: int) -> SiteRow:
    """Return the row of a site, and let no other transaction change it meanwhile. Raises NotFound."""
    require_id(site_id)
    row = session.get(SiteRow, site_id, with_for_update=True)
    if row is None:
        raise no_such_site()
    return row


def version_query(site_id: int, number: int | None) -> Select[VersionRow]:
    return select(VersionRow).where(VersionRow.site_id == site_id, VersionRow.number == number)


def site_of(session: Session, row: SiteRow) -> Site:
    session.flush()
    return to_site(row, session.scalar(version_query(row.id, row.picture_number)))


def add_version(session: Session, row: SiteRow, draft: Version) -> VersionRow:
    number = session.scalar(select(func.max(VersionRow.number)).where(VersionRow.site_id == row.id)) or 0
    left, top, width, height = draft.region or (None,) * 4
    version = VersionRow(
        site_id=row.id,
        number=number + 1,
        key=draft.key,
        content_type=draft.content_type,
        width=draft.width,
        height=draft.height,
        size=draft.size,
        captured_at=draft.captured_at,
        seen_at=draft.seen_at,
        change=draft.change,
        region_left=left,
        region_top=top,
        region_width=width,
        region_height=height,
        colour=draft.colour,
        uploaded=draft.uploaded,
        captured_by=draft.captured_by,
    )
    session.add(version)
    note_needed(session, draft.key)
    session.flush()
    return version
