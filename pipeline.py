"""Thumbnailer: the one flow, cache → charge → capture → render → cache, and its ending in permanent storage.

Knows neither HTTP nor Flask; the worker runs the same flow as the web process.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import structlog

import imaging
from cache import PictureCache
from capture import CaptureClient
from errors import BlockedTarget, CaptureError, CaptureFailed, OverCapacity, RateLimited
from model import CaptureOptions, Key, Picture, ThumbnailRequest
from netguard import Guard
from storage import PictureStorage, Stored
from validation import NOT_PUBLIC, target_of

Charge = Callable[[], None]
_log = structlog.get_logger()


class CacheState(StrEnum):
    HIT = "HIT"
    MISS = "MISS"
    STALE = "STALE"
    BYPASS = "BYPASS"


@dataclass(frozen=True, slots=True)
class Served:
    """A picture on its way out: how it was come by, and for how many more seconds it counts as fresh."""

    picture: Picture
    cache: CacheState
    fresh_for: int


@dataclass(frozen=True, slots=True)
class Persisted:
    """A picture in permanent storage; `cached` where no capture was needed."""

    picture: Picture
    stored: Stored
    cached: bool


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long, in seconds, a capture may take, a picture counts as fresh, and is kept as stale after that."""

    capture_timeout: float = 60
    fresh: int = 86400
    stale: int = 604800


class Thumbnailer:
    def __init__(
        self,
        cache: PictureCache,
        client: CaptureClient,
        storage: PictureStorage,
        guard: Guard | None,
        lifetimes: Lifetimes,
        concurrency: int,
    ) -> None:
        """`guard` judges a host before it is captured; None leaves that to the screenshot API."""
        self._cache = cache
        self._client = client
        self._storage = storage
        self._guard = guard
        self._lifetimes = lifetimes
        self._slots = threading.BoundedSemaphore(concurrency)

    def get(self, request: ThumbnailRequest, charge: Charge, request_id: str = "") -> Served:
        """Answer `request` from the cache or by a capture, which alone is charged; `request_id` goes upstream with it.

        Raises BlockedTarget, InvalidOption, RateLimited, OverCapacity or a CaptureError; the last three only where
        there is no older picture to show instead.
        """
        found = self._cache.get(request.rendition_key)
        known = found.picture
        if known and self._fresh_for(known, request) > 0 and not request.delivery.fresh:
            return self._serve(known, CacheState.HIT, request)
        try:
            master, captured = self._master(request, charge, request_id)
        except (CaptureError, OverCapacity, RateLimited) as err:
            if known is None or request.delivery.fresh:
                raise
            _log.warning("served_stale", reason=err.code)
            return self._serve(known, CacheState.STALE, request)
        picture = self._render(master, request)
        state = CacheState.MISS if captured else CacheState.HIT
        return self._serve(picture, state if found.reachable else CacheState.BYPASS, request)

    def persist(self, request: ThumbnailRequest, charge: Charge, request_id: str = "") -> Persisted:
        """Put the picture of `request` into permanent storage. Raises what `get` raises, and StorageUnavailable."""
        served = self.get(request, charge, request_id)
        stored = self._storage.put(served.picture)
        return Persisted(served.picture, stored, served.cache in (CacheState.HIT, CacheState.STALE))

    def _master(self, request: ThumbnailRequest, charge: Charge, request_id: str) -> tuple[Picture, bool]:
        """Give the captured picture, and whether it had to be captured."""
        known = self._cache.get(request.capture_key).picture
        if known and self._fresh_for(known, request) > 0 and not request.delivery.fresh:
            return known, False
        self._client.check(request.capture, _format(request.capture))
        self._judge(request.capture)
        with self._slot():
            charge()
            master = self._capture(request.capture, request_id)
        self._keep(request.capture_key, master, request)
        return master, True

    def _judge(self, options: CaptureOptions) -> None:
        if self._guard is None:
            return
        verdict = self._guard.judge(*target_of(options.url)).verdict
        if not verdict.ok:
            raise BlockedTarget(NOT_PUBLIC, verdict=verdict)

    def _capture(self, options: CaptureOptions, request_id: str) -> Picture:
        began = time.monotonic()
        try:
            timeout = self._lifetimes.capture_timeout
            body = self._client.capture(options, _format(options), timeout=timeout, request_id=request_id)
            identity = imaging.identify(body)
            imaging.check_capture(identity, options)
        except imaging.NotAPicture as err:
            _log.warning("capture_refused", reason=str(err))
            raise CaptureFailed("the screenshot API did not send the picture that was asked for") from err
        finally:
            structlog.contextvars.bind_contextvars(capture_ms=round((time.monotonic() - began) * 1000))
        return Picture(body, identity.content_type, identity.width, identity.height, datetime.now(UTC))

    def _render(self, master: Picture, request: ThumbnailRequest) -> Picture:
        body, identity = imaging.render(master.body, request.rendition)
        picture = Picture(body, identity.content_type, identity.width, identity.height, master.captured_at)
        self._keep(request.rendition_key, picture, request)
        return picture

    def _keep(self, key: Key, picture: Picture, request: ThumbnailRequest) -> None:
        self._cache.put(key, picture, self._ttl(request) + self._lifetimes.stale)

    def _serve(self, picture: Picture, state: CacheState, request: ThumbnailRequest) -> Served:
        return Served(picture, state, max(self._fresh_for(picture, request), 0))

    def _fresh_for(self, picture: Picture, request: ThumbnailRequest) -> int:
        age = (datetime.now(UTC) - picture.captured_at).total_seconds()
        return int(self._ttl(request) - age)

    def _ttl(self, request: ThumbnailRequest) -> int:
        return request.delivery.ttl or self._lifetimes.fresh

    @contextmanager
    def _slot(self) -> Iterator[None]:
        """Take one of the captures that may be in flight. Raises OverCapacity at once when there is none."""
        if not self._slots.acquire(blocking=False):
            raise OverCapacity("too many captures are under way; try again in a few seconds")
        try:
            yield
        finally:
            self._slots.release()


def _format(options: CaptureOptions) -> str:
    """The master is lossless, so that every rendition is encoded but once."""
    return "pdf" if options.medium == "print" else "png"
