"""Shares the machine's cores and memory between tasks that decode pictures, so that requests that only wait do not notice.

Where the server's threads are greenlets, such work runs in a native thread. Elsewhere it runs in the caller's.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from gevent import monkey
from gevent.threadpool import ThreadPool

from options import MAX_PIXELS

T = TypeVar("T")


class CpuPool:
    """Small pieces of work run on any core; large ones share one core, so that they never occupy all."""

    LARGE_PIXELS = 2 * 2**20  # a larger picture takes seconds to encode in the slower formats

    def __init__(
        self, cores: int = os.cpu_count() or 1, decoded_pixels: int = MAX_PIXELS, threads: int | None = None
    ) -> None:
        """`decoded_pixels`, at four bytes each, are in memory at a time: by default those of the largest picture.

        By default there is a thread for each core, and one for large work.
        """
        self._turns = _Turns(decoded_pixels)
        self._small, self._large = threading.BoundedSemaphore(cores), threading.BoundedSemaphore(1)
        self._pool = ThreadPool(threads or cores + 1) if monkey.is_module_patched("threading") else None

    def slot(self, *, large: bool) -> threading.BoundedSemaphore:
        """Return the semaphore to hold during the work.

        More pieces at a time than there are cores would only keep more decoded pages in memory.
        """
        return self._large if large else self._small

    @property
    def is_native(self) -> bool:
        """Whether work runs in native threads, of which greenlets wait for the end."""
        return self._pool is not None

    @property
    def waiting(self) -> int:
        """How many pieces of work wait for room in memory."""
        return self._turns.waiting

    def run(self, work: Callable[[], T], *, pixels: int) -> T:
        """Return the result of `work`, or raise its error. `work` must use only its arguments and release the GIL.

        It must wait for no lock: native threads that wait for one of gevent's, which replace Python's, may never wake up.

        It waits until the `pixels` that it decodes have room beside those of other work.
        """
        with self._turns.hold(pixels):
            return work() if self._pool is None else self._pool.apply(work)


class _Turns:
    """Lets work hold `most` pixels at a time. First come, first served, so that small work does not starve large work."""

    def __init__(self, most: int) -> None:
        self._most = self._free = most
        self._queue: deque[object] = deque()
        self._changed = threading.Condition()

    @property
    def waiting(self) -> int:
        return len(self._queue)

    @contextmanager
    def hold(self, pixels: int) -> Iterator[None]:
        """Hold so many pixels, or all where there are not so many."""
        wanted = min(pixels, self._most)
        self._take(wanted)
        try:
            yield
        finally:
            self._release(wanted)

    def _take(self, wanted: int) -> None:
        ticket = object()
        with self._changed:
            self._queue.append(ticket)
            try:
                self._changed.wait_for(lambda: self._queue[0] is ticket and self._free >= wanted)
                self._free -= wanted
            finally:
                self._queue.remove(ticket)
                self._changed.notify_all()

    def _release(self, pixels: int) -> None:
        with self._changed:
            self._free += pixels
            self._changed.notify_all()
