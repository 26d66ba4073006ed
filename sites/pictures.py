"""The pictures of sites for `<img>`: of the version that is shown, or of any other, in every size and format.

They lie in the cache of pictures. There, the picture of a site counts as a page of its own, `site:42`, whose renditions
are outdated as soon as another version is shown. So a hit costs what one of `/thumb` costs, and no SQL.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import structlog
from sqlalchemy import select

from errors import NotFound
from model import Picture, ThumbnailRequest
from options import CaptureOptions, Delivery, Rendition, Target
from sites.database import Database
from sites.models import VersionRow
from sites.rows import find_site, find_version
from storage import PictureStorage
from thumbnails import Charge, PictureCache, Renditions
from urls import locate

MAX_AGE = 60  # seconds for which browsers show a picture without asking whether it has changed
LARGEST_KEPT = 4 * 2**20  # bytes of a picture in its captured size, above which it is read from the storage each time
_SECONDS = 10.0  # how long a caller waits for a rendition
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SiteImage:
    """A picture of a site: that of version `number`, None for the one that is shown."""

    site_id: int
    number: int | None
    request: ThumbnailRequest

    @classmethod
    def of(
        cls, site_id: int, number: int | None = None, rendition: Rendition | None = None, *, negotiated: bool = False
    ) -> "SiteImage":
        page = f"site:{site_id}" if number is None else f"site:{site_id}:{number}"
        # No caller can name such a page: theirs begin with http.
        capture = CaptureOptions(Target(page, "", 0))
        delivery = Delivery(negotiated=negotiated)
        return cls(site_id, number, ThumbnailRequest(capture, rendition or Rendition(), delivery))


class SitePictures:
    def __init__(
        self,
        database: Database,
        storage: PictureStorage,
        cache: PictureCache,
        renditions: Renditions,
        keep_seconds: int,
        require_shown: Callable[[Target], object] = lambda _: None,
    ) -> None:
        """Renditions are in the cache for at most `keep_seconds`. `require_shown` raises TakenDown for a blocked page."""
        self._database = database
        self._storage = storage
        self._cache = cache
        self._renditions = renditions
        self._keep = keep_seconds
        self._require_shown = require_shown

    def hit(self, image: SiteImage) -> Picture | None:
        """Return the picture if it is known, with at most one call to Redis."""
        known = self._cache.look_up(image.request)
        return None if known.outdated else known.rendition

    def get(self, image: SiteImage, charge: Charge) -> Picture | None:
        """Return the picture, None if the site has none yet. A new rendition is charged.

        Raises NotFound, TakenDown, DatabaseUnavailable, StorageUnavailable, RateLimited, OverCapacity, Pending or
        CaptureFailed.
        """
        # Looked up before the version: of a change meanwhile, the cache then says that the rendition is outdated.
        known = self._cache.look_up(image.request, reload=True)
        if known.rendition is not None and not known.outdated:
            return known.rendition
        site, version = self._database.read(
            lambda session: (find_site(session, image.site_id), find_version(session, image.site_id, image.number))
        )
        self._require_shown(locate(site.url))
        if version is None:
            return None
        shown_since = known.original.captured_at if known.original else version.captured_at
        try:
            body, content_type = self._storage.read(version.key)
        except NotFound:
            _log.warning("site_picture_missing", site_id=image.site_id, number=version.number)
            if image.number is not None:
                raise
            return None
        size = version.width, version.height
        original = Picture(body, content_type, *size, shown_since, captured_by=version.captured_by)
        return self._render(image.request, original, charge)

    def changed(self, site_id: int, removed: Iterable[int] = ()) -> bool:
        """Show another version of a site from now on, and none of the versions that were `removed`.

        Call it after the database knows of it. False, and logged, if the cache could not be told: then processes may show
        the picture before until it expires.
        """
        images = [SiteImage.of(site_id), *(SiteImage.of(site_id, number) for number in removed)]
        if not (done := self._cache.supersede((image.request for image in images), self._keep)):
            _log.warning("site_picture_outdated", site_id=site_id)
        return done

    def all_changed(self, site_ids: Sequence[int]) -> bool:
        """The same for many sites."""
        requests = (SiteImage.of(site_id).request for site_id in site_ids)
        if not (done := self._cache.supersede(requests, self._keep)):
            _log.warning("site_picture_outdated", site_id=site_ids[0], sites=len(site_ids))
        return done

    def withdraw(self, site_id: int) -> bool:
        """Judge anew whether a site and its versions are shown. False like `changed`. Raises DatabaseUnavailable."""
        numbers = select(VersionRow.number).where(VersionRow.site_id == site_id)
        return self.changed(site_id, self._database.read(lambda session: [*session.scalars(numbers)]))

    def _render(self, request: ThumbnailRequest, original: Picture, charge: Charge) -> Picture:
        made = self._renditions.make(original, request, time.monotonic() + _SECONDS, charge=charge)
        if made.body is original.body and len(made.body) <= LARGEST_KEPT:
            # The captured file itself is kept with originals, of which this page has none.
            made = replace(made, pixels=b"")
            self._cache.put_rendition(request, made, self._keep)
        return made
