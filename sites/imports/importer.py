"""Brings a list into the catalogue: decides line by line what to add and what to change, and writes it by the thousand.

Each thousand lines are one transaction. An import that was interrupted is resumed by sending the same list again: what is
in the catalogue by then is neither added nor changed once more.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from errors import DatabaseUnavailable, ThumbnailError
from images import CpuPool
from sites.catalogue import MOST_AT_ONCE, Catalogue, Merge
from sites.drafts import LONGEST_NOTE, LONGEST_TAG, LONGEST_TITLE, MOST_TAGS, split_tags
from sites.imports.candidates import SITEMAP_FIELD, Candidate, RefusedLine, SiteList
from sites.values import Site, SiteDraft

_CUT = {"title": LONGEST_TITLE, "note": LONGEST_NOTE}
CheckFields = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class ImportAction(StrEnum):
    """What an import does about a line; a dry run, what it would do."""

    ADDED = "added"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class LineOutcome:
    """What became of one line: the fields that it changes, or the field at fault and the reason."""

    line: int
    url: str
    action: ImportAction
    changes: tuple[str, ...] = ()
    field: str = ""
    reason: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, or for a dry run would do, in the order of the lines."""

    found: SiteList
    outcomes: tuple[LineOutcome, ...]
    dry_run: bool

    def counts(self) -> dict[ImportAction, int]:
        counted = Counter(each.action for each in self.outcomes)
        return {action: counted[action] for action in ImportAction}

    @property
    def unreadable_sitemaps(self) -> int:
        """How many of the refused lines are sitemaps, whose sites are therefore missing from the counts."""
        return sum(each.field == SITEMAP_FIELD for each in self.outcomes)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A line that was checked: its place in the list, its site's URL in normal form, and what it says about the site."""

    place: int
    candidate: Candidate
    url: str
    said: Mapping[str, Any]


class Importer:
    """Imports lists. One instance per process."""

    def __init__(self, catalogue: Catalogue, check_fields: CheckFields, threads: CpuPool) -> None:
        """`check_fields` validates some fields of a SiteDraft, `url` among them, and returns their normal form.

        It raises a ThumbnailError that names the field. `threads` check: a long list takes seconds.
        """
        self._catalogue = catalogue
        self._check_fields = check_fields
        self._threads = threads

    def prepare(self, found: SiteList) -> "PreparedImport":
        """Check each line by itself, without the catalogue."""
        return self._threads.run(lambda: self._prepared(found), pixels=0)

    def _prepared(self, found: SiteList) -> "PreparedImport":
        refused: dict[int, LineOutcome] = {}
        wanted: dict[str, _Wanted] = {}
        for place, line in enumerate(found.lines):
            if isinstance(line, RefusedLine):
                refused[place] = _refused(line, line.field, line.reason)
                continue
            try:
                said = dict(self._check_fields(_given(line)))
            except ThumbnailError as err:
                refused[place] = _refused(line, err.field, err.reason)
                continue
            url = said.pop("url")
            first = wanted.setdefault(url, _Wanted(place, line, url, said))
            if first.place != place:
                refused[place] = _refused(line, "url", f"repeats line {first.candidate.line}")
                if line.adds_tags:  # one bookmark in two folders
                    tags = (*first.said.get("tags", ()), *said.get("tags", ()))
                    wanted[url] = replace(first, said={**first.said, "tags": tags})
        return PreparedImport(self._catalogue, found, refused, list(wanted.values()))


