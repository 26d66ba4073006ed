"""Icons by their URLs: fetched once for all callers, decoded, and kept in Redis as PNGs. No icon is kept too, for an hour."""

import hashlib
import math
import time
from base64 import b64decode
from collections.abc import Callable
from concurrent.futures import TimeoutError as WaitTimeout
from typing import TypeVar
from urllib.parse import unquote

import structlog

import images
from coordination import CacheRedis, Coalescer, LocalLeases, Work
from errors import Pending, ThumbnailError
from images import CpuPool, NotAPicture
from metadata.fetching import NotFetched, PictureFetcher

T = TypeVar("T")

KEEP_SECONDS, KEEP_NONE_SECONDS = 86400, 3600
FETCH_SECONDS = 5.0
MOST_BYTES = 1 << 20
_AT_ONCE = 32
_PIXELS = 1 << 20
_log = structlog.get_logger()


class IconStore:
    def __init__(self, shared: CacheRedis, fetcher: PictureFetcher, cpu: CpuPool) -> None:
        self._client = shared.client
        self._breaker = shared.breaker
        self._keys = shared.keys
        self._fetcher = fetcher
        self._cpu = cpu
        self._coalescer = Coalescer(LocalLeases(), _AT_ONCE)

    def get(self, url: str, charge: Callable[[], object], deadline: float = math.inf) -> bytes:
        """Return the icon at `url` as a PNG, b"" if there is none. `charge` is called before it is fetched or decoded.

        Raises what `charge` raises, OverCapacity, and Pending at the `deadline` (monotonic) of the caller.
        """
        try:
            self._fetcher.require_shown(url)
        except NotFetched:
            return b""
        name = self._keys.icon(hashlib.sha256(url.encode()).hexdigest())
        known, _ = self._call(lambda: self._client.get(name))
        if isinstance(known, bytes):
            return known

        def fetch() -> bytes:
            charge()
            icon = self._fetch(url)
            seconds = KEEP_SECONDS if icon else KEEP_NONE_SECONDS
            self._call(lambda: self._client.set(name, icon, ex=seconds))
            return icon

        flight = self._coalescer.join(name, Work(fetch, follow=lambda: None), FETCH_SECONDS)
        left = max(deadline - time.monotonic(), 0)
        try:
            return flight.future.result(min(left, 2 * FETCH_SECONDS))
        except WaitTimeout:
            if left < 2 * FETCH_SECONDS and not flight.future.done():
                raise Pending("the icon is being fetched; try again in a few seconds") from None
            return b""
        except ThumbnailError:
            if flight.leading:
                raise
            return b""

    def drain(self, seconds: float) -> None:
        """Wait for fetches in progress."""
        self._coalescer.drain(seconds)

    def _fetch(self, url: str) -> bytes:
        try:
            is_data = url.startswith("data:")
            body = _decoded(url) if is_data else self._fetcher.fetch(url, FETCH_SECONDS, MOST_BYTES)
            return self._cpu.run(lambda: images.read_icon(body), pixels=_PIXELS)
        except (NotFetched, NotAPicture) as err:
            _log.info("icon_refused", reason=str(err)[:200])
            return b""

    def _call(self, command: Callable[[], T]) -> tuple[T | None, bool]:
        return self._breaker.call("cache_unreachable", command)


def _decoded(url: str) -> bytes:
    """Return what a data URL in base64 holds. As for browsers, it may have blanks and no padding."""
    data = "".join(unquote(url.partition(",")[2]).split()).rstrip("=")
    try:
        return b64decode(data + "=" * (-len(data) % 4))
    except ValueError:
        raise NotFetched("no base64") from None
