"""Turns on the machine's cores for CPU-bound work, which never holds up what only waits.

Where the server's threads are greenlets, such work runs in a native thread; elsewhere a thread is one already.
"""

import os
import threading
from collections.abc import Callable
from typing import TypeVar

from gevent import monkey
from gevent.threadpool import ThreadPool

T = TypeVar("T")


class Cores:
    """Small pieces of work find a core at any time; large ones take turns on one, so that they never have them all."""

    LARGE_PIXELS = 2 * 2**20  # above it, a picture takes seconds to encode in the slower formats

    def __init__(self, cores: int = os.cpu_count() or 1) -> None:
        self._small, self._large = threading.BoundedSemaphore(cores), threading.BoundedSemaphore(1)
        self._pool = ThreadPool(cores + 1) if monkey.is_module_patched("threading") else None

    def turn(self, *, large: bool) -> threading.BoundedSemaphore:
        """Give the turn to wait for, as a context.

        More at a time than there are cores would only hold more decoded pages in memory.
        """
        return self._large if large else self._small

    def run(self, work: Callable[[], T]) -> T:
        """Give the result of `work`, or raise its error. It must touch nothing but its arguments, and free the GIL."""
        return work() if self._pool is None else self._pool.apply(work)
