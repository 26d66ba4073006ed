"""Renditions: pictures made from masters, each once for everybody who wants it at the same time, a few large ones at most.

Making one costs no capture and no budget, but up to seconds of a core: whoever asks for it waits as for a capture.
"""

import time
from concurrent.futures import TimeoutError as WaitTimeout
from dataclasses import dataclass
from datetime import UTC, datetime

from coordination.coalescer import Alone, Coalescer, Flight
from errors import CaptureFailed, Pending
from images import render as imaging
from images.cpu import Cores
from model import SUSPECT_SECONDS, Picture, ThumbnailRequest
from thumbnails.cache import PictureCache

GRACE_SECONDS = 1.0  # what is made in milliseconds is waited for, even by who would not wait for a capture
_LONGEST = 120.0  # seconds for which a flight may wait for its turn
_SMALL_AT_ONCE, _LARGE_AT_ONCE = 64, 4


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """For how long, in seconds, a caller waits, a picture counts as fresh, and is kept as stale after that."""

    patience: float = 60
    fresh: int = 86400
    stale: int = 604800

    def fresh_for(self, picture: Picture, request: ThumbnailRequest) -> int:
        """Give the seconds for which `picture` still is what `request` calls fresh; none left is 0 or less."""
        age = (datetime.now(UTC) - picture.captured_at).total_seconds()
        return int(self._ttl(picture, request) - age)

    def keep(self, picture: Picture, request: ThumbnailRequest) -> int:
        """Give the seconds for which `picture` is kept; a suspect one is not shown as stale."""
        return self.fresh_for(picture, request) if picture.suspect else self._ttl(picture, request) + self.stale

    def _ttl(self, picture: Picture, request: ThumbnailRequest) -> int:
        ttl = request.delivery.ttl or self.fresh
        return min(ttl, SUSPECT_SECONDS) if picture.suspect else ttl


class Renditions:
    def __init__(self, cache: PictureCache, cores: Cores, lifetimes: Lifetimes) -> None:
        self._cache = cache
        self._cores = cores
        self._lifetimes = lifetimes
        self._small = Coalescer(Alone(), _SMALL_AT_ONCE)
        self._large = Coalescer(Alone(), _LARGE_AT_ONCE)

    def make(self, master: Picture, request: ThumbnailRequest, deadline: float) -> Picture:
        """Give the rendition of `master` that `request` names, waiting until `deadline` (monotonic).

        Raises OverCapacity, Pending (it will be there soon) or CaptureFailed.
        """
        known = self._cache.get(request.rendition_key).picture
        if known is not None and known.captured_at == master.captured_at:
            return known
        large = self.is_large(master, request)
        wait = max(deadline - time.monotonic(), 0 if large else GRACE_SECONDS)
        try:
            return self._join(master, request, large=large).future.result(wait)
        except WaitTimeout:
            raise Pending("the picture is being made; ask again in a few seconds") from None

    def make_behind(self, master: Picture, request: ThumbnailRequest) -> None:
        """Make it while nobody waits. Raises OverCapacity."""
        self._join(master, request, large=self.is_large(master, request))

    def is_large(self, master: Picture, request: ThumbnailRequest) -> bool:
        """Tell whether it may take seconds to make."""
        return _pixels(master, request) > self._cores.LARGE_PIXELS

    def drain(self, seconds: float) -> None:
        """Wait for what is being made, at most `seconds` for each kind."""
        self._small.drain(seconds)
        self._large.drain(seconds)

    def _join(self, master: Picture, request: ThumbnailRequest, *, large: bool) -> Flight[Picture]:
        coalescer = self._large if large else self._small
        key = f"{request.rendition_key.digest}:{master.captured_at.timestamp()}"
        return coalescer.join(key, lambda: self._make(master, request, large=large), lambda: None, _LONGEST)

    def _make(self, master: Picture, request: ThumbnailRequest, *, large: bool) -> Picture:
        try:
            with self._cores.turn(large=large):
                body, identity = self._cores.run(lambda: imaging.render(master.body, request.rendition))
        except imaging.NotAPicture as err:
            raise CaptureFailed("the captured picture cannot be read") from err
        picture = Picture(
            body, identity.content_type, identity.width, identity.height, master.captured_at, suspect=master.suspect
        )
        self._cache.put(request.rendition_key, picture, self._lifetimes.keep(picture, request))
        return picture


def _pixels(master: Picture, request: ThumbnailRequest) -> int:
    """About as many pixels as are touched: whichever is larger, what is decoded or what is encoded."""
    w, h = request.rendition.w or master.width, request.rendition.h or master.height
    return max(master.width * master.height, w * h)
