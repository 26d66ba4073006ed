"""Pictures in the memory of one process, within a number of bytes, by a segmented LRU, and more of them on its disk.

A picture that is recalled is protected: those that were requested once are dropped before it. So a hundred rare pictures
do not cost a popular one its place. A picture is trusted for seconds; where Redis reports changes, for half an hour, or
until it reports that the picture or its page changed. What is trusted so, and has no room in memory any more, is kept on
the disk. Judges no freshness.
"""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial

from coordination import KeyTracking
from model import Key, Picture
from telemetry import metrics
from thumbnails.disk import DiskRing, Extent
from thumbnails.packing import pack, unpack

TRUST_SECONDS = 3.0  # how long a picture is used without asking Redis, while Redis reports no changes
# How long it is used while Redis reports changes. A picture that is its original has no key in Redis, so its removal is
# not reported. The mark of a purge hides it, and is kept for longer than this.
TRACKED_SECONDS = 1800.0
# Each minute, Redis learns which pictures are in use, or it would evict those that are used most. One call names up to
# _USED_AT_ONCE of them. Fewer wait _USED_WAIT seconds for others.
USED_SECONDS = 60.0
_USED_AT_ONCE, _USED_WAIT = 64, 5.0
_OVERHEAD = 1024  # bytes of an entry besides its picture
_MOST_ON_DISK = 8192  # pictures, each of which takes 1 kB of memory
_PROTECTED = 0.8  # of the bytes. By Zipf's law, a fifth for newcomers drops the fewest that are requested again.


@dataclass(frozen=True, slots=True)
class LocalTier:
    """What a process keeps of pictures itself: `memory_bytes` of them (0 for none), and others on its `disk`.

    They are used for `trust_seconds` without asking Redis, while it reports no changes.
    """

    memory_bytes: int = 0
    disk: DiskRing | None = None
    trust_seconds: float = TRUST_SECONDS


