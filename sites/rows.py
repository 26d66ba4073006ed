"""Rows of the tables as frozen values, looked up by id."""

from collections.abc import Mapping
from types import MappingProxyType

from sqlalchemy import Select, and_, select
from sqlalchemy.orm import Session

from errors import NotFound, RevisionConflict
from sites.models import SiteRow, VersionRow
from sites.values import Failure, Region, Site, Status, Version

LARGEST_ID = 2**31 - 1  # of a column in PostgreSQL
_NO_OPTIONS: Mapping[str, str] = MappingProxyType({})


def with_picture() -> Select[SiteRow, VersionRow | None]:
    """Select sites, each with the version that is shown, if there is one."""
    shown = and_(VersionRow.site_id == SiteRow.id, VersionRow.number == SiteRow.picture_number)
    return select(SiteRow, VersionRow).outerjoin(VersionRow, shown)


def find_site(session: Session, id_: int) -> Site:
    """Return a site. Raises NotFound."""
    require_id(id_)
    found = session.execute(with_picture().where(SiteRow.id == id_)).one_or_none()
    if found is None:
        raise no_such_site()
    row, picture = found
    return to_site(row, picture)


def find_version(session: Session, site_id: int, number: int | None = None) -> Version | None:
    """Return a version of a site, without a number the one that is shown, if there is one. Raises NotFound."""
    if number is None:
        return find_site(session, site_id).picture
    require_id(site_id)
    query = select(VersionRow).where(VersionRow.site_id == site_id, VersionRow.number == number)
    row = session.scalar(query) if number <= LARGEST_ID else None
    if row is None:
        raise NotFound("the site has no version of this number; it may have been removed")
    return to_version(row)


def require_id(id_: int) -> None:
    """Raise NotFound for a number that is the id of no site, which PostgreSQL would not even compare."""
    if not 0 < id_ <= LARGEST_ID:
        raise no_such_site()


def require_revision(row: SiteRow, revision: int | None) -> None:
    """Raise RevisionConflict if the site no longer has `revision`; None if any will do."""
    if revision is not None and row.revision != revision:
        raise RevisionConflict("the site was changed since you read it; read it again, then repeat your change")


def no_such_site() -> NotFound:
    return NotFound("no site has this id; it may have been removed")


def to_site(row: SiteRow, picture: VersionRow | None) -> Site:
    return Site(
        id=row.id,
        url=row.url,
        title=row.title,
        note=row.note,
        tags=tuple(each.tag for each in row.tags),
        options=MappingProxyType(dict(row.options)) if row.options else _NO_OPTIONS,
        schedule=row.schedule,
        keep=row.keep,
        paused=row.paused,
        status=Status(row.status),
        failure=_failure(row),
        created_at=row.created_at,
        updated_at=row.updated_at,
        captured_at=row.captured_at,
        changed_at=row.changed_at,
        due_at=row.due_at,
        picture=to_version(picture) if picture else None,
        pinned=row.pinned,
        uploaded=row.uploaded,
        revision=row.revision,
    )


def to_version(row: VersionRow) -> Version:
    return Version(
        site_id=row.site_id,
        number=row.number,
        key=row.key,
        content_type=row.content_type,
        width=row.width,
        height=row.height,
        size=row.size,
        captured_at=row.captured_at,
        seen_at=row.seen_at,
        change=row.change,
        region=_region(row),
        colour=row.colour,
        uploaded=row.uploaded,
        captured_by=row.captured_by,
    )


def _failure(row: SiteRow) -> Failure | None:
    if row.failure_code is None or row.failure_since is None:
        return None
    return Failure(row.failure_code, row.failure_message or "", row.failure_since, row.failure_count)


def _region(row: VersionRow) -> Region | None:
    left, top, width, height = row.region_left, row.region_top, row.region_width, row.region_height
    if left is None or top is None or width is None or height is None:
        return None
    return Region(left, top, width, height)
