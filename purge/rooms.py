"""Where pictures are kept, here and in front."""

from dataclasses import dataclass

from coordination import StateRedis
from purge.in_front import CachesInFront
from sites import Catalogue, SitePictures
from thumbnails import PictureCache, Purges


@dataclass(frozen=True, slots=True)
class PictureRooms:
    purges: Purges
    cache: PictureCache
    site_pictures: SitePictures
    catalogue: Catalogue
    state: StateRedis
    in_front: CachesInFront
