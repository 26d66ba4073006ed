"""The flow from a request to a picture: cache, freshness, captures, renditions."""

from thumbnails.ask import Ask, Charge, NoCharge
from thumbnails.cache import PictureCache
from thumbnails.freshness import Freshness
from thumbnails.known import Known
from thumbnails.originals import OriginalLimits, Originals
from thumbnails.previews import Previews
from thumbnails.redis_originals import RedisOriginals
from thumbnails.renditions import Renditions
from thumbnails.schemes import Schemes
from thumbnails.served import CacheState, Persisted, Served
from thumbnails.thumbnailer import Thumbnailer, WaitLimits

__all__ = [
    "Ask",
    "CacheState",
    "Charge",
    "Freshness",
    "Known",
    "NoCharge",
    "OriginalLimits",
    "Originals",
    "Persisted",
    "PictureCache",
    "Previews",
    "RedisOriginals",
    "Renditions",
    "Schemes",
    "Served",
    "Thumbnailer",
    "WaitLimits",
]
