"""A list as text → its sites. A kind that the caller does not name is recognised by the text."""

import re
from collections.abc import Iterable
from itertools import islice

from sites.imports.bookmarks import read_bookmarks
from sites.imports.candidates import MAX_LINES, Candidate, ListKind, RefusedLine, SiteList, too_many, unreadable
from sites.imports.csv_file import is_csv, read_csv
from sites.imports.opml import read_opml
from sites.imports.urls_file import read_urls

_BEGINNING = 4096  # characters by which a kind is recognised
_ROOT = re.compile(r"<(?:[\w.-]+:)?([A-Za-z][\w.-]*)")
_ROOTS = {"urlset": ListKind.SITEMAP, "sitemapindex": ListKind.SITEMAP, "opml": ListKind.OPML}
_BOOKMARKS = re.compile(r"<!doctype netscape-bookmark-file|<d[lt]\b", re.IGNORECASE)
_PROLOGUE = re.compile(r"<\?[^>]*>|<!--.*?-->|<![^>]*>", re.DOTALL)


def recognise(text: str) -> ListKind:
    """Return the kind of list that `text` is. Raises InvalidOption."""
    beginning = text[:_BEGINNING].lstrip()
    if not beginning.startswith("<"):
        return ListKind.CSV if is_csv(text) else ListKind.URLS
    if _BOOKMARKS.search(beginning):
        return ListKind.BOOKMARKS
    root = _ROOT.search(_PROLOGUE.sub("", beginning))
    kind = _ROOTS.get(root[1].lower()) if root else None
    if kind is None:
        raise unreadable(f"is no list of sites that is known; name its kind ({', '.join(ListKind)}) if it is one")
    return kind


def read_list(text: str, kind: ListKind) -> SiteList:
    """Parse a list of any kind but a sitemap, which may need further files. Raises InvalidOption."""
    match kind:
        case ListKind.CSV:
            found, ignored = read_csv(text)
            return SiteList(kind, bounded(found), ignored)
        case ListKind.OPML:
            return SiteList(kind, bounded(read_opml(text)))
        case ListKind.BOOKMARKS:
            return SiteList(kind, bounded(read_bookmarks(text)))
        case _:
            return SiteList(ListKind.URLS, bounded(read_urls(text)))


def bounded(found: Iterable[Candidate | RefusedLine]) -> tuple[Candidate | RefusedLine, ...]:
    """Collect the sites of a list. Raises InvalidOption if there are too many, or none."""
    lines = tuple(islice(found, MAX_LINES + 1))
    if len(lines) > MAX_LINES:
        raise too_many()
    if not lines:
        raise unreadable("has no sites")
    return lines
