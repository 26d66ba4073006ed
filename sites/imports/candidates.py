"""What the parsers of lists return, and the limits of one list."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from errors import InvalidOption

MAX_BYTES = 32 * 2**20  # of one list, unpacked; all sitemaps of an index count as one list
MAX_LINES = 50_000  # sites of one list, refused ones included: as many as one sitemap may have
LIST_FIELD = "list"  # what errors about the list itself name
SITEMAP_FIELD = "sitemap"  # what errors about a further sitemap of the list name


class ListKind(StrEnum):
    """The formats in which lists come."""

    CSV = "csv"
    SITEMAP = "sitemap"
    OPML = "opml"
    BOOKMARKS = "bookmarks"
    URLS = "urls"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One site of a list, as it was written. None means that the list says nothing about it.

    `source` is the URL of a sitemap that another one named, else empty. `adds_tags` says that the tags are folders, which
    an entry gets besides its own.
    """

    line: int
    url: str
    title: str | None = None
    note: str | None = None
    tags: tuple[str, ...] | None = None
    options: Mapping[str, str] | None = None
    schedule: str | None = None
    keep: str | None = None
    paused: bool | None = None
    adds_tags: bool = False
    source: str = ""


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """One line of a list that cannot become a site: the `field` at fault, and the reason in words for callers."""

    line: int
    url: str
    field: str
    reason: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class SiteList:
    """A parsed list. `ignored` names the columns of which imports make nothing."""

    kind: ListKind
    lines: tuple[Candidate | RefusedLine, ...]
    ignored: tuple[str, ...] = ()


def unreadable(reason: str) -> InvalidOption:
    """Make the error that refuses a whole list."""
    return InvalidOption(reason, field=LIST_FIELD)


def too_many() -> InvalidOption:
    return unreadable(f"must have at most {MAX_LINES:,} sites; split it")


def too_large() -> InvalidOption:
    return unreadable(f"must be at most {MAX_BYTES // 2**20} MiB, unpacked; split it")
