"""Sites with a history, written to the database as captures would write it, so that a page has something to show."""

from datetime import UTC, datetime, timedelta

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

    def write(session):
        for number, change in enumerate(shares, 1):
            at = newest - timedelta(days=len(shares) - number)
            left, top, width, height = CHANGED if number > 1 else (None, None, None, None)
            session.add(
                VersionRow(
                    site_id=site.id,
                    number=number,
                    key=f"thumbs/{site.id}-{number}",
                    content_type="image/png",
                    width=size[0],
                    height=size[1],
                    size=123_456,
                    captured_at=at,
                    seen_at=at,
                    change=change,
                    region_left=left,
                    region_top=top,
                    region_width=width,
                    region_height=height,
                    colour=colour,
                )
            )
        row = session.get(SiteRow, site.id)
        row.status = Status.READY
        row.picture_number = row.latest_number = len(shares)
        row.captured_at = row.changed_at = newest

    database.write(write)


def fail(database: Database, site: Site, message: str, count: int = 1, age: timedelta = timedelta(days=3)) -> None:
    """Let the last `count` captures of `site` have failed, the first of them `age` ago."""

    def write(session):
        row = session.get(SiteRow, site.id)
        row.status = Status.FAILED
        row.failure_code, row.failure_message = "page_timeout", message
        row.failure_since, row.failure_count = datetime.now(UTC) - age, count
        row.due_at = datetime.now(UTC) + timedelta(hours=2, minutes=1)

    database.write(write)
