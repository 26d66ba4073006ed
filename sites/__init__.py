"""The catalogue of sites: what there is, when it is captured, and how it looked. Knows no HTTP."""

from sites.audit import AuditEntry, AuditLog
from sites.catalogue import CHANGEABLE, MOST_AT_ONCE, Catalogue
from sites.database import PAUSE, Database
from sites.drafts import DraftReader
from sites.history import Difference, History
from sites.pictures import MAX_AGE, SiteImage, SitePictures
from sites.presenter import describe_site, describe_version
from sites.schedules import next_due
from sites.sessions import AdminSession, AdminSessions
from sites.values import Counts, Failure, Filters, Region, Site, SiteDraft, SitePage, Sort, Status, Version
from sites.views import SiteViews

__all__ = [
    "CHANGEABLE",
    "MAX_AGE",
    "MOST_AT_ONCE",
    "PAUSE",
    "AdminSession",
    "AdminSessions",
    "AuditEntry",
    "AuditLog",
    "Catalogue",
    "Counts",
    "Database",
    "Difference",
    "DraftReader",
    "Failure",
    "Filters",
    "History",
    "Region",
    "Site",
    "SiteDraft",
    "SiteImage",
    "SitePage",
    "SitePictures",
    "SiteViews",
    "Sort",
    "Status",
    "Version",
    "describe_site",
    "describe_version",
    "next_due",
]
