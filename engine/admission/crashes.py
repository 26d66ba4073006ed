"""Remembers pages under which the browser died: one that kills it each time must not keep the others from theirs.

A page is its exact URL: one that is asked for with another `?n=` each time is a new page, and costs a browser again.
"""

import hashlib
import time
from collections.abc import Callable

from engine.errors import PageFailed

MEMORY_SECONDS = 300
MEMORY_SIZE = 1024
# A page that was alone is guilty of the second death, one that always shared the browser with another of the third.
GUILT = 1.5


class CrashHistory:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._guilt: dict[bytes, tuple[float, float]] = {}  # hash of a URL → its share in deaths, and when the last was

    def accuse(self, url: str, company: int) -> None:
        """The browser died with `company` pages open in that moment, one of them `url`."""
        key = _key(url)
        guilt = self._share(key) + 1 / company
        self._guilt.pop(key, None)  # to the end: the oldest is forgotten first
        self._guilt[key] = guilt, self._clock()
        if len(self._guilt) > MEMORY_SIZE:
            del self._guilt[next(iter(self._guilt))]

    def check(self, url: str) -> None:
        """Raises PageFailed for a page that has killed browsers in the last minutes."""
        if self._share(_key(url)) >= GUILT:
            raise PageFailed("the page ended the browser each time: try again in some minutes")

    def _share(self, key: bytes) -> float:
        guilt, last = self._guilt.get(key, (0.0, 0.0))
        return guilt if self._clock() < last + MEMORY_SECONDS else 0.0


def _key(url: str) -> bytes:
    return hashlib.sha256(url.encode()).digest()