class PreparedImport:
    """A list whose lines have been checked, ready to be compared with the catalogue and written."""

    def __init__(
        self, catalogue: Catalogue, found: SiteList, refused: dict[int, LineOutcome], wanted: Sequence[_Wanted]
    ) -> None:
        self._catalogue = catalogue
        self._found = found
        self._refused = refused
        self._wanted = wanted

    @property
    def size(self) -> int:
        """How many sites the list names."""
        return len(self._wanted)

    def count_new(self) -> int:
        """Return how many sites `run` would add. Raises DatabaseUnavailable."""
        known = (len(self._catalogue.known_urls(each.url for each in some)) for some in _by_thousand(self._wanted))
        return len(self._wanted) - sum(known)

    def plan(self) -> ImportReport:
        """Return what `run` would do. Changes nothing. Raises DatabaseUnavailable."""
        outcomes: list[LineOutcome] = []  # in the order of what is wanted
        for some in _by_thousand(self._wanted):
            known = self._catalogue.sites_with(each.url for each in some)
            outcomes += [_outcome(each, known.get(each.url)) for each in some]
        return self._report(outcomes, dry_run=True)

    def run(self, *, capture: bool = True, progress: Callable[[int], object] = lambda _: None) -> ImportReport:
        """Add and change the sites. New ones are captured now unless `capture` is false.

        `progress` is called with the number of lines done. Raises DatabaseUnavailable, which says how many of them are kept.
        """
        outcomes: list[LineOutcome] = []
        for some in _by_thousand(self._wanted):
            try:
                outcomes += self._write(some, capture=capture)
            except DatabaseUnavailable as err:
                raise _interrupted(err, len(outcomes), len(self._wanted)) from err
            progress(len(outcomes))
        return self._report(outcomes, dry_run=False)

    def _write(self, some: Sequence[_Wanted], *, capture: bool) -> list[LineOutcome]:
        """Write up to a thousand lines in one transaction."""
        outcomes: list[LineOutcome] = []

        def decide(known: Mapping[str, Site]) -> Merge:
            outcomes[:] = [
                _outcome(each, known.get(each.url)) for each in some
            ]  # once more if another writer was first
            additions = [SiteDraft(each.url, **each.said) for each in some if each.url not in known]
            changes = {
                site.id: differing
                for each in some
                if (site := known.get(each.url)) and (differing := _differing(each, site))
            }
            return Merge(additions, changes)

        self._catalogue.merge([each.url for each in some], decide, capture=capture)
        return outcomes

    def _report(self, outcomes: Iterable[LineOutcome], *, dry_run: bool) -> ImportReport:
        by_place = self._refused | {each.place: outcome for each, outcome in zip(self._wanted, outcomes, strict=True)}
        return ImportReport(self._found, tuple(by_place[place] for place in sorted(by_place)), dry_run)


def _given(line: Candidate) -> dict[str, Any]:
    fields = ("url", "title", "note", "tags", "options", "schedule", "keep", "paused")
    given = {name: value for name in fields if (value := getattr(line, name)) is not None}
    if line.adds_tags:  # from a program whose titles and folders know no limits: they are cut rather than refused
        tags = dict.fromkeys(" ".join(split_tags(tag))[:LONGEST_TAG] for tag in given.get("tags", ()))
        given["tags"] = tuple(tags)[-MOST_TAGS:]
        given |= {name: given[name][:most] for name, most in _CUT.items() if name in given}
    return given


def _by_thousand(wanted: Sequence[_Wanted]) -> Iterable[Sequence[_Wanted]]:
    return (wanted[start : start + MOST_AT_ONCE] for start in range(0, len(wanted), MOST_AT_ONCE))


def _outcome(wanted: _Wanted, site: Site | None) -> LineOutcome:
    line = wanted.candidate
    differing = _differing(wanted, site) if site else {}
    action = ImportAction.CHANGED if differing else ImportAction.UNCHANGED if site else ImportAction.ADDED
    return LineOutcome(line.line, wanted.url, action, tuple(sorted(differing)), source=line.source)


def _differing(wanted: _Wanted, site: Site) -> dict[str, Any]:
    """Return the fields of `site` that the list would change."""
    said = dict(wanted.said)
    if "tags" in said:
        tags = {*said["tags"], *(site.tags if wanted.candidate.adds_tags else ())}
        said["tags"] = tuple(sorted(tags))
    return {name: value for name, value in said.items() if value != getattr(site, name)}


def _refused(line: Candidate | RefusedLine, field: str, reason: str) -> LineOutcome:
    return LineOutcome(line.line, line.url, ImportAction.REFUSED, field=field, reason=reason, source=line.source)


def _interrupted(err: DatabaseUnavailable, done: int, of: int) -> DatabaseUnavailable:
    return DatabaseUnavailable(
        f"{done:,} of {of:,} sites were imported; send the same list again to continue",
        retry_after=err.retry_after,
        state=err.state,
    )
