"""Thumbnailer: the one flow, cache → master → render → cache, and its ending in permanent storage.

Knows neither HTTP nor Flask; the worker runs the same flow as the web process.
"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as WaitTimeout
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache

import structlog

from capture.api import Charge
from errors import CaptureError, CaptureFailed, OverCapacity, Pending, RateLimited, ThumbnailError
from model import Picture, ThumbnailRequest
from storage import PictureStorage, Stored
from thumbnails.cache import Found, PictureCache
from thumbnails.originals import Capture, Masters
from thumbnails.renditions import Lifetimes, Renditions

_log = structlog.get_logger()


class CacheState(StrEnum):
    HIT = "HIT"
    MISS = "MISS"
    STALE = "STALE"
    BYPASS = "BYPASS"


@dataclass(frozen=True, slots=True)
class Served:
    """A picture on its way out: how it was come by, for how many more seconds it is fresh, what the capture took."""

    picture: Picture
    cache: CacheState
    fresh_for: int
    capture_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a request: its rendition, and its master, which is looked up when it is first asked for."""

    found: Found
    master: Callable[[], Picture | None]


@dataclass(frozen=True, slots=True)
class Persisted:
    """A picture in permanent storage; `cached` where no capture was needed."""

    picture: Picture
    stored: Stored
    cached: bool


