"""Masters: the captured picture of each capture key. Known ones come from the cache; a new one is captured once for
everybody who wants it, charged to whoever asked first, and looked at before it replaces anything.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from capture.api import Camera, Charge
from coordination.coalescer import Coalescer, Flight
from errors import BlockedTarget, CaptureError, CaptureFailed, InvalidOption, OverCapacity, RateLimited
from model import SUSPECT_SECONDS, CaptureOptions, Picture, ThumbnailRequest
from netguard import Guard, Verdict
from thumbnails.cache import Found, PictureCache
from urls import NOT_PUBLIC, target_of

PAGE_FAILURE_SECONDS = 30  # for how long a page's own failure is remembered
LONGEST_FAILURE = 3600
LARGE_SECONDS = 30
_FULL = "too many captures are under way; try again in a few seconds"
CLOCK_SKEW = timedelta(seconds=10)  # between machines; and no picture counts as old before it is a minute old


@dataclass(frozen=True, slots=True)
class MasterLimits:
    """Seconds a capture may take, captures in flight in this process, seconds and bytes that a master is kept within."""

    timeout: float = 60
    concurrency: int = 16
    keep_seconds: int = 86400
    keep_bytes: int = 4 * 2**20
    good_seconds: int = 3283200  # for how long a picture made from a good capture may be shown, at the longest


@dataclass(frozen=True, slots=True)
class Capture:
    """A captured picture, and how long that took; `ms` is None where another process took it."""

    picture: Picture
    ms: int | None = None


class Masters:
    def __init__(
        self,
        cache: PictureCache,
        camera: Camera,
        coalescer: Coalescer,
        guard: Guard | None,
        limits: MasterLimits,
    ) -> None:
        """`guard` judges a host before it is captured; None leaves that to the screenshot API."""
        self._cache = cache
        self._camera = camera
        self._coalescer = coalescer
        self._guard = guard
        self._limits = limits
        self._slots = threading.BoundedSemaphore(limits.concurrency)

    def known(self, request: ThumbnailRequest) -> Found:
        """Look the master up; it may be old."""
        return self._cache.get(request.capture_key)

    def forgive(self, request: ThumbnailRequest, then: float) -> None:
        """Forget a failure that is remembered from before `then` (Unix seconds)."""
        self._cache.forgive(request.capture_key, then)

    def last_good(self, request: ThumbnailRequest) -> datetime | None:
        """Tell when it was last captured well, also where the master itself is no longer kept."""
        return self._cache.last_good(request.capture_key)

    def join(self, request: ThumbnailRequest, charge: Charge, request_id: str = "") -> Flight[Capture]:
        """Join the capture of `request`, or start it.

        Raises what can be told at once: InvalidOption, a remembered failure of the same capture, and OverCapacity. The
        flight ends with a Capture, BlockedTarget, RateLimited, OverCapacity or a CaptureError.
        """
        self._camera.check(request.capture)
        if not request.delivery.fresh:
            self._raise_remembered(request)
        self.require_room(request)
        failed_since = time.time() if request.delivery.fresh else 0  # an older failure is nothing new
        since = self._newest_known(request) or datetime.now(UTC) - CLOCK_SKEW

        def work() -> Capture:
            # Who looked it up just before another flight landed must not pay for a second one.
            landed = None if request.delivery.fresh else self._recall(request, since, failed_since)
            return landed or self._capture(request, charge, request_id)

        def recall() -> Capture | None:
            return self._recall(request, since, failed_since)

        return self._coalescer.join(request.capture_key.digest, work, recall, self._limits.timeout + 5)

    @property
    def has_room(self) -> bool:
        """Whether a slot is free. Who is about to take one has none yet: first a name is looked up, which may hang."""
        with suppress(OverCapacity), self._slot():
            return True
        return False

    def require_room(self, request: ThumbnailRequest) -> None:
        """Raise what a flight would end with, where it could end in nothing else.

        Callers beyond what is possible must cost next to nothing. In this order: what lands meanwhile is known before
        it is no longer under way.
        """
        if self.has_room or self._coalescer.under_way(request.capture_key.digest):
            return
        if not self._cache.knows(request.rendition_key, request.capture_key):
            self._camera.check(request.capture)
            self._camera.require_open()
            raise OverCapacity(_FULL)

    def _newest_known(self, request: ThumbnailRequest) -> datetime | None:
        """For a caller who wants it fresh, only what is newer than all that is known will do."""
        return self.last_good(request) if request.delivery.fresh else None

    def _recall(self, request: ThumbnailRequest, since: datetime, failed_since: float) -> Capture | None:
        """Fetch what another process captured `since` then, or raise what it failed with (Unix seconds)."""
        picture = self._cache.get(request.capture_key, anew=True).picture
        if picture is not None and picture.captured_at > since:
            return Capture(picture)
        self._raise_remembered(request, failed_since)
        return None

    def _raise_remembered(self, request: ThumbnailRequest, since: float = 0) -> None:
        failure = self._cache.failure(request.capture_key, since)
        if failure is not None:
            raise failure

    def _capture(self, request: ThumbnailRequest, charge: Charge, request_id: str) -> Capture:
        """Do what only the leader does: judge the host, take a slot, charge, capture, keep."""
        self._camera.require_open()
        with self._slot():
            pass  # where there is none, the look-up of a name is not waited for
        self._judge(request.capture)
        began = time.monotonic()
        with self._slot():
            self._camera.admit(charge)
            picture = self._shoot_or_remember(request, request_id)
        ms = round((time.monotonic() - began) * 1000)
        picture = self._unless_unchanged(request, picture)
        self._keep(request, picture)
        return Capture(picture, ms)

    def _keep(self, request: ThumbnailRequest, picture: Picture) -> None:
        """Keep the master; one that is too large only for as long as those need who wait for it now."""
        keep = self._limits.keep_seconds
        if len(picture.body) > self._limits.keep_bytes:
            keep = min(keep, LARGE_SECONDS)
        if picture.suspect:
            keep = min(keep, SUSPECT_SECONDS)
        self._cache.put(request.capture_key, picture, keep)
        if not picture.suspect:
            self._cache.recover(request.capture_key, picture.captured_at, self._limits.good_seconds)

    def _judge(self, options: CaptureOptions) -> None:
        if self._guard is None:
            return
        verdict = self._guard.judge(*target_of(options.url)).verdict
        if verdict is Verdict.BUSY:
            raise OverCapacity("too many names are being looked up; try again in a few seconds")
        if not verdict.ok:
            raise BlockedTarget(NOT_PUBLIC, verdict=verdict)

    def _shoot_or_remember(self, request: ThumbnailRequest, request_id: str) -> Picture:
        try:
            return self._shoot_twice(request, request_id)
        except (CaptureError, BlockedTarget, InvalidOption) as err:
            seconds = min(max(err.retry_after or 0, PAGE_FAILURE_SECONDS), LONGEST_FAILURE)
            self._cache.fail(request.capture_key, err, seconds)
            raise

    def _unless_unchanged(self, request: ThumbnailRequest, new: Picture) -> Picture:
        """Keep the known bytes where the `new` ones differ in nothing visible: ETags stay, and browsers get 304s."""
        known = None if request.delivery.fresh or new.suspect else self.known(request).picture
        if known is None or known.suspect or not self._camera.same(request.capture, known, new):
            return new
        return replace(known, captured_at=new.captured_at)

    def _shoot_twice(self, request: ThumbnailRequest, request_id: str) -> Picture:
        """Try a suspect capture once more; it never replaces a good one."""
        deadline, background = time.monotonic() + self._limits.timeout, request.delivery.background
        picture = self._camera.shoot(request.capture, deadline, request_id, background=background)
        if not picture.suspect:
            return picture
        good = self.last_good(request) is not None
        if time.monotonic() < deadline - 1:
            # What there is, is more than nothing; but whoever had no turn for another look has not found the page bad.
            with suppress(CaptureError, *(() if good else (RateLimited,))):
                picture = self._camera.shoot(request.capture, deadline, request_id, background=background)
        if picture.suspect and good:
            raise CaptureFailed("the page came out blank or in another size")
        return picture

    @contextmanager
    def _slot(self) -> Iterator[None]:
        """Take one of the captures that may be in flight. Raises OverCapacity at once when there is none."""
        if not self._slots.acquire(blocking=False):
            raise OverCapacity(_FULL)
        try:
            yield
        finally:
            self._slots.release()
