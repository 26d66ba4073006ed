"""The catalogue: which sites there are, and what people say about them. Captures nothing itself.

A site is captured when it is due. So to have it captured is to make it due.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from sqlalchemy import Select, and_, exists, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from errors import InvalidOption, SiteExists, ThumbnailError
from sites import pages
from sites.database import Database
from sites.models import SiteRow, SiteTag, VersionRow, derived, digest_of
from sites.retention import note_all_removed
from sites.rows import LARGEST_ID, find_site, no_such_site, require_id, require_revision, to_site, with_picture
from sites.values import Counts, Filters, Site, SiteDraft, SitePage, Status

T = TypeVar("T")

MOST_AT_ONCE = 1000  # sites of one transaction
CHANGEABLE = frozenset(each.name for each in fields(SiteDraft))
_ATTEMPTS = 3
_FLUSHED = 50  # rows written without letting other requests run: some 20 ms


@dataclass(frozen=True, slots=True)
class Merge:
    """What to add to the catalogue, and what to change about sites, by their ids."""

    additions: Sequence[SiteDraft]
    changes: Mapping[int, Mapping[str, Any]]


OnRemoved = Callable[[int, Sequence[int]], object]


class NextDue(Protocol):
    """Says when a site with a schedule is due again, counted from `after`; None for never."""

    def __call__(self, schedule: str, after: datetime) -> datetime | None: ...


class _AddedMeanwhile(Exception):
    """Another process has added a site since a unit of work looked for it."""


class Catalogue:
    """Every method raises DatabaseUnavailable."""

    def __init__(
        self,
        database: Database,
        next_due: NextDue,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        on_removed: OnRemoved = lambda _id, _numbers: None,
    ) -> None:
        """`on_removed` is called after a site was removed, with the numbers of its versions."""
        self._database = database
        self._next_due = next_due
        self._now = now
        self._on_removed = on_removed

    def add(self, draft: SiteDraft, *, capture: bool = True) -> Site:
        """Add a site, and have it captured now unless `capture` is false. Raises SiteExists."""
        (added,) = self.add_many([draft], capture=capture)
        if isinstance(added, ThumbnailError):
            raise added
        return added

    def add_many(self, drafts: Sequence[SiteDraft], *, capture: bool = True) -> list[Site | ThumbnailError]:
        """Add up to 1,000 sites in one transaction. Return in their order the site, or SiteExists, for each."""
        if len(drafts) > MOST_AT_ONCE:
            raise InvalidOption(f"must be at most {MOST_AT_ONCE:,} sites at a time", field="sites")
        return self._retried(lambda session: self._add(session, drafts, capture=capture))

    def get(self, id_: int) -> Site:
        """Return a site. Raises NotFound."""
        return self._database.read(lambda session: find_site(session, id_))

    def find(self, filters: Filters) -> SitePage:
        """Return a page of sites. Raises InvalidOption for a cursor that no page has named."""
        return self._database.read(lambda session: pages.find(session, filters))

    def known_urls(self, urls: Iterable[str]) -> dict[str, int]:
        """Return the ids of the sites that have one of `urls` (normal form), by URL."""
        wanted = {digest_of(url): url for url in urls}

        def work(session: Session) -> dict[str, int]:
            return {wanted[digest]: id_ for digest, id_ in _known(session, wanted).items()}

        return self._database.read(work)

    def sites_with(self, urls: Iterable[str]) -> dict[str, Site]:
        """Return the sites that have one of `urls` (normal form, up to 1,000 of them), by URL."""
        wanted = list(urls)

        def work(session: Session) -> dict[str, Site]:
            return {row.url: to_site(row, picture) for row, picture in _rows_with(session, wanted)}

        return self._database.read(work)

    def urls_of_host(self, host: str, *, subdomains: bool = False) -> dict[int, str]:
        """Return the URLs of all sites of a host, or of its subdomains alone, by the sites' ids."""
        is_there = SiteRow.host.endswith(f".{host}", autoescape=True) if subdomains else SiteRow.host == host
        return self._urls(select(SiteRow.id, SiteRow.url).where(is_there))

    def urls_of_tag(self, tag: str, most: int) -> dict[int, str]:
        """Return the URLs of up to `most` sites that have a tag, by the sites' ids."""
        has_it = exists().where(SiteTag.site_id == SiteRow.id, SiteTag.tag == tag.lower())
        return self._urls(select(SiteRow.id, SiteRow.url).where(has_it).limit(most))

    def _urls(self, found: Select[int, str]) -> dict[int, str]:
        return self._database.read(lambda session: {row.id: row.url for row in session.execute(found)})

    def merge(
        self, urls: Sequence[str], decide: Callable[[Mapping[str, Site]], Merge], *, capture: bool = True
    ) -> None:
        """Add and change up to 1,000 sites in one transaction, as `decide` says of those that have one of `urls` now.

        `decide` is asked again if another process adds one of them meanwhile. With `capture`, sites that are new, or have
        other options, are due now.
        """

        def work(session: Session) -> None:
            rows = _rows_with(session, urls, lock=True)
            merge = decide({row.url: to_site(row, picture) for row, picture in rows})
            added = self._add(session, merge.additions, capture=capture)
            if not all(isinstance(each, Site) for each in added):
                raise _AddedMeanwhile
            for row, _ in rows:
                if row.id in merge.changes:
                    self._apply(row, merge.changes[row.id], capture=capture)

        self._retried(work)

    def change(self, id_: int, changes: Mapping[str, Any], revision: int | None = None) -> Site:
        """Change fields of a SiteDraft. A change of URL or options starts a new capture.

        Raises NotFound, SiteExists, and RevisionConflict if the site no longer has `revision`.
        """
        if unknown := changes.keys() - CHANGEABLE:
            raise ValueError(f"no field of a site: {unknown}")
        try:
            return self._database.write(lambda session: self._change(session, id_, changes, revision))
        except IntegrityError:
            raise _exists(changes.get("url", "")) from None

    def change_all(self, ids: Iterable[int], decide: Callable[[Site], Mapping[str, Any]]) -> list[Site]:
        """Change up to 1,000 sites in one transaction, as `decide` says of each. Return them as they were.

        Ids of no site are left out. What `decide` raises leaves all sites as they are. It must not change URLs.
        """
        wanted = _few(ids)

        def work(session: Session) -> list[Site]:
            query = with_picture().where(SiteRow.id.in_(wanted)).order_by(SiteRow.id).with_for_update(of=SiteRow)
            changed = []
            for number, (row, picture) in enumerate(session.execute(query).all(), 1):
                changed.append(to_site(row, picture))
                self._apply(row, decide(changed[-1]), capture=True)
                if number % _FLUSHED == 0:
                    session.flush()
                    self._database.pause()
            return changed

        return self._database.write(work)

    def remove(self, id_: int, revision: int | None = None) -> None:
        """Remove a site with its history. Raises NotFound and RevisionConflict."""
        self._on_removed(id_, self._database.write(lambda session: self._remove(session, id_, revision)))

    def remove_all(self, ids: Iterable[int]) -> list[Site]:
        """Remove up to 1,000 sites in one transaction, and return those that there were."""
        wanted = _few(ids)

        def work(session: Session) -> list[tuple[Site, Sequence[int]]]:
            query = with_picture().where(SiteRow.id.in_(wanted)).order_by(SiteRow.id)
            found = [to_site(row, picture) for row, picture in session.execute(query)]
            removed = []
            for number, site in enumerate(found, 1):
                removed.append((site, self._remove(session, site.id, None)))
                if number % _FLUSHED == 0:
                    session.flush()
                    self._database.pause()
            return removed

        gone = self._database.write(work)
        for site, numbers in gone:
            self._on_removed(site.id, numbers)
        return [site for site, _ in gone]

    def request_capture(self, ids: Iterable[int]) -> int:
        """Make sites due now, and return how many there are. One that is captured right now is captured once more."""
        wanted = [id_ for id_ in ids if 0 < id_ <= LARGEST_ID]

        def work(session: Session) -> int:
            found = 0
            for start in range(0, len(wanted), MOST_AT_ONCE):
                some = wanted[start : start + MOST_AT_ONCE]
                statement = update(SiteRow).where(SiteRow.id.in_(some)).values(due_at=self._now(), claimed_at=None)
                found += session.execute(statement).rowcount  # type: ignore[attr-defined]
            return found

        return self._database.write(work)

    def tags(self) -> list[tuple[str, int]]:
        """Return every tag with the number of its sites, the most used first."""
        count = func.count()
        query = select(SiteTag.tag, count).group_by(SiteTag.tag).order_by(count.desc(), SiteTag.tag)
        return self._database.read(lambda session: [(tag, number) for tag, number in session.execute(query)])

    def counts(self) -> Counts:
        """Count the sites by status, those that are paused, and those that are due."""
        due = and_(SiteRow.due_at <= self._now(), SiteRow.paused.is_(False))
        query = select(
            func.count(),
            *(func.count().filter(SiteRow.status == status) for status in Status),
            func.count().filter(SiteRow.paused),
            func.count().filter(due),
        ).select_from(SiteRow)
        return self._database.read(lambda session: Counts(*map(int, session.execute(query).one())))

    def _retried(self, work: Callable[[Session], T]) -> T:
        for _ in range(_ATTEMPTS - 1):
            try:
                return self._database.write(work)
            except (IntegrityError, _AddedMeanwhile):
                continue  # another process has just added one of the sites, which the next look will find
        return self._database.write(work)

    def _add(self, session: Session, drafts: Sequence[SiteDraft], *, capture: bool) -> list[Site | ThumbnailError]:
        now = self._now()
        known = set(_known(session, [digest_of(draft.url) for draft in drafts]))
        added: list[Site | ThumbnailError] = []
        for start in range(0, len(drafts), _FLUSHED):
            rows: list[SiteRow | ThumbnailError] = []
            for draft in drafts[start : start + _FLUSHED]:
                digest = digest_of(draft.url)
                rows.append(_exists(draft.url) if digest in known else self._new_row(draft, now, capture=capture))
                known.add(digest)
            session.add_all(row for row in rows if isinstance(row, SiteRow))
            session.flush()
            added += [to_site(row, None) if isinstance(row, SiteRow) else row for row in rows]
            self._database.pause()
        return added

    def _new_row(self, draft: SiteDraft, now: datetime, *, capture: bool) -> SiteRow:
        tags = _sorted_tags(draft.tags)
        return SiteRow(
            url=draft.url,
            title=draft.title,
            note=draft.note,
            tags=[SiteTag(tag=tag) for tag in tags],
            options=dict(draft.options),
            schedule=draft.schedule,
            keep=draft.keep,
            paused=draft.paused,
            status=Status.PENDING,
            failure_count=0,
            starts=0,
            created_at=now,
            updated_at=now,
            due_at=now if capture else self._next_due(draft.schedule, now),
            pinned=False,
            uploaded=False,
            revision=1,
            **derived(draft.url, draft.title, draft.note, tags),
        )

    def _remove(self, session: Session, id_: int, revision: int | None) -> Sequence[int]:
        numbers = session.scalars(select(VersionRow.number).where(VersionRow.site_id == id_)).all()
        row = _row(session, id_, revision)
        note_all_removed(session, id_, self._now())
        session.delete(row)
        return numbers

    def _change(self, session: Session, id_: int, changes: Mapping[str, Any], revision: int | None) -> Site:
        self._apply(_row(session, id_, revision), changes, capture=True)
        session.flush()
        return find_site(session, id_)

    def _apply(self, row: SiteRow, changes: Mapping[str, Any], *, capture: bool) -> None:
        now = self._now()
        before = row.url, dict(row.options), row.schedule
        for name in changes.keys() - {"tags", "options"}:
            setattr(row, name, changes[name])
        if "options" in changes:
            row.options = dict(changes["options"])
        if "tags" in changes:
            wanted = _sorted_tags(changes["tags"])
            kept = {each.tag: each for each in row.tags}
            row.tags = [kept.get(tag) or SiteTag(tag=tag) for tag in wanted]
        tags = tuple(each.tag for each in row.tags)
        for name, value in derived(row.url, row.title, row.note, tags).items():
            setattr(row, name, value)
        if (row.url, dict(row.options)) != before[:2]:
            row.status = Status.PENDING
            row.due_at = now if capture else self._next_due(row.schedule, now)
            row.failure_code = row.failure_message = row.failure_since = None
            row.failure_count = row.starts = 0
            row.claimed_at = None
        elif row.schedule != before[2] and row.claimed_at is None and not (row.due_at and row.due_at <= now):
            # A site that is due, or claimed, is captured once more, and then as the new schedule says.
            row.due_at = self._next_due(row.schedule, row.captured_at or now)
        row.updated_at, row.revision = now, row.revision + 1


