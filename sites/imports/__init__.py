"""Lists of sites that others wrote: CSV, sitemaps, OPML, bookmarks files, plain lists of URLs."""

from sites.imports.candidates import LIST_FIELD, MAX_BYTES, ListKind, SiteList
from sites.imports.fetching import ListFetcher, charset_of
from sites.imports.importer import ImportAction, Importer, ImportReport, LineOutcome
from sites.imports.outlet import ListOutlet
from sites.imports.reading import ListReader
from sites.imports.turns import ListTurns

__all__ = [
    "LIST_FIELD",
    "MAX_BYTES",
    "ImportAction",
    "ImportReport",
    "Importer",
    "LineOutcome",
    "ListFetcher",
    "ListKind",
    "ListOutlet",
    "ListReader",
    "ListTurns",
    "SiteList",
    "charset_of",
]
