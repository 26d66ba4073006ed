"""Remembers the pages during which the browser crashed, and refuses a page that crashes it repeatedly.

A page is its exact URL. A URL with another query string is another page, and may crash a browser of its own.
"""

import hashlib
import time
from collections.abc import Callable

from engine.errors import PageCrashed

MEMORY_SECONDS = 300
MEMORY_SIZE = 1024
# Two crashes with no other page open reach the limit. So do three crashes with one other page open each time.
LIMIT = 1.5


class CrashHistory:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._shares: dict[bytes, tuple[float, float]] = {}  # hash of a URL → its share of crashes, time of the last

    def record(self, url: str, open_pages: int) -> None:
        """Record a crash during which `open_pages` pages were open, one of them `url`."""
        key = _key(url)
        share = self._share(key) + 1 / open_pages
        self._shares.pop(key, None)  # moves it to the end: the oldest entry is evicted first
        self._shares[key] = share, self._clock()
        if len(self._shares) > MEMORY_SIZE:
            del self._shares[next(iter(self._shares))]

    def refuse_crasher(self, url: str) -> None:
        """Raise PageCrashed if `url` has crashed the browser repeatedly in the last minutes."""
        if self._share(_key(url)) >= LIMIT:
            raise PageCrashed("the page crashed the browser repeatedly: try again in five minutes")

    def _share(self, key: bytes) -> float:
        share, last = self._shares.get(key, (0.0, 0.0))
        return share if self._clock() < last + MEMORY_SECONDS else 0.0


def _key(url: str) -> bytes:
    return hashlib.sha256(url.encode()).digest()
