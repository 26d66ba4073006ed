"""Sites with a history, written to the database as captures would write it, so that a page has something to show."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from sqlalchemy import insert, update
from sqlalchemy.orm import Session

from sites import Database, Region, Site, Status
from sites.models import SiteRow, VersionRow

CHANGED = Region(60, 120, 660, 300)


def capture(
    database: Database,
    site: Site,
    *changes: float,
    age: timedelta = timedelta(hours=3),
    size: tuple[int, int] = (1280, 720),
    colour: str = "#8899aa",
) -> None:
    """Give `site` its first version, and another one for each of `changes` (percent), the newest of `age`, days apart."""
    newest = datetime.now(UTC) - age
    shares = (0.0, *changes)

    def write(session: Session) -> None:
        for number, change in enumerate(shares, 1):
            at = newest - timedelta(days=len(shares) - number)
            session.add(VersionRow(**version(site.id, number, at, change, size, colour)))
        row = session.get(SiteRow, site.id)
        row.status = Status.READY
        row.picture_number = row.latest_number = len(shares)
        row.captured_at = row.changed_at = newest

    database.write(write)


def capture_all(database: Database, sites: Iterable[Site], age: timedelta) -> None:
    """Give each of `sites` its first version, a second before that of the site before it."""
    newest = datetime.now(UTC) - age
    times = {site.id: newest - timedelta(seconds=back) for back, site in enumerate(sites)}
    seen = {"status": Status.READY, "picture_number": 1, "latest_number": 1}

    def write(session: Session) -> None:
        session.execute(insert(VersionRow), [version(id_, 1, at, 0.0) for id_, at in times.items()])
        session.execute(
            update(SiteRow), [seen | {"id": id_, "captured_at": at, "changed_at": at} for id_, at in times.items()]
        )

    database.write(write)


def version(
    id_: int, number: int, at: datetime, change: float, size: tuple[int, int] = (1280, 720), colour: str = "#8899aa"
) -> dict[str, object]:
    """Return the columns of a version of the site `id_`."""
    left, top, width, height = CHANGED if number > 1 else (None, None, None, None)
    return {
        "site_id": id_,
        "number": number,
        "key": f"thumbs/{id_}-{number}",
        "content_type": "image/png",
        "width": size[0],
        "height": size[1],
        "size": 123_456,
        "captured_at": at,
        "seen_at": at,
        "change": change,
        "region_left": left,
        "region_top": top,
        "region_width": width,
        "region_height": height,
        "colour": colour,
    }


def fail(database: Database, site: Site, message: str, count: int = 1, age: timedelta = timedelta(days=3)) -> None:
    """Let the last `count` captures of `site` have failed, the first of them `age` ago."""

    def write(session):
        row = session.get(SiteRow, site.id)
        row.status = Status.FAILED
        row.failure_code, row.failure_message = "page_timeout", message
        row.failure_since, row.failure_count = datetime.now(UTC) - age, count
        row.due_at = datetime.now(UTC) + timedelta(hours=2, minutes=1)

    database.write(write)
