"""Claims: which site is captured now, and by whom. The time at which a site is due is the claim.

A site that is due is claimed by moving that time. Only who knows the new time holds the claim, so a message that comes
twice finds another time. A claim that is not ended, since its worker was killed, expires: the site is due again. Until
its message is in the queue, it expires soon.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Self

from sqlalchemy import case, select, update
from sqlalchemy.orm import Session

from sites.database import Database
from sites.models import SiteRow
from sites.rows import to_site
from sites.schedules import Schedule
from sites.values import Site, Status

QUEUED = timedelta(hours=1)  # how long a claim may wait in the queue, behind visitors
SENDING = timedelta(minutes=1)  # how long its message may take to get there
_LONGEST_RUN = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim on a site until `due_at`. A picture of the page that was captured after `since` will do."""

    site_id: int
    due_at: datetime
    since: datetime

    @property
    def unsent_until(self) -> datetime:
        """When the claim expires if its message is not in the queue by then."""
        return self.due_at - QUEUED + SENDING

    def __str__(self) -> str:
        return ":".join(map(str, (self.site_id, _ticks(self.due_at), _ticks(self.since))))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote."""
        site_id, due_at, since = map(int, text.split(":"))
        return cls(site_id, _EPOCH + due_at * _MICROSECOND, _EPOCH + since * _MICROSECOND)


class Claims:
    """Every method raises DatabaseUnavailable."""

    def __init__(
        self,
        database: Database,
        run: timedelta,
        lifetime: timedelta,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`run` is longer than a capture takes. `lifetime` is how old a picture may be that a new site begins with."""
        self._database = database
        self._run = run
        self._lifetime = lifetime
        self._now = now

    def claim_due(self, most: int) -> list[Claim]:
        """Claim up to `most` sites that are due.

        Half of them are due for longest, and half have just become due: a site that somebody asks for does not wait
        behind an import of thousands. The claims expire soon, unless `keep` is called once their messages are sent.
        """

        def work(session: Session) -> list[Claim]:
            now = self._now()
            due = select(SiteRow).where(SiteRow.due_at <= now, SiteRow.paused.is_(False))
            locked = due.with_for_update(skip_locked=True)
            oldest = session.scalars(locked.order_by(SiteRow.due_at, SiteRow.id).limit(most - most // 2))
            rows = {row.id: row for row in oldest}
            newest = session.scalars(locked.order_by(SiteRow.due_at.desc(), SiteRow.id.desc()).limit(most))
            for row in newest:
                if len(rows) < most:
                    rows.setdefault(row.id, row)
            claims = [Claim(row.id, now + QUEUED, self._since(row, now)) for row in rows.values()]
            for claim in claims:
                row = rows[claim.site_id]
                row.due_at, row.claimed_at = claim.unsent_until, row.claimed_at or now
            return claims

        return self._database.write(work) if most > 0 else []

    def keep(self, claims: Iterable[Claim]) -> None:
        """Keep claims whose messages are in the queue. One that has begun or expired meanwhile is left as it is."""
        statements = [
            update(SiteRow)
            .where(SiteRow.id == claim.site_id, SiteRow.due_at == claim.unsent_until)
            .values(due_at=claim.due_at)
            for claim in claims
        ]
        if statements:
            self._database.write(lambda session: [session.execute(each) for each in statements])

    def begin(self, claim: Claim) -> tuple[Site, Claim] | None:
        """Return the site, and the claim while its capture runs; None if the claim was lost or has begun already.

        A page that kills its worker each time is captured ever less often. A site that was paused meanwhile stays due.
        """

        def work(session: Session) -> tuple[Site, Claim] | None:
            row = session.get(SiteRow, claim.site_id, with_for_update=True)
            if row is None or row.due_at not in (claim.due_at, claim.unsent_until):
                return None
            if row.paused:
                row.due_at, row.claimed_at = self._now(), None
                return None
            running = replace(claim, due_at=self._now() + min(self._run * 2 ** min(row.starts, 12), _LONGEST_RUN))
            row.due_at, row.starts = running.due_at, row.starts + 1
            session.flush()
            return to_site(row, None), running

        return self._database.write(work)

    def release(self, claim: Claim, seconds: float) -> None:
        """Give a claim back whose capture was not attempted: the site is due again in `seconds`."""
        statement = (
            update(SiteRow)
            .where(SiteRow.id == claim.site_id, SiteRow.due_at == claim.due_at)
            .values(
                due_at=self._now() + timedelta(seconds=seconds),
                claimed_at=None,
                starts=case((SiteRow.starts > 0, SiteRow.starts - 1), else_=0),
            )
        )
        self._database.write(lambda session: session.execute(statement))

    def _since(self, row: SiteRow, now: datetime) -> datetime:
        """Return when the picture must have been captured at the earliest: visitors may have had the page captured.

        A site that is due before its schedule says so was asked for, and gets a new capture. If it was claimed before, by a
        worker that was killed, what that one had captured will do.
        """
        due_at, schedule = row.claimed_at or row.due_at or now, Schedule.parse(row.schedule)
        every = self._lifetime if schedule.viewed else schedule.every
        if row.status == Status.PENDING or row.captured_at is None:
            return now - min(self._lifetime, every or self._lifetime)
        if every is None or due_at < row.captured_at + every * 0.85:
            return due_at
        return max(row.captured_at, due_at - every / 2)


def _ticks(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND
