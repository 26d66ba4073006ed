"""Purges: pictures of a page, a host, a site or a tag that are shown no more, in this service and in the caches in front."""

from purge.cdn import Cloudflare, Fastly, PurgeMethod
from purge.edge import EdgeCache
from purge.front import FrontCache
from purge.in_front import CachesInFront
from purge.order import PurgeOrder, PurgeReader
from purge.purger import Purger, PurgeReport
from purge.purging import Purging
from purge.rooms import PictureRooms
from purge.sweep import SWEEP_SECONDS
from purge.tags import page_tags, site_tag

__all__ = [
    "SWEEP_SECONDS",
    "CachesInFront",
    "Cloudflare",
    "EdgeCache",
    "Fastly",
    "FrontCache",
    "PictureRooms",
    "PurgeMethod",
    "PurgeOrder",
    "PurgeReader",
    "PurgeReport",
    "Purger",
    "Purging",
    "page_tags",
    "site_tag",
]
