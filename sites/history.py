"""How sites looked: their versions, what changed between them, and which one is shown. Captures nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session, aliased

import images
from errors import InvalidOption
from model import Picture
from options import Target
from sites.models import SiteRow, SiteTag, VersionRow
from sites.retention import remove_old_versions
from sites.rows import (
    LARGEST_ID,
    find_site,
    find_version,
    no_such_site,
    require_id,
    require_revision,
    to_site,
    to_version,
)
from sites.values import Region, Site, Version
from sites.version_rows import VersionStore, add_version, find_row, site_of
from urls import locate

MOST_VERSIONS = 100  # of a page of them


@dataclass(frozen=True, slots=True)
class Difference:
    """How two versions differ: the share of the picture in percent, the region, and a drawing of it (PNG)."""

    share: float
    region: Region | None
    picture: bytes


@dataclass(frozen=True, slots=True)
class Changed:
    """A version that differs from the one before, with its site. `previous` is the number of that one, if it is kept."""

    site: Site
    version: Version
    previous: int | None = None


class History:
    """Every method raises DatabaseUnavailable; those that read or store pictures StorageUnavailable too."""

    def __init__(self, versions: VersionStore, require_shown: Callable[[Target], object] = lambda _: None) -> None:
        """`require_shown` raises TakenDown for a page that is shown to nobody."""
        self._versions = versions
        self._require_shown = require_shown
        self._database = versions.database
        self._now = versions.now

    def versions(self, site_id: int, before: int | None = None, limit: int = 50) -> list[Version]:
        """Return versions of a site, the newest first; those `before` a number. Raises NotFound for an unknown site."""
        query = select(VersionRow).where(VersionRow.site_id == site_id).order_by(VersionRow.number.desc())
        if before is not None:
            query = query.where(VersionRow.number < min(before, LARGEST_ID))
        query = query.limit(max(1, min(limit, MOST_VERSIONS)))

        def work(session: Session) -> list[Version]:
            require_id(site_id)
            if session.get(SiteRow, site_id) is None:
                raise no_such_site()
            return [to_version(row) for row in session.scalars(query)]

        return self._database.read(work)

    def version(self, site_id: int, number: int) -> Version:
        """Return a version of a site. Raises NotFound."""
        found = self._database.read(lambda session: find_version(session, site_id, number))
        if found is None:
            raise no_such_site()
        return found

    def difference(self, site_id: int, old: int, new: int) -> Difference:
        """Compare two versions of a site. Raises NotFound, TakenDown, and InvalidOption for versions that are no pictures."""
        self._require_shown(locate(self._database.read(lambda session: find_site(session, site_id)).url))
        before, after = self.version(site_id, old), self.version(site_id, new)
        if "application/pdf" in (before.content_type, after.content_type):
            raise InvalidOption("must be pictures; a PDF has no difference picture", field="from, to")
        bodies = self._versions.storage.read(before.key)[0], self._versions.storage.read(after.key)[0]

        def work() -> tuple[images.Change, bytes]:
            return images.compare(*bodies), images.draw_difference(*bodies)

        try:
            change, drawn = self._versions.cpu.run(work, pixels=images.pixels_compared(*bodies))
        except images.NotAPicture:  # such as one that was stored when pictures might have more pixels
            raise InvalidOption("must be pictures that can be decoded", field="from, to") from None
        return Difference(change.share, change.region and Region(*change.region), drawn)

    def changes(self, tags: Sequence[str] = (), limit: int = 50) -> list[Changed]:
        """Return the last versions that differ from the one before, of sites that have all `tags`, the newest first."""
        older = aliased(VersionRow)
        previous = (
            select(func.max(older.number))
            .where(older.site_id == VersionRow.site_id, older.number < VersionRow.number, older.uploaded.is_(False))
            .scalar_subquery()
        )
        query = (
            select(SiteRow, VersionRow, previous)
            .join(VersionRow, VersionRow.site_id == SiteRow.id)
            .where(VersionRow.change > 0, VersionRow.uploaded.is_(False))
            .order_by(VersionRow.captured_at.desc(), VersionRow.id.desc())
            .limit(max(1, min(limit, MOST_VERSIONS)))
        )
        for tag in tags:
            query = query.where(exists().where(SiteTag.site_id == SiteRow.id, SiteTag.tag == tag.lower()))
        return self._database.read(
            lambda session: [
                Changed(to_site(row, None), to_version(version), number)
                for row, version, number in session.execute(query)
            ]
        )

    def pin(self, site_id: int, number: int | None, revision: int | None = None) -> Site:
        """Show a certain version of a site, also after it changes; None shows the last capture again.

        Raises NotFound, and RevisionConflict if the site no longer has `revision`.
        """

        def choose(session: Session, row: SiteRow) -> None:
            if number is not None:
                find_version(session, site_id, number)
            row.picture_number = row.latest_number if number is None else number
            row.pinned, row.uploaded = number is not None, False

        return self._show(site_id, choose, revision)

    def upload(self, site_id: int, picture: Picture, revision: int | None = None) -> Site:
        """Show `picture`, which has been decoded, in place of what is captured. Raises as `pin`, and StorageFull."""
        self._database.read(lambda session: find_row(session, site_id).id)
        draft = replace(self._versions.store(site_id, picture), uploaded=True)

        def choose(session: Session, row: SiteRow) -> None:
            row.picture_number = add_version(session, row, draft).number
            row.pinned, row.uploaded = False, True

        return self._show(site_id, choose, revision)

    def _show(self, site_id: int, choose: Callable[[Session, SiteRow], None], revision: int | None) -> Site:
        """Have another version shown, as `choose` says, and return the site."""

        def work(session: Session) -> tuple[Site, list[int]]:
            row = find_row(session, site_id)
            require_revision(row, revision)
            choose(session, row)
            row.updated_at, row.revision = self._now(), row.revision + 1
            removed = remove_old_versions(session, row, self._now())
            return site_of(session, row), removed

        site, removed = self._database.write(work)
        self._versions.changed(site_id, removed)
        return site
