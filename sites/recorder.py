"""Records captures: a new version where a site differs visibly from the one before, and failures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

import images
from errors import NotFound, ThumbnailError
from model import Picture
from sites.claims import Claim
from sites.events import SiteEvent, note_events
from sites.models import SiteRow, VersionRow
from sites.retention import remove_old_versions
from sites.rows import to_version
from sites.schedules import TRIES, Schedule
from sites.values import Region, Site, Status, Version
from sites.version_rows import VersionStore, add_version, site_of, version_query
from storage import site_key


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a capture came to: the site after it, the version that it shows, and the one before if it `changed`.

    `failed` says that the site counts as failed from now on, `recovered` that it did until now. `events` are the messages
    about it, which the database keeps until they are queued.
    """

    site: Site
    version: Version | None = None
    previous: Version | None = None
    changed: bool = False
    failed: bool = False
    recovered: bool = False
    events: tuple[SiteEvent, ...] = ()


Announce = Callable[[Recorded], Sequence[SiteEvent]]


class Recorder:
    """Every method raises DatabaseUnavailable."""

    def __init__(self, versions: VersionStore, announce: Announce = lambda _recorded: ()) -> None:
        """`announce` writes the messages about the outcome of a capture."""
        self._announce = announce
        self._versions = versions
        self._database = versions.database
        self._now = versions.now

    def record(self, claim: Claim, site: Site, picture: Picture) -> Recorded | None:
        """Record a capture of `site`: a new version if it differs visibly, else one that was seen again.

        None if the site was removed, or its URL or options changed during the capture. Raises StorageFull too.
        """
        latest = self._latest(site.id)
        change = self._compare(site, latest, picture)
        if latest is not None and not change.share:
            return self._record_same(claim, site, picture, latest)
        draft = self._versions.store(site.id, picture)
        number = latest.number if latest else None
        draft = replace(draft, change=change.share if latest else 0.0, region=change.region and Region(*change.region))

        def work(session: Session) -> tuple[Recorded, list[int]] | None:
            row = _row_of(session, site)
            if row is None or row.latest_number != number:
                return None
            version = add_version(session, row, draft)
            row.latest_number = version.number
            if not row.pinned and not row.uploaded:
                row.picture_number = version.number
            if latest is not None:
                row.changed_at = picture.captured_at
            recovered = self._succeed(row, claim, picture.captured_at)
            removed = remove_old_versions(session, row, self._now())
            after = site_of(session, row)
            recorded = Recorded(after, to_version(version), latest, latest is not None, recovered=recovered)
            return self._with_events(session, recorded), removed

        return self._tell(site.id, self._database.write(work))

    def record_failure(self, claim: Claim, site: Site, err: ThumbnailError, *, transient: bool) -> Recorded | None:
        """Record that `site` could not be captured; its last good picture stays. None as for `record`."""

        def work(session: Session) -> Recorded | None:
            row = _row_of(session, site)
            if row is None:
                return None
            now, schedule = self._now(), Schedule.parse(row.schedule)
            row.failure_code, row.failure_message = err.code, err.detail
            row.failure_count, row.starts = row.failure_count + 1, 0
            if schedule.backs_off(row.failure_count):
                row.failure_message += f"; after {row.failure_count} failures in a row, captured once a week"
            row.failure_since = row.failure_since or now
            failed = row.status != Status.FAILED and (not transient or row.failure_count >= TRIES)
            if failed:
                row.status = Status.FAILED
            if row.due_at == claim.due_at:
                row.due_at = schedule.after_failure(row.failure_count, now, transient=transient)
                row.claimed_at = None
            session.flush()
            return self._with_events(session, Recorded(site_of(session, row), failed=failed))

        return self._database.write(work)

    def _record_same(self, claim: Claim, site: Site, picture: Picture, latest: Version) -> Recorded | None:
        def work(session: Session) -> tuple[Recorded, list[int]] | None:
            row = _row_of(session, site)
            version = session.scalar(version_query(site.id, latest.number))
            if row is None or version is None:
                return None
            version.seen_at = max(version.seen_at, picture.captured_at)
            recovered = self._succeed(row, claim, picture.captured_at)
            removed = remove_old_versions(session, row, self._now())
            recorded = Recorded(site_of(session, row), to_version(version), recovered=recovered)
            return self._with_events(session, recorded), removed

        return self._tell(site.id, self._database.write(work))

    def _succeed(self, row: SiteRow, claim: Claim, captured_at: datetime) -> bool:
        """Note a good capture, and when the next one is due. Return whether the site had failed."""
        recovered = row.status == Status.FAILED
        row.status = Status.READY
        row.failure_code = row.failure_message = row.failure_since = None
        row.failure_count = row.starts = 0
        row.captured_at = max(row.captured_at or captured_at, captured_at)
        if row.due_at == claim.due_at:  # else somebody has asked for another capture meanwhile
            schedule, now = Schedule.parse(row.schedule), self._now()
            due = schedule.next_due(captured_at)
            row.due_at = due if due is None or due > now else schedule.next_due(now)
            row.claimed_at = None
        return recovered

    def _with_events(self, session: Session, recorded: Recorded) -> Recorded:
        """Keep the messages about a capture in the transaction that records it."""
        events = tuple(self._announce(recorded))
        note_events(session, events, self._now())
        return replace(recorded, events=events)

    def _tell(self, site_id: int, done: tuple[Recorded, list[int]] | None) -> Recorded | None:
        """Tell of another version to show, and of those that were removed."""
        if done is None:
            return None
        recorded, removed = done
        if removed or recorded.changed or (recorded.version and recorded.version.number == 1):
            self._versions.changed(site_id, removed)
        return recorded

    def _latest(self, site_id: int) -> Version | None:
        query = (
            select(VersionRow)
            .join(SiteRow, SiteRow.id == VersionRow.site_id)
            .where(SiteRow.id == site_id, VersionRow.number == SiteRow.latest_number)
        )

        def work(session: Session) -> Version | None:
            row = session.scalar(query)
            return to_version(row) if row else None

        return self._database.read(work)

    def _compare(self, site: Site, latest: Version | None, picture: Picture) -> images.Change:
        """Return what changed since the last version; all of it if that one cannot be read."""
        if latest is None or latest.key == site_key(picture, site.id)[0]:
            return images.Change()
        try:
            old = self._versions.storage.read(latest.key)[0]
            pixels = images.pixels_compared(old, picture.body)
            hairline = max(round(float(site.options.get("scale", 1))), 1)
            packed = b"", picture.pixels
            return self._versions.cpu.run(
                lambda: images.compare(old, picture.body, hairline, pixels=packed), pixels=pixels
            )
        except (NotFound, images.NotAPicture):
            return images.Change(100.0, (0, 0, picture.width, picture.height))


def _row_of(session: Session, site: Site) -> SiteRow | None:
    """Return the locked row if it still is of the same page."""
    row = session.get(SiteRow, site.id, with_for_update=True)
    return row if row is not None and row.url == site.url and dict(row.options) == dict(site.options) else None
