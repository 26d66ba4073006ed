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

LARGEST = 1 << 20  # bytes of one value
LEAST_FREE = 1 << 30  # bytes: the file does not grow on a disk that has less
_MOST_WAITING = 8 << 20  # bytes that wait to be written
_PAUSE_SECONDS = 60.0  # after a write that failed
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a value lies: how many bytes were written before it since the beginning, and its own."""

    position: int
    length: int


class DiskRing:
    """For one thread, whose greenlets do not switch between a look at what is overwritten and the read after it."""

    def __init__(self, folder: Path, max_bytes: int, least_free: int = LEAST_FREE) -> None:
        """The file is made in `folder` when the first value is written, so each process has its own."""
        self.max_bytes = max_bytes
        self._folder = folder
        self._least_free = least_free
        self._file: IO[bytes] | None = None
        self._end = 0
        self._size = 0  # of the file
        self._waiting = 0  # bytes
        self._paused_until = 0.0
        self._usable = hasattr(os, "RWF_NOWAIT")
        # Writing may wait for the disk. One thread keeps the order, in which nothing is overwritten that is being written.
        self._pool = ThreadPool(1) if monkey.is_module_patched("threading") else None

    @property
    def used(self) -> int:
        """How many bytes the file has."""
        return self._size

    def has(self, extent: Extent | None) -> bool:
        """Return whether what was written at `extent` is not overwritten."""
        return self._usable and extent is not None and self._end - extent.position <= self.max_bytes

    def takes(self, length: int) -> bool:
        """Return whether a value of `length` bytes is written: it is not too large, and neither do too many wait."""
        return (
            self._usable
            and length <= min(LARGEST, self.max_bytes)
            and self._waiting + length <= _MOST_WAITING
            and time.monotonic() >= self._paused_until
        )

    def write(self, value: bytes, done: Callable[[Extent | None], None]) -> None:
        """Write a value, in the background where threads are greenlets, and then call `done` with its extent.

        With None if it was not written, since it is not taken, or the disk is full or fails.
        """
        if not self.takes(len(value)):
            done(None)
        elif self._pool is None:
            done(self._write(value, self._next_extent(len(value))))
        else:
            self._waiting += len(value)
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
            _log.warning("disk_cache_unread", reason=str(err))
            self.close()
            return None
        return memoryview(value) if read == extent.length else None

    def close(self) -> None:
        """Neither read nor write any more. The file is closed after the writes that have begun."""
        self._usable = False
        if self._pool is None:
            self._close_file()
        else:
            gevent.spawn(self._pool.spawn, self._close_file)  # which waits while the thread is busy

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file, self._size = None, 0

    def _write_in_thread(self, pool: ThreadPool, value: bytes, done: Callable[[Extent | None], None]) -> None:
        extent = None
        try:
            extent = pool.apply(self._write, (value, self._next_extent(len(value))))
        except RuntimeError as err:  # there is no thread
            self._pause(err)
        finally:
            self._waiting -= len(value)
            done(extent)

    def _next_extent(self, length: int) -> Extent:
        rest = self.max_bytes - self._end % self.max_bytes
        position = self._end if length <= rest else self._end + rest  # no value crosses the end of the file
        self._end = position + length
        return Extent(position, length)

    def _write(self, value: bytes, extent: Extent) -> Extent | None:
        if not self._usable or time.monotonic() < self._paused_until:
            return None
        try:
            file = self._file = self._file or self._make_file()
            offset = extent.position % self.max_bytes
            if offset + extent.length > self._size:
                self._require_room(file)
            written = os.pwrite(file.fileno(), value, offset)
        except (OSError, MemoryError) as err:
            self._pause(err)
            return None
        self._size = max(self._size, offset + written)
        return extent if written == len(value) else None

    def _pause(self, err: Exception) -> None:
        self._paused_until = time.monotonic() + _PAUSE_SECONDS
        _log.warning("disk_cache_unwritten", reason=str(err))

    def _make_file(self) -> IO[bytes]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=self._folder, buffering=0)

    def _require_room(self, file: IO[bytes]) -> None:
        """Raise OSError if the disk has less free than it must keep."""
        system = os.fstatvfs(file.fileno())
        if system.f_bavail * system.f_frsize < self._least_free:
            raise OSError(f"less than {self._least_free} bytes are free")
