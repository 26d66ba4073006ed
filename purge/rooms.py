"""Where pictures are kept, here and in front."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from coordination import StateRedis
from purge.cdn import Cdn
from sites import Catalogue, SitePictures
from thumbnails import PictureCache, Purges


@dataclass(frozen=True, slots=True)
class PictureRooms:
    """`nginx` is the folder of its cache."""

    purges: Purges
    cache: PictureCache
    site_pictures: SitePictures
    catalogue: Catalogue
    state: StateRedis
    nginx: Path | None = None
    cdns: Sequence[Cdn] = ()
