"""The catalogue of sites: what there is, when it is captured, and how it looked. Knows no HTTP."""

from sites.audit import AuditEntry, AuditLog
from sites.backup import CatalogueBackup, NotRestored
from sites.capturer import ROUND_SECONDS as SITE_ROUND_SECONDS
from sites.capturer import Capturer
from sites.catalogue import CHANGEABLE, MOST_AT_ONCE, Catalogue
from sites.census import Census, count_due, take_census
from sites.claims import Claim, Claims
from sites.database import PAUSE, Database
from sites.drafts import DraftReader, split_tags
from sites.events import SiteEvent, SiteEvents
from sites.feed import write_feed
from sites.history import Changed, Difference, History
from sites.pace import Pace
from sites.pictures import MAX_AGE, SiteImage, SitePictures
from sites.presenter import describe_site, describe_version
from sites.recorder import Recorded, Recorder
from sites.retention import Sweeper
from sites.schedules import Keep, Schedule, next_due
from sites.sessions import AdminSession, AdminSessions
from sites.values import Counts, Failure, Filters, Region, Site, SiteDraft, SitePage, Sort, Status, Version
from sites.version_rows import VersionStore
from sites.views import SiteViews

__all__ = [
    "CHANGEABLE",
    "MAX_AGE",
    "MOST_AT_ONCE",
    "PAUSE",
    "SITE_ROUND_SECONDS",
    "AdminSession",
    "AdminSessions",
    "AuditEntry",
    "AuditLog",
    "Capturer",
    "Catalogue",
    "CatalogueBackup",
    "Census",
    "Changed",
    "Claim",
    "Claims",
    "Counts",
    "Database",
    "Difference",
    "DraftReader",
    "Failure",
    "Filters",
    "History",
    "Keep",
    "NotRestored",
    "Pace",
    "Recorded",
    "Recorder",
    "Region",
    "Schedule",
    "Site",
    "SiteDraft",
    "SiteEvent",
    "SiteEvents",
    "SiteImage",
    "SitePage",
    "SitePictures",
    "SiteViews",
    "Sort",
    "Status",
    "Sweeper",
    "Version",
    "VersionStore",
    "count_due",
    "describe_site",
    "describe_version",
    "next_due",
    "split_tags",
    "take_census",
    "write_feed",
]
