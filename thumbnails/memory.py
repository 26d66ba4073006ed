"""Pictures in the memory of one process, within a number of bytes, by a segmented LRU.

A picture that is recalled is protected: those that were requested once are dropped before it. So a hundred rare pictures
do not cost a popular one its place. A picture is trusted for seconds; where Redis reports changes, for half an hour, or
until it reports that the picture or its page changed. Judges no freshness.
"""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from coordination import KeyTracking
from model import Key, Picture
from telemetry import metrics

TRUST_SECONDS = 3.0  # how long a picture is used without asking Redis, while Redis reports no changes
# How long it is used while Redis reports changes. A picture that is its original has no key in Redis, so its removal is
# not reported. The mark of a purge hides it, and is kept for longer than this.
TRACKED_SECONDS = 1800.0
# Each minute, Redis learns which pictures are in use, or it would evict those that are used most. One call names up to
# _USED_AT_ONCE of them. Fewer wait _USED_WAIT seconds for others.
USED_SECONDS = 60.0
_USED_AT_ONCE, _USED_WAIT = 64, 5.0
_OVERHEAD = 1024  # bytes of an entry besides its picture
_PROTECTED = 0.8  # of the bytes. By Zipf's law, a fifth for newcomers drops the fewest that are requested again.


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment before a read or a write. What was read is trusted if no change was reported since."""

    epoch: int
    changes: int


@dataclass(slots=True)
class _Entry:
    canonical: str
    picture: Picture
    page: str  # the digest of the capture's key
    at: float  # monotonic
    epoch: int  # that of the tracking; 0 if it is trusted for seconds only
    told_at: float  # monotonic: when Redis last saw that it is used

    @property
    def size(self) -> int:
        return len(self.picture.body) + len(self.picture.pixels) + _OVERHEAD


class PictureMemory:
    def __init__(
        self, max_bytes: int, tracking: KeyTracking | None = None, trust_seconds: float = TRUST_SECONDS
    ) -> None:
        self.max_bytes = max_bytes
        self._tracking = tracking
        self._trust_seconds = trust_seconds
        self._lock = threading.Lock()
        # The two segments, each with the least recently used first. An entry is in one of them.
        self._probation: OrderedDict[str, _Entry] = OrderedDict()
        self._protected: OrderedDict[str, _Entry] = OrderedDict()
        self._brief: dict[str, float] = {}  # entries that are trusted for seconds only, the oldest first
        self._pages: dict[str, set[str]] = {}  # the entries of each page
        self._bytes = 0
        self._protected_bytes = 0
        self._changes = 0
        self._used: list[tuple[str, str]] = []  # pictures and their pages, that Redis does not know to be in use
        self._used_since = 0.0

    @property
    def bytes(self) -> int:
        return self._bytes

    def mark(self) -> Mark:
        return Mark(self._tracking.epoch if self._tracking else 0, self._changes)

    def recall(self, key: Key) -> Picture | None:
        """Return the picture of `key` if it can be trusted."""
        with self._lock:
            entry = self._protected.get(key.digest) or self._probation.get(key.digest)
            if entry is None or not self._is_trusted(entry):
                return None
            self._protect(key.digest, entry)
            if entry.epoch:
                self._note_use(key.digest, entry)
        return entry.picture if entry.canonical == key.canonical else None

    def take_used(self) -> list[tuple[str, str]]:
        """Return the digests of pictures in use, and of their pages, if it is time to tell Redis, and forget them."""
        with self._lock:
            is_due = self._used and (
                len(self._used) >= _USED_AT_ONCE or time.monotonic() - self._used_since >= _USED_WAIT
            )
            if not is_due:
                return []
            used, self._used = self._used, []
            return used

    def peek(self, key: Key) -> tuple[Picture, float] | None:
        """Return the picture of `key`, if it can be trusted, and for how many seconds it is here. It does not count as used."""
        with self._lock:
            entry = self._protected.get(key.digest) or self._probation.get(key.digest)
            if entry is None or entry.canonical != key.canonical or not self._is_trusted(entry):
                return None
            return entry.picture, time.monotonic() - entry.at

    def remember(self, key: Key, picture: Picture, page: Key, mark: Mark | None = None) -> None:
        """Keep `picture`, read or written after `mark`; without a mark, for seconds only."""
        with self._lock:
            tracked = mark is not None and mark.epoch > 0 and mark == self.mark()
            now = time.monotonic()
            entry = _Entry(key.canonical, picture, page.digest, now, mark.epoch if mark and tracked else 0, now)
            was_protected = key.digest in self._protected
            self._drop(key.digest)
            if entry.size > self.max_bytes:
                return
            self._probation[key.digest] = entry
            self._pages.setdefault(page.digest, set()).add(key.digest)
            self._bytes += entry.size
            if not tracked:
                self._brief[key.digest] = now
            if was_protected:  # it was read anew, and is as popular as before
                self._protect(key.digest, entry)
            self._make_room(now)

    def forget(self, digest: str | None) -> None:
        """Drop the picture or the page with this digest, of which a change was reported. None stands for all."""
        with self._lock:
            self._changes += 1
            if digest is None:
                self._clear()
                return
            for each in (digest, *self._pages.get(digest, ())):
                self._drop(each)

    def clear(self) -> None:
        with self._lock:
            self._clear()

    def _is_trusted(self, entry: _Entry) -> bool:
        age = time.monotonic() - entry.at
        if age < self._trust_seconds:
            return True
        return self._tracking is not None and 0 < entry.epoch == self._tracking.epoch and age < TRACKED_SECONDS

    def _note_use(self, digest: str, entry: _Entry) -> None:
        now = time.monotonic()
        if now - entry.told_at < USED_SECONDS:
            return
        entry.told_at = now
        if not self._used:
            self._used_since = now
        self._used.append((digest, entry.page))

    def _make_room(self, now: float) -> None:
        while self._brief and now - next(iter(self._brief.values())) >= self._trust_seconds:
            self._drop(next(iter(self._brief)))
        while self._bytes > self.max_bytes:
            self._drop(next(iter(self._probation or self._protected)))
            metrics.EVICTIONS.add("memory")

    def _protect(self, digest: str, entry: _Entry) -> None:
        """Note that an entry was used. Protected ones beyond their share are on probation again."""
        if digest in self._protected:
            self._protected.move_to_end(digest)
            return
        self._protected[digest] = self._probation.pop(digest)
        self._protected_bytes += entry.size
        while self._protected_bytes > _PROTECTED * self.max_bytes:
            oldest, demoted = self._protected.popitem(last=False)
            self._probation[oldest] = demoted
            self._protected_bytes -= demoted.size

    def _drop(self, digest: str) -> None:
        entry = self._protected.pop(digest, None)
        if entry is not None:
            self._protected_bytes -= entry.size
        else:
            entry = self._probation.pop(digest, None)
        if entry is None:
            return
        self._brief.pop(digest, None)
        self._bytes -= entry.size
        others = self._pages[entry.page]
        others.discard(digest)
        if not others:
            del self._pages[entry.page]

    def _clear(self) -> None:
        self._probation.clear()
        self._protected.clear()
        self._brief.clear()
        self._pages.clear()
        self._bytes = self._protected_bytes = 0
