"""The flow: from a request to a picture, by the cache, a rendition, or a capture; and from there to permanent storage.

Knows no HTTP. The worker runs the same flow as the web process.
"""

import time
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as WaitTimeout
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from errors import CaptureError, CaptureFailed, OverCapacity, PageOptedOut, Pending, RateLimited, ThumbnailError
from model import Picture, ThumbnailRequest
from storage import PictureStorage
from thumbnails.ask import Ask
from thumbnails.cache import PictureCache
from thumbnails.freshness import Freshness
from thumbnails.known import Known
from thumbnails.originals import Captured, Originals
from thumbnails.renditions import Renditions
from thumbnails.schemes import Schemes
from thumbnails.served import CacheState, Persisted, Served
from thumbnails.shares import Seats

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class WaitLimits:
    """How many `callers` may wait for captures, and for how many `seconds` each, unless a caller sends `wait`.

    A sixth as many, but at least eight, may wait for large renditions. Captures cannot take these seats. For clients that
    hold few seats, there are a sixth more of each.
    """

    callers: int
    seconds: float = 60


class Thumbnailer:
    def __init__(  # noqa: PLR0913 - each is another part of the flow
        self,
        cache: PictureCache,
        originals: Originals,
        renditions: Renditions,
        storage: PictureStorage,
        freshness: Freshness,
        waiting: WaitLimits,
        *,
        schemes: Schemes,
    ) -> None:
        self._cache = cache
        self._originals = originals
        self._renditions = renditions
        self._storage = storage
        self._freshness = freshness
        self._schemes = schemes
        self._timeout = waiting.seconds
        self._capture_seats = _seats(waiting.callers)
        self._rendition_seats = _seats(max(waiting.callers // 6, 8))

    def look_up(self, request: ThumbnailRequest) -> Known:
        """Look `request` up in the cache, with at most one call to Redis."""
        return self._cache.look_up(request)

    def hit(self, request: ThumbnailRequest, known: Known) -> Served | None:
        """Return the cached rendition if it is fresh and the page was not recaptured since."""
        if request.delivery.fresh or known.rendition is None or known.outdated:
            return None
        served = self._serve(known.rendition, CacheState.HIT, request)
        return served if served.fresh_for > 0 else None

    def settle(self, request: ThumbnailRequest) -> ThumbnailRequest:
        """Return the request for the page that is known to answer, for one whose caller wrote no scheme."""
        return self._schemes.settle(request)

    def get(self, ask: Ask, known: Known | None = None, *, stale_ok: bool = True) -> Served:
        """Return a fresh picture, or a stale one while the page is recaptured, or else wait for a capture.

        `known` is what was just looked up. Only captures and new renditions are charged. Raises InvalidOption or
        BlockedTarget; and, without a stale picture that may be shown instead, RateLimited, OverCapacity, Pending or a
        CaptureError.
        """
        if ask.request.delivery.http_too:
            return self._schemes.first_that_answers(ask, lambda tried: self._get(tried, None, stale_ok=stale_ok))
        return self._get(ask, known, stale_ok=stale_ok)

    def _get(self, ask: Ask, known: Known | None, *, stale_ok: bool) -> Served:
        request = ask.request
        known = known or self._cache.look_up(request)
        hit = self.hit(request, known)
        if hit is not None:
            return hit
        known = known if known.complete else self._cache.look_up(request, reload=True)

        if not request.delivery.fresh:
            # A fresh original makes any rendition. Without one, an outdated rendition that is still fresh will do.
            original = self._find_original(request, known)
            known = known.with_original(original)
            if original and not known.supersedes(original) and self._freshness.is_fresh(original, request):
                return self._serve_from(original, known, ask)
            if known.rendition is not None and self._freshness.is_fresh(known.rendition, request):
                self._cache.trust(request, known.rendition)
                return self._serve(known.rendition, CacheState.HIT, request)

            # A stale picture is served at once. Its page is captured again in the background.
            stale = self._stale(original, known, ask) if stale_ok else None
            if stale is not None:
                self._refresh_in_background(ask, known)
                return self._serve(stale, CacheState.STALE, request)

        # There is no picture to show, or the caller wants a new one. The caller waits for a capture.
        try:
            return self._capture(ask, known)
        except (RateLimited, OverCapacity, Pending, CaptureError) as err:
            may_be_stale = request.delivery.fresh and stale_ok and not isinstance(err, PageOptedOut)
            stale = self._stale(self._find_original(request, known), known, ask) if may_be_stale else None
            if stale is None:
                raise
            _log.info("refresh_refused", reason=err.code)
            return self._serve(stale, CacheState.STALE, request)

    @property
    def reads_pages(self) -> bool:
        """Whether captures tell what pages say of themselves: a hosted screenshot API gives a picture alone."""
        return self._originals.reads_pages

    def get_original(self, ask: Ask, *, stale_ok: bool = True) -> Served:
        """Return the captured page as `get` returns a picture of it, with what the page says of itself. Renders nothing.

        An original of an older version, which lacks that, is captured again. Raises as `get`.
        """
        if ask.request.delivery.http_too:
            return self._schemes.first_that_answers(ask, lambda tried: self._get_original(tried, stale_ok=stale_ok))
        return self._get_original(ask, stale_ok=stale_ok)

    def _get_original(self, ask: Ask, *, stale_ok: bool) -> Served:
        request = ask.request
        known, original = self._originals.find(request)
        if original is not None and not request.delivery.fresh:
            if not known.supersedes(original) and self._freshness.is_fresh(original, request):
                return self._serve(original, CacheState.HIT, request)
            if stale_ok:
                self._refresh_in_background(ask, known, renders=False)
                return self._serve(original, CacheState.STALE, request)
        try:
            with self._seat_or_no_wait(ask, self._capture_seats, "callers that wait for captures") as deadline:
                _, captured = self._wait_for_capture(ask, known, deadline, renders=False)
        except (RateLimited, OverCapacity, Pending, CaptureError) as err:
            may_be_stale = request.delivery.fresh and stale_ok and not isinstance(err, PageOptedOut)
            if original is None or not may_be_stale:
                raise
            _log.info("refresh_refused", reason=err.code)
            return self._serve(original, CacheState.STALE, request)
        return self._serve(captured.original, CacheState.MISS, request, captured.ms)

    def _capture(self, ask: Ask, known: Known) -> Served:
        """Wait for the capture of the page, and return its rendition. Raises Pending when the caller's time is up."""
        request, state = ask.request, CacheState.MISS if known.reachable else CacheState.BYPASS
        with self._seat_or_no_wait(ask, self._capture_seats, "callers that wait for captures") as deadline:
            leading, captured = self._wait_for_capture(ask, known, deadline)
            # A follower may find that the leader has made the same rendition.
            made = None if leading and captured.ms is not None else self._cache.rendition(request)
            picture = self._renditions.make(
                captured.original, request, deadline, known=made, charge=ask.charge, captured=leading
            )
        return self._serve(picture, state, request, captured.ms)

    def _wait_for_capture(
        self, ask: Ask, known: Known, deadline: float, *, renders: bool = True
    ) -> tuple[bool, Captured]:
        """Wait for the capture of the page until `deadline`, and return whether this caller leads it. Raises Pending.

        If the caller's time is up, the capture goes on, and its rendition is made in the background where it `renders`.
        """
        while True:
            flight = self._originals.join(ask, known)
            try:
                return flight.leading, flight.future.result(max(deadline - time.monotonic(), 0))
            except WaitTimeout:
                if flight.leading and renders:
                    flight.future.add_done_callback(lambda landed: self._render_in_background(landed, ask))
                raise Pending("the page is being captured; try again in a few seconds") from None
            except RateLimited:
                if flight.leading:
                    raise
                # The leader's budget is used up, not this caller's, so this caller may lead the next flight.

    def _serve_from(self, original: Picture, known: Known, ask: Ask) -> Served:
        """Serve the rendition of a fresh original, or an outdated one if the client's budget of renditions is used up."""
        try:
            return self._serve(self._render(original, known, ask), CacheState.HIT, ask.request)
        except RateLimited:
            if known.rendition is None:
                raise
            return self._serve(known.rendition, CacheState.STALE, ask.request)

    def _render(self, original: Picture, known: Known, ask: Ask) -> Picture:
        """Make the rendition of a known original. A small one takes milliseconds and needs no seat."""
        request = ask.request
        if not self._renditions.is_large(original, request):
            return self._renditions.make(
                original, request, self._deadline(request), known=known.rendition, charge=ask.charge
            )
        with self._seat_or_no_wait(ask, self._rendition_seats, "callers that wait for large pictures") as deadline:
            return self._renditions.make(original, request, deadline, known=known.rendition, charge=ask.charge)

    def _find_original(self, request: ThumbnailRequest, known: Known) -> Picture | None:
        """Look the original up if it can be there. Redis may have evicted only the note of when it was captured."""
        if known.original is None and known.rendition is not None:
            return None
        return self._cache.original(request)

    def _stale(self, original: Picture | None, known: Known, ask: Ask) -> Picture | None:
        if known.rendition is not None or original is None:
            return known.rendition
        return self._render(original, known, ask)

    def _refresh_in_background(self, ask: Ask, known: Known, *, renders: bool = True) -> None:
        """Start a capture for which no caller waits. If it cannot start, the next try is some seconds later."""
        if self._cache.is_backing_off(ask.request, ask.charge.client):
            return
        try:
            flight = self._originals.join(ask, known)
        except ThumbnailError as err:
            self._back_off(ask, err)
            return
        if flight.leading and renders:
            flight.future.add_done_callback(lambda landed: self._render_in_background(landed, ask))

    def _render_in_background(self, landed: "Future[Captured]", ask: Ask) -> None:
        """Make the requested rendition from a capture for which no caller waits any more."""
        try:
            self._renditions.make_in_background(landed.result().original, ask.request, ask.charge)
        except (ThumbnailError, TimeoutError) as err:
            self._back_off(ask, err)

    def _back_off(self, ask: Ask, err: ThumbnailError | TimeoutError) -> None:
        """Try no refresh of the page for some seconds: for this client if its budget is used up, else for all clients."""
        self._cache.back_off(ask.request, ask.charge.client if isinstance(err, RateLimited) else "")
        _log.info("refresh_refused", reason=getattr(err, "code", type(err).__name__))

    def require_room(self, request: ThumbnailRequest, client: str) -> None:
        """Raise RateLimited, OverCapacity, InvalidOption or a CaptureError if `get` would certainly raise it."""
        self._originals.require_room(request, client)

    def has_picture(self, request: ThumbnailRequest) -> bool:
        """Return whether `get` has a picture to show, fresh or stale, without waiting for a capture."""
        if request.delivery.fresh:
            return False
        known = self._cache.look_up(request)
        return known.rendition is not None or self._cache.original(request) is not None

    def forget_failure(self, request: ThumbnailRequest, before: float) -> None:
        """Forget a failure of the page from before `before` (Unix seconds), for a caller that retries after a pause.

        A later failure is kept, since a retry would show the same.
        """
        self._cache.forget_failure(request, before)

    def persist(self, ask: Ask, *, stale_ok: bool = True) -> Persisted:
        """Put the picture into permanent storage. Its bytes are charged, unless it is there already.

        Raises what `get_lasting` raises, RateLimited, StorageFull and StorageUnavailable.
        """
        served = self.get_lasting(ask, stale_ok=stale_ok)
        size, created = len(served.picture.body), False
        ask.charge.reserve_storage(size)
        try:
            stored = self._storage.put(served.picture)
            created = stored.created
        finally:
            if not created:
                ask.charge.release_storage(size)
        return Persisted(served.picture, stored, served.cache)

    def get_lasting(self, ask: Ask, *, stale_ok: bool = True) -> Served:
        """Return a picture that may be stored. Raises what `get` raises, and CaptureFailed for a suspect picture."""
        served = self.get(ask, stale_ok=stale_ok)
        _require_lasting(served.picture)
        return served

    def captured_since(self, request: ThumbnailRequest, then: datetime) -> bool:
        """Return whether a good capture of the page was made after `then`."""
        info = self._cache.info(request)
        return info is not None and not info.suspect and info.captured_at > then

    def recapture(self, ask: Ask, then: datetime) -> bool:
        """Recapture the page unless it was captured after `then`. Return whether it was recaptured. Renders nothing.

        Raises what a capture raises: BlockedTarget, InvalidOption, RateLimited, OverCapacity or a CaptureError.
        """
        known = self._cache.look_up(ask.request, reload=True)
        if known.original and not known.original.suspect and known.original.captured_at > then:
            return False
        self._originals.join(ask, known).future.result(self._timeout)
        return True

    def capture_since(self, ask: Ask, then: datetime) -> tuple[Picture, bool]:
        """Return the original that was captured after `then`, if need be now, and whether it was. Renders nothing.

        Raises what `recapture` raises, and CaptureFailed for a suspect picture.
        """
        known = self._cache.look_up(ask.request, reload=True)
        if known.original and not known.original.suspect and known.original.captured_at > then:
            original = self._cache.original(ask.request, reload=True)
            if original is not None and not original.suspect and original.captured_at > then:
                return original, False
        captured = self._originals.join(ask, known).future.result(self._timeout)
        if captured.original.captured_at <= then:  # another process has just captured it, but not for this caller
            fresh = replace(ask.request, delivery=replace(ask.request.delivery, fresh=True))
            known = self._cache.look_up(fresh, reload=True)
            captured = self._originals.join(replace(ask, request=fresh), known).future.result(self._timeout)
        _require_lasting(captured.original)
        return captured.original, True

    @contextmanager
    def seat(self, client: str) -> Iterator[bool]:
        """Take one of the seats for waiting callers while the block runs. Yields False if none is free for `client`."""
        with self._capture_seats.take(client) as seated:
            yield seated

    @contextmanager
    def _seat_or_no_wait(self, ask: Ask, seats: Seats, what: str) -> Iterator[float]:
        """Take a seat, and yield the time (monotonic) until which the caller waits. Raises RateLimited or OverCapacity.

        A caller that sends `wait` needs no seat: without one, it gets Pending at once.
        """
        with seats.take(ask.charge.client) as seated:
            if not seated and ask.request.delivery.wait is None:
                raise seats.refusal(ask.charge.client, what)
            yield self._deadline(ask.request) if seated else time.monotonic()

    def _deadline(self, request: ThumbnailRequest) -> float:
        wait = request.delivery.wait
        return time.monotonic() + (self._timeout if wait is None else wait)

    def _serve(
        self, picture: Picture, state: CacheState, request: ThumbnailRequest, capture_ms: int | None = None
    ) -> Served:
        fresh_for = max(self._freshness.fresh_for(picture, request), 0)
        return Served(picture, state, fresh_for, capture_ms, private=request.private)


def _seats(size: int) -> Seats:
    return Seats(size, reserve=max(size // 6, 1))


def _require_lasting(picture: Picture) -> None:
    if picture.suspect:
        raise CaptureFailed(
            "the captured picture is blank, unfinished or of another size than requested, so it was not stored; "
            "try again later"
        )
