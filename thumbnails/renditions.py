"""Renditions: pictures made from originals. Callers that want the same one at the same time share the work.

A rendition costs no capture, but up to seconds of CPU time, and memory of the cache: its client is charged for it. Its
callers wait as they do for a capture.
"""

import time
from concurrent.futures import TimeoutError as WaitTimeout
from contextlib import nullcontext
from dataclasses import replace

import images
from coordination import Coalescer, Flight, LocalLeases, Work
from errors import CaptureFailed, OverCapacity, Pending, RateLimited
from images import CpuPool
from model import Picture, ThumbnailRequest
from options import SCREENSHOT
from telemetry import metrics, traces
from thumbnails.ask import Charge
from thumbnails.cache import PictureCache, is_as_captured
from thumbnails.freshness import Freshness
from thumbnails.shares import Seats

GRACE_SECONDS = 1.0  # small renditions take milliseconds: callers wait for them even if they wait for no capture
_LONGEST = 120.0  # seconds that a flight may wait for a core
_FLIGHTS = 64
_LARGE_AT_ONCE = 4
_LARGE_RESERVE = 2  # for clients that have none, so that one client cannot have all


class Renditions:
    def __init__(self, cache: PictureCache, cpu: CpuPool, freshness: Freshness) -> None:
        self._cache = cache
        self._cpu = cpu
        self._freshness = freshness
        self._small = Coalescer(LocalLeases(), _FLIGHTS, "rendition")
        # The seats bound how many are made. One that gets no seat is a flight for a moment, and takes no other's place.
        self._large = Coalescer(LocalLeases(), _FLIGHTS, "rendition")
        self._large_seats = Seats(_LARGE_AT_ONCE, _LARGE_RESERVE)

    def make(
        self,
        original: Picture,
        request: ThumbnailRequest,
        deadline: float,
        *,
        charge: Charge,
        known: Picture | None = None,
        captured: bool = False,
    ) -> Picture:
        """Return the rendition of `original` for `request` by `deadline` (monotonic).

        Returns `known` if it was made from the same original. A new one is charged. If the caller has `captured` the page
        for it, the capture has paid for it, and only bytes beyond those of a usual one are charged.

        Raises RateLimited, OverCapacity, Pending (the rendition is not ready yet) or CaptureFailed.
        """
        if known is not None and known.captured_at == original.captured_at:
            return known
        if is_as_captured(original, request):
            return self._keep_as_captured(original, request)
        large = self.is_large(original, request)
        while True:
            wait = max(deadline - time.monotonic(), 0 if large else GRACE_SECONDS)
            flight = self._join(original, request, charge, large=large, captured=captured)
            try:
                return flight.future.result(wait)
            except WaitTimeout:
                raise Pending("the picture is being rendered; try again in a few seconds") from None
            except (RateLimited, OverCapacity):
                if flight.leading:
                    raise
                # The leader's budget or share is used up, not this caller's, so this caller may lead the next flight.

    def make_in_background(self, original: Picture, request: ThumbnailRequest, charge: Charge) -> None:
        """Start to make the rendition that was captured for, and do not wait for it. Raises OverCapacity."""
        if is_as_captured(original, request):
            self._keep_as_captured(original, request)
            return
        self._join(original, request, charge, large=self.is_large(original, request), captured=True)

    def is_large(self, original: Picture, request: ThumbnailRequest) -> bool:
        """Return whether the rendition may take seconds, by the pixels decoded or encoded, whichever are more."""
        w, h = request.rendition.w or original.width, request.rendition.h or original.height
        if is_as_captured(original, request):
            return False
        return max(original.width * original.height, w * h) > self._cpu.LARGE_PIXELS

    def drain(self, seconds: float) -> None:
        """Wait for renditions in progress, at most `seconds` for each kind."""
        self._small.drain(seconds)
        self._large.drain(seconds)

    def _join(
        self, original: Picture, request: ThumbnailRequest, charge: Charge, *, large: bool, captured: bool
    ) -> Flight[Picture]:
        def lead() -> Picture:
            with self._large_seats.take(charge.client) if large else nullcontext(True) as seated:
                if not seated:
                    raise self._large_seats.refusal(charge.client, "large pictures being made")
                if not captured:
                    charge.rendition()
                picture = self._render(original, request, large=large)
            charge.rendition_bytes(len(picture.body))
            return picture

        coalescer = self._large if large else self._small
        key = f"{request.rendition_key.digest}:{original.captured_at.timestamp()}"
        return coalescer.join(key, Work(lead, follow=lambda: None), _LONGEST)

    def _render(self, original: Picture, request: ThumbnailRequest, *, large: bool) -> Picture:
        held = images.pixels_held((original.width, original.height), request.rendition)
        provenance = _provenance(original, request) if request.rendition.provenance else None

        def render() -> tuple[bytes, images.Identity]:
            return images.make_rendition(original.body, request.rendition, original.pixels, provenance)

        try:
            with traces.span("render"), self._cpu.slot(large=large), metrics.RENDITION_SECONDS.timed():
                body, identity = self._cpu.run(render, pixels=max(held, images.pixels_decoding(original.body)))
        except images.NotAPicture as err:
            raise CaptureFailed("the captured picture cannot be decoded; try again later") from err
        picture = Picture(
            body,
            identity.content_type,
            identity.width,
            identity.height,
            original.captured_at,
            suspect=original.suspect,
            notes=original.notes,
            captured_by=original.captured_by,
        )
        self._cache.put_rendition(request, picture, self._freshness.keep(picture, request))
        return picture

    def _keep_as_captured(self, original: Picture, request: ThumbnailRequest) -> Picture:
        picture = replace(original, pixels=b"")
        self._cache.put_rendition(request, picture, self._freshness.keep(picture, request), as_captured=True)
        return picture


def _provenance(original: Picture, request: ThumbnailRequest) -> images.Provenance:
    return images.Provenance(
        url=images.public_address(request.target.url),
        final_url=images.public_address(original.page.url if original.page else ""),
        captured_at=original.captured_at,
        captured_by=original.captured_by,
        screenshot=request.capture.image == SCREENSHOT,
    )
