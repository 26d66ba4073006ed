"""The flow from a request to a picture: cache, freshness, captures, renditions."""

from thumbnails.ask import Ask, Charge, NoCharge
from thumbnails.cache import PictureCache
from thumbnails.cards import CardDocuments, CardThumbnails, card_request
from thumbnails.disk import LEAST_FREE, DiskRing
from thumbnails.explanation import Explainer, Explanation
from thumbnails.explanation_json import describe
from thumbnails.failures import FailureHistory, PastFailure
from thumbnails.freshness import Freshness
from thumbnails.known import Known
from thumbnails.memory import LocalTier
from thumbnails.originals import OriginalLimits, Originals
from thumbnails.packing import Head
from thumbnails.previews import Previews
from thumbnails.purges import MOST_MARKS, READ_SECONDS, Marks, Purges, Scope
from thumbnails.query_explainer import CLIENT_FIELD, QueryExplainer
from thumbnails.redis_originals import RedisOriginals
from thumbnails.renditions import Renditions
from thumbnails.schemes import Schemes
from thumbnails.served import CacheState, Persisted, Served
from thumbnails.shares import Seats
from thumbnails.thumbnailer import Thumbnailer, WaitLimits

__all__ = [
    "CLIENT_FIELD",
    "LEAST_FREE",
    "MOST_MARKS",
    "READ_SECONDS",
    "Ask",
    "CacheState",
    "CardDocuments",
    "CardThumbnails",
    "Charge",
    "DiskRing",
    "Explainer",
    "Explanation",
    "FailureHistory",
    "Freshness",
    "Head",
    "Known",
    "LocalTier",
    "Marks",
    "NoCharge",
    "OriginalLimits",
    "Originals",
    "PastFailure",
    "Persisted",
    "PictureCache",
    "Previews",
    "Purges",
    "QueryExplainer",
    "RedisOriginals",
    "Renditions",
    "Schemes",
    "Scope",
    "Seats",
    "Served",
    "Thumbnailer",
    "WaitLimits",
    "card_request",
    "describe",
]
