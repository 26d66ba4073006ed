"""Makes parts of the catalogue of sites, and what fetches lists and pictures from the net."""

from datetime import timedelta

from access import AccessRules
from config import Settings
from images import CpuPool
from metadata import PictureFetcher
from netguard import Guard
from sites import Claims, Database
from sites.imports import ListFetcher, ListOutlet, ListReader


def make_claims(settings: Settings, database: Database) -> Claims:
    """Claims last as long as it may take until Celery redelivers the message of a killed worker."""
    run, lifetime = 1.5 * settings.job_time_limit, settings.cache_ttl
    return Claims(database, timedelta(seconds=run), timedelta(seconds=lifetime))


def make_list_reader(settings: Settings, guard: Guard, access: AccessRules) -> ListReader:
    outlet = ListOutlet(*settings.lists_egress) if settings.lists_egress else None
    return ListReader(ListFetcher(guard, require_target=access.require_target, outlet=outlet), CpuPool(1))


def make_picture_fetcher(settings: Settings, guard: Guard, access: AccessRules) -> PictureFetcher:
    shown = access.blocked.require_shown
    if settings.lists_egress is None:
        return PictureFetcher(guard, require_shown=shown)
    outlet = ListOutlet(*settings.lists_egress)
    return PictureFetcher(guard, open_pool=lambda target, _, tls: outlet.pool(target, tls), require_shown=shown)
