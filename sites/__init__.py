"""The catalogue of sites: what there is, when it is captured, and how it looked. Knows no HTTP."""

from sites.catalogue import MOST_AT_ONCE, Catalogue
from sites.database import Database
from sites.values import Counts, Failure, Filters, Region, Site, SiteDraft, SitePage, Status, Version

__all__ = [
    "MOST_AT_ONCE",
    "Catalogue",
    "Counts",
    "Database",
    "Failure",
    "Filters",
    "Region",
    "Site",
    "SiteDraft",
    "SitePage",
    "Status",
    "Version",
]