NO_TIER = LocalTier()


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment before a read or a write. What was read is trusted if no change was reported since."""

    epoch: int
    changes: int


@dataclass(slots=True)
class _Entry:
    canonical: str
    picture: Picture | None  # None if it is on the disk alone
    size: int  # bytes in memory
    page: str  # the digest of the capture's key
    at: float  # monotonic
    epoch: int  # that of the tracking; 0 if it is trusted for seconds only
    told_at: float  # monotonic: when Redis last saw that it is used
    extent: Extent | None = None  # on the disk, where it may be overwritten


class PictureMemory:
    def __init__(self, tier: LocalTier, tracking: KeyTracking) -> None:
        self.max_bytes = tier.memory_bytes
        self._disk = tier.disk
        self._tracking = tracking
        self._trust_seconds = tier.trust_seconds
        self._lock = threading.Lock()
        # The two segments, each with the least recently used first, and those that left them for the disk, which still have
        # their pictures until these are written. An entry is in one of the three.
        self._probation: OrderedDict[str, _Entry] = OrderedDict()
        self._protected: OrderedDict[str, _Entry] = OrderedDict()
        self._on_disk: OrderedDict[str, _Entry] = OrderedDict()
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
        return Mark(self._tracking.epoch, self._changes)

    def recall(self, key: Key) -> Picture | None:
        """Return the picture of `key` if it can be trusted."""
        leaving: list[tuple[str, _Entry]] = []
        with self._lock:
            entry = self._find(key.digest)
            if entry is None or not self._is_trusted(entry):
                return None
            picture = self._picture(key, entry)
            if picture is None:
                if entry.picture is None:
                    self._drop(key.digest)
                    metrics.EVICTIONS.add("disk")
                return None
            if key.digest in self._on_disk:
                self._take_back(key.digest, entry, picture)
                leaving = self._make_room(time.monotonic())
            else:
                self._protect(key.digest, entry)
            if entry.epoch:
                self._note_use(key.digest, entry)
        self._write(leaving)
        return picture

    def take_used(self) -> list[tuple[str, str]]:
        """Return the digests of pictures in use, and of their pages, if it is time to tell Redis, and forget them."""
        if not self._used:
            return []
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
            entry = self._find(key.digest)
            picture = self._picture(key, entry) if entry and self._is_trusted(entry) else None
            return (picture, time.monotonic() - entry.at) if entry and picture else None

    def remember(self, key: Key, picture: Picture, page: Key, mark: Mark | None = None) -> None:
        """Keep `picture`, read or written after `mark`; without a mark, for seconds only."""
        with self._lock:
            tracked = mark is not None and mark.epoch > 0 and mark == self.mark()
            now = time.monotonic()
            size = len(picture.body) + len(picture.pixels) + _OVERHEAD
            entry = _Entry(key.canonical, picture, size, page.digest, now, mark.epoch if mark and tracked else 0, now)
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
            leaving = self._make_room(now)
        self._write(leaving)

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

    def _find(self, digest: str) -> _Entry | None:
        return self._protected.get(digest) or self._probation.get(digest) or self._on_disk.get(digest)

    def _picture(self, key: Key, entry: _Entry) -> Picture | None:
        """Return the picture of an entry, unless it is another key's, or cannot be had from the disk at once."""
        if entry.picture is not None:
            return entry.picture if entry.canonical == key.canonical else None
        value = self._disk.read(entry.extent) if self._disk and entry.extent else None
        return unpack(value, key) if value is not None else None

    def _is_trusted(self, entry: _Entry) -> bool:
        return time.monotonic() - entry.at < self._trust_seconds or self._is_tracked(entry)

    def _is_tracked(self, entry: _Entry) -> bool:
        """Whether Redis reports changes of the entry, and it need not be read again yet."""
        return 0 < entry.epoch == self._tracking.epoch and time.monotonic() - entry.at < TRACKED_SECONDS

    def _note_use(self, digest: str, entry: _Entry) -> None:
        now = time.monotonic()
        if now - entry.told_at < USED_SECONDS:
            return
        entry.told_at = now
        if not self._used:
            self._used_since = now
        self._used.append((digest, entry.page))

    def _make_room(self, now: float) -> list[tuple[str, _Entry]]:
        """Drop what has no room, or leave it to the disk. Return what has to be written there."""
        while self._brief and now - next(iter(self._brief.values())) >= self._trust_seconds:
            self._drop(next(iter(self._brief)))
        leaving = []
        while self._bytes > self.max_bytes:
            digest, entry = next(iter((self._probation or self._protected).items()))
            metrics.EVICTIONS.add("memory")
            if self._disk is None or not self._is_tracked(entry):
                self._drop(digest)
                continue
            self._remove(digest, entry)
            self._on_disk[digest] = entry
            if self._disk.has(entry.extent):
                entry.picture = None
            else:
                leaving.append((digest, entry))
        while len(self._on_disk) > _MOST_ON_DISK:
            self._drop(next(iter(self._on_disk)))
            metrics.EVICTIONS.add("disk")
        return leaving

    def _write(self, leaving: list[tuple[str, _Entry]]) -> None:
        """Write pictures to the disk, and let them go when they are there."""
        for digest, entry in leaving:
            if self._disk is None or entry.picture is None:
                continue
            if self._disk.takes(entry.size):
                value = pack(entry.picture, Key(digest, entry.canonical))
                self._disk.write(value, partial(self._settle, digest, entry))
            else:
                self._settle(digest, entry, None)

    def _settle(self, digest: str, entry: _Entry, extent: Extent | None) -> None:
        with self._lock:
            entry.extent = extent
            if self._on_disk.get(digest) is not entry:
                return  # it was requested again meanwhile, or changed
            if extent is None:
                self._drop(digest)
            else:
                entry.picture = None

    def _take_back(self, digest: str, entry: _Entry, picture: Picture) -> None:
        del self._on_disk[digest]
        entry.picture = picture
        self._probation[digest] = entry
        self._bytes += entry.size

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
        entry = self._find(digest)
        if entry is None:
            return
        self._remove(digest, entry)
        self._brief.pop(digest, None)
        others = self._pages[entry.page]
        others.discard(digest)
        if not others:
            del self._pages[entry.page]

    def _remove(self, digest: str, entry: _Entry) -> None:
        """Take an entry out of the part in which it is."""
        if self._on_disk.pop(digest, None) is not None:
            return
        self._bytes -= entry.size
        if self._protected.pop(digest, None) is not None:
            self._protected_bytes -= entry.size
        else:
            del self._probation[digest]

    def _clear(self) -> None:
        self._probation.clear()
        self._protected.clear()
        self._on_disk.clear()
        self._brief.clear()
        self._pages.clear()
        self._bytes = self._protected_bytes = 0
