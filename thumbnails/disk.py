"""Pictures for which the memory of a process has no room, in an unnamed file, which ends with the process.

It is written in a circle, so what is written overwrites the oldest. Only what the system has in its own memory is read, so
that no greenlet waits for a disk: Redis sends the rest as soon. Knows nothing of keys.
"""

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import gevent
import structlog
from gevent import monkey
from gevent.threadpool import ThreadPool

LARGEST = 1 << 20  # bytes of one picture
LEAST_FREE = 256 << 20  # bytes: the file does not grow on a disk that has less
_WRITES = 16  # that wait at a time
_PAUSE_SECONDS = 60.0  # after a write that failed
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a value lies: how many bytes were written before it since the beginning, and its own."""

    position: int
    length: int


class DiskRing:
    def __init__(self, folder: Path, max_bytes: int) -> None:
        """The file is made in `folder` when the first value is written, so each process has its own."""
        self.max_bytes = max_bytes
        self._folder = folder
        self._file: IO[bytes] | None = None
        self._end = 0
        self._waiting = 0
        self._paused_until = 0.0
        self._reads_at_once = hasattr(os, "RWF_NOWAIT")
        # Writing may wait for the disk. One thread keeps the order, in which nothing is overwritten that is being written.
        self._pool = ThreadPool(1) if monkey.is_module_patched("threading") else None

    @property
    def used(self) -> int:
        """How many bytes the file has."""
        return min(self._end, self.max_bytes)

    def has(self, extent: Extent | None) -> bool:
        """Return whether what was written at `extent` is not overwritten."""
        return extent is not None and self._end - extent.position <= self.max_bytes

    def write(self, value: bytes, done: Callable[[Extent | None], None]) -> None:
        """Write a value, in the background where threads are greenlets, and then call `done` with its extent.

        With None if it was not written: it is too large, too many wait, or the disk is full or fails.
        """
        if (
            not (self._reads_at_once and len(value) <= min(LARGEST, self.max_bytes))
            or self._waiting >= _WRITES
            or time.monotonic() < self._paused_until
        ):
            done(None)
        elif self._pool is None:
            done(self._write(value, self._take_place(len(value))))
        else:
            self._waiting += 1
            gevent.spawn(self._write_in_thread, self._pool, value, done)

    def read(self, extent: Extent) -> memoryview | None:
        """Return what was written at `extent`, unless it was overwritten or has to be read from the disk."""
        if not self.has(extent) or self._file is None:
            return None
        value = bytearray(extent.length)
        try:
            read = os.preadv(self._file.fileno(), [value], extent.position % self.max_bytes, os.RWF_NOWAIT)
        except BlockingIOError:
            return None
        except OSError as err:
            self._reads_at_once = False
            _log.warning("disk_cache_unread", reason=str(err))
            return None
        return memoryview(value) if read == extent.length else None

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _make_file(self) -> IO[bytes]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=self._folder, buffering=0)

    def _write_in_thread(self, pool: ThreadPool, value: bytes, done: Callable[[Extent | None], None]) -> None:
        try:
            extent = pool.apply(self._write, (value, self._take_place(len(value))))
        finally:
            self._waiting -= 1
        done(extent)

    def _take_place(self, length: int) -> Extent:
        rest = self.max_bytes - self._end % self.max_bytes
        position = self._end if length <= rest else self._end + rest  # no value crosses the end of the file
        self._end = position + length
        return Extent(position, length)

    def _write(self, value: bytes, extent: Extent) -> Extent | None:
        try:
            file = self._file = self._file or self._make_file()
            if extent.position < self.max_bytes:
                _require_room(file)
            written = os.pwrite(file.fileno(), value, extent.position % self.max_bytes)
        except OSError as err:
            self._paused_until = time.monotonic() + _PAUSE_SECONDS
            _log.warning("disk_cache_unwritten", reason=str(err))
            return None
        return extent if written == len(value) else None


def _require_room(file: IO[bytes]) -> None:
    """Raise OSError if the disk has less free than it must keep."""
    system = os.fstatvfs(file.fileno())
    if system.f_bavail * system.f_frsize < LEAST_FREE:
        raise OSError(f"less than {LEAST_FREE} bytes are free")
