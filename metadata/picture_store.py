"""Pictures that pages name, by their URLs: fetched once for all callers, read, and kept in Redis. No picture is kept too."""

import hashlib
import math
import time
from base64 import b64decode
from collections.abc import Callable
from concurrent.futures import TimeoutError as WaitTimeout
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import unquote

import structlog

import images
from coordination import CacheKeys, CacheRedis, Coalescer, LocalLeases, Work
from errors import Pending, ThumbnailError
from images import CpuPool, NotAPicture
from metadata.fetching import NotFetched, PictureFetcher

T = TypeVar("T")

_AT_ONCE = 32
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PictureKind:
    """A kind of pictures: what is kept of a file, how long a fetch may take (seconds) and how much it may bring (bytes).

    `read` may need memory for `pixels`, and raises NotAPicture. A picture is kept for `keep` seconds, and for `keep_none`
    that there is none. `name` is that of the kind in the log, and `key` names a picture in Redis by the digest of its URL.
    """

    name: str
    key: Callable[[CacheKeys, str], str]
    read: Callable[[bytes], bytes]
    most_bytes: int
    pixels: int
    fetch_seconds: float = 5.0
    keep: int = 86400
    keep_none: int = 3600


ICON = PictureKind("icon", CacheKeys.icon, images.read_icon, most_bytes=1 << 20, pixels=5 << 20)


class PictureStore:
    def __init__(self, kind: PictureKind, shared: CacheRedis, fetcher: PictureFetcher, cpu: CpuPool) -> None:
        self._kind = kind
        self._client = shared.client
        self._breaker = shared.breaker
        self._keys = shared.keys
        self._fetcher = fetcher
        self._cpu = cpu
        self._coalescer = Coalescer(LocalLeases(), _AT_ONCE)

    def get(self, url: str, charge: Callable[[], object], deadline: float = math.inf) -> bytes:
        """Return what is kept of the picture at `url`, b"" if there is none. `charge` is called before it is fetched or decoded.

        Raises what `charge` raises, OverCapacity, and Pending at the `deadline` (monotonic) of the caller.
        """
        try:
            self._fetcher.require_shown(url)
        except NotFetched:
            return b""
        kind = self._kind
        name = kind.key(self._keys, hashlib.sha256(url.encode()).hexdigest())
        known, _ = self._call(lambda: self._client.get(name))
        if isinstance(known, bytes):
            return known

        def fetch() -> bytes:
            known, _ = self._call(lambda: self._client.get(name))  # another fetch may have ended since the first look
            if isinstance(known, bytes):
                return known
            charge()
            picture = self._fetch(url)
            self._call(lambda: self._client.set(name, picture, ex=kind.keep if picture else kind.keep_none))
            return picture

        flight = self._coalescer.join(name, Work(fetch, follow=lambda: None), kind.fetch_seconds)
        left = max(deadline - time.monotonic(), 0)
        try:
            return flight.future.result(min(left, 2 * kind.fetch_seconds))
        except WaitTimeout:
            if left < 2 * kind.fetch_seconds and not flight.future.done():
                raise Pending(f"the {kind.name} is being fetched; try again in a few seconds") from None
            return b""
        except ThumbnailError:
            if flight.leading:
                raise
            return b""

    def drain(self, seconds: float) -> None:
        """Wait for fetches in progress."""
        self._coalescer.drain(seconds)

    def _fetch(self, url: str) -> bytes:
        kind = self._kind
        try:
            is_data = url.startswith("data:")
            body = _decoded(url) if is_data else self._fetcher.fetch(url, kind.fetch_seconds, kind.most_bytes)
            return self._cpu.run(lambda: kind.read(body), pixels=kind.pixels)
        except (NotFetched, NotAPicture) as err:
            _log.info("picture_refused", kind=kind.name, reason=str(err)[:200])
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