class Thumbnailer:
    def __init__(
        self,
        cache: PictureCache,
        masters: Masters,
        renditions: Renditions,
        storage: PictureStorage,
        lifetimes: Lifetimes,
        waiters: int,
    ) -> None:
        """`waiters` callers at the most wait for captures, and a sixth of that (eight at least) for large renditions of
        known pages: the room that is left is for what is known.
        """
        self._cache = cache
        self._masters = masters
        self._renditions = renditions
        self._storage = storage
        self._lifetimes = lifetimes
        self._waiters = threading.BoundedSemaphore(waiters)
        self._viewers = threading.BoundedSemaphore(max(waiters // 6, 8))

    def known(self, request: ThumbnailRequest) -> Served | None:
        """Give the picture of `request` if it is known and fresh: the one question a hit costs."""
        if request.delivery.fresh:
            return None
        found = self._cache.get(request.rendition_key, master=request.capture_key)
        if found.picture is None or found.outdated:
            return None
        fresh_for = self._lifetimes.fresh_for(found.picture, request)
        return Served(found.picture, CacheState.HIT, fresh_for) if fresh_for > 0 else None

    def require_room(self, request: ThumbnailRequest) -> None:
        """Raise OverCapacity, InvalidOption or a CaptureError where `get` could do nothing else."""
        self._masters.require_room(request)

    def get(self, request: ThumbnailRequest, charge: Charge, request_id: str = "") -> Served:
        """Answer `request`: what is known and fresh, what is known and stale while it is captured anew, or a capture.

        Only a capture is charged. Raises BlockedTarget or InvalidOption; RateLimited, OverCapacity, Pending or a
        CaptureError only where there is no older picture to show instead.
        """
        known = self._look_up(request)
        if request.delivery.fresh:
            return self._capture_or_older(known, request, charge, request_id)
        fresh = self._find_fresh(known, request)
        if fresh is not None:
            return self._serve(fresh, CacheState.HIT, request)
        older = self._find_older(known, request)
        if older is not None:
            self._refresh_behind(request, charge, request_id)
            return self._serve(older, CacheState.STALE, request)
        return self._capture(known.found, request, charge, request_id)

    def _look_up(self, request: ThumbnailRequest) -> Known:
        found = self._cache.get(request.rendition_key, master=request.capture_key)
        return Known(found, cache(lambda: self._masters.known(request).picture))

    def _find_fresh(self, known: Known, request: ThumbnailRequest) -> Picture | None:
        """The rendition, or one made from the master; the former, too, if it is outdated and its master is gone."""
        found = known.found
        fresh = found.picture is not None and self._lifetimes.fresh_for(found.picture, request) > 0
        if fresh and not found.outdated:
            return found.picture
        master = known.master()
        if master is not None and self._lifetimes.fresh_for(master, request) > 0:
            return self._render(master, request)
        if not fresh or found.picture is None:
            return None
        self._cache.trust(request.rendition_key, found.picture)
        return found.picture

    def _find_older(self, known: Known, request: ThumbnailRequest) -> Picture | None:
        master = None if known.found.picture else known.master()
        return self._render(master, request) if master else known.found.picture

    def _capture(self, found: Found, request: ThumbnailRequest, charge: Charge, request_id: str) -> Served:
        state = CacheState.MISS if found.reachable else CacheState.BYPASS
        with self._waiting(request, self._waiters) as deadline:
            capture = self._await(request, charge, request_id, deadline)
            picture = self._renditions.make(capture.picture, request, deadline)
        return self._serve(picture, state, request, capture.ms)

    def _render(self, master: Picture, request: ThumbnailRequest) -> Picture:
        """Make it from a known master, however many wait for captures; a small one, made in milliseconds, without a seat."""
        if not self._renditions.is_large(master, request):
            return self._renditions.make(master, request, self._deadline(request))
        with self._waiting(request, self._viewers) as deadline:
            return self._renditions.make(master, request, deadline)

    def _capture_or_older(self, known: Known, request: ThumbnailRequest, charge: Charge, request_id: str) -> Served:
        try:
            return self._capture(known.found, request, charge, request_id)
        except (RateLimited, OverCapacity, Pending, CaptureError) as err:
            older = self._find_older(known, request)
            if older is None:
                raise
            _log.info("refresh_refused", reason=err.code)
            return self._serve(older, CacheState.STALE, request)

    def obtain(self, request: ThumbnailRequest, charge: Charge, request_id: str = "") -> Served:
        """Give a picture that is fresh, captured now if need be: for whoever would rather wait than be shown an older one.

        Raises BlockedTarget, InvalidOption, RateLimited, OverCapacity, Pending or a CaptureError.
        """
        known = self._look_up(request)
        fresh = None if request.delivery.fresh else self._find_fresh(known, request)
        if fresh is not None:
            return self._serve(fresh, CacheState.HIT, request)
        return self._capture(known.found, request, charge, request_id)

    def holds(self, request: ThumbnailRequest) -> bool:
        """Tell whether there is anything to show, fresh or old, without a capture that somebody waits for."""
        if request.delivery.fresh:
            return False
        known = self._look_up(request)
        return known.found.picture is not None or known.master() is not None

    def forgive(self, request: ThumbnailRequest, then: float) -> None:
        """Forget that the page failed before `then` (Unix seconds): this caller has waited since, and means to try again.

        What failed later is news to him, too, and as good as a try of his own.
        """
        self._masters.forgive(request, then)

    def persist(
        self, request: ThumbnailRequest, charge: Charge, request_id: str = "", *, patient: bool = False
    ) -> Persisted:
        """Put the picture of `request` into permanent storage; `patient` for no older one than `obtain` gives.

        Raises what `get` or `obtain` raises, and StorageUnavailable.
        """
        served = (self.obtain if patient else self.get)(request, charge, request_id)
        if served.picture.suspect:
            raise CaptureFailed("the page came out blank or in another size: that is not kept for ever")
        stored = self._storage.put(served.picture)
        return Persisted(served.picture, stored, served.cache in (CacheState.HIT, CacheState.STALE))

    def captured_since(self, request: ThumbnailRequest, then: datetime) -> bool:
        """Tell whether the page was captured well after `then`."""
        last = self._masters.last_good(request)
        return last is not None and last > then

    def recapture(self, request: ThumbnailRequest, then: datetime, charge: Charge, request_id: str = "") -> bool:
        """Capture the page anew unless it was captured since `then`; tell whether it was. Nothing is rendered.

        Raises what a capture may: BlockedTarget, InvalidOption, RateLimited, OverCapacity or a CaptureError.
        """
        if self.captured_since(request, then):
            return False
        flight = self._masters.join(request, charge, request_id)
        flight.future.result(self._lifetimes.patience)
        return True

    def _refresh_behind(self, request: ThumbnailRequest, charge: Charge, request_id: str) -> None:
        """Start a capture that nobody waits for; what stands in its way leaves the old picture as it is.

        And stands there for whoever looks at it in the next seconds: finding that out costs a look-up of the name.
        """
        if self._cache.rests(request.capture_key, charge.client):
            return
        try:
            flight = self._masters.join(request, charge, request_id)
        except ThumbnailError as err:
            self._rest(request, charge, err)
            return
        if flight.leading:
            flight.future.add_done_callback(lambda landed: self._render_behind(landed, request, charge))

    def _render_behind(self, landed: "Future[Capture]", request: ThumbnailRequest, charge: Charge) -> None:
        """Make what was asked for from a capture that nobody waited for."""
        try:
            self._renditions.make_behind(landed.result().picture, request)
        except (ThumbnailError, TimeoutError) as err:
            self._rest(request, charge, err)

    def _rest(self, request: ThumbnailRequest, charge: Charge, err: ThumbnailError | TimeoutError) -> None:
        """Leave the page alone for seconds; whoever has used up a budget, for that client only."""
        self._cache.rest(request.capture_key, charge.client if isinstance(err, RateLimited) else "")
        _log.info("refresh_refused", reason=getattr(err, "code", type(err).__name__))

    @contextmanager
    def _waiting(self, request: ThumbnailRequest, seats: threading.BoundedSemaphore) -> Iterator[float]:
        """Take a seat, and give the moment (monotonic) until which this caller waits. Raises OverCapacity."""
        with _seat(seats) as seated:
            if not seated and request.delivery.wait is None:
                raise OverCapacity("too many callers wait for pictures; try again in a few seconds")
            yield self._deadline(request) if seated else time.monotonic()

    def _deadline(self, request: ThumbnailRequest) -> float:
        wait = request.delivery.wait
        return time.monotonic() + (self._lifetimes.patience if wait is None else wait)

    def seat(self) -> AbstractContextManager[bool]:
        """Take a waiter's seat for as long as the block lasts; False where none is free."""
        return _seat(self._waiters)

    def _await(self, request: ThumbnailRequest, charge: Charge, request_id: str, deadline: float) -> Capture:
        """Wait for the capture until `deadline`. Raises Pending when it takes longer."""
        while True:
            flight = self._masters.join(request, charge, request_id)
            try:
                return flight.future.result(max(deadline - time.monotonic(), 0))
            except WaitTimeout:
                if flight.leading:
                    flight.future.add_done_callback(lambda landed: self._render_behind(landed, request, charge))
                raise Pending("the page is being captured; ask again in a few seconds") from None
            except RateLimited:
                if flight.leading:
                    raise
                # The leader's budget is not ours: whoever has some left leads the next flight.

    def _serve(
        self, picture: Picture, state: CacheState, request: ThumbnailRequest, capture_ms: int | None = None
    ) -> Served:
        return Served(picture, state, max(self._lifetimes.fresh_for(picture, request), 0), capture_ms)


@contextmanager
def _seat(seats: threading.BoundedSemaphore) -> Iterator[bool]:
    seated = seats.acquire(blocking=False)
    try:
        yield seated
    finally:
        if seated:
            seats.release()