def _few(ids: Iterable[int]) -> list[int]:
    """Return the ids that a site can have. Raises InvalidOption for more than fit into a transaction."""
    wanted = [id_ for id_ in dict.fromkeys(ids) if 0 < id_ <= LARGEST_ID]
    if len(wanted) > MOST_AT_ONCE:
        raise InvalidOption(f"must be at most {MOST_AT_ONCE:,} sites at a time", field="sites")
    return wanted


def _sorted_tags(tags: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({tag.lower() for tag in tags}))


def _known(session: Session, digests: Iterable[str]) -> dict[str, int]:
    query = select(SiteRow.url_digest, SiteRow.id).where(SiteRow.url_digest.in_(list(digests)))
    return dict(session.execute(query).all())


def _rows_with(session: Session, urls: Iterable[str], *, lock: bool = False) -> list[tuple[SiteRow, VersionRow | None]]:
    """Return the sites that have one of `urls`. With `lock`, no other transaction changes them meanwhile."""
    query = with_picture().where(SiteRow.url_digest.in_([digest_of(url) for url in urls]))
    if lock:
        query = query.order_by(SiteRow.id).with_for_update(
            of=SiteRow
        )  # in one order, so that no two wait for each other
    return [(row, picture) for row, picture in session.execute(query)]


def _row(session: Session, id_: int, revision: int | None) -> SiteRow:
    """Return the row of a site, and let no other transaction change it meanwhile."""
    require_id(id_)
    row = session.get(SiteRow, id_, with_for_update=True)
    if row is None:
        raise no_such_site()
    require_revision(row, revision)
    return row


def _exists(url: str) -> SiteExists:
    return SiteExists("is in the catalogue already; change that site, or choose another URL", url=url)
