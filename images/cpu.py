"""Shares the machine's cores between CPU-bound tasks, so that they do not delay requests that only wait.

Where the server's threads are greenlets, such work runs in a native thread. Elsewhere it runs in the caller's.
"""

import os
import threading
from collections.abc import Callable
from typing import TypeVar

from gevent import monkey
from gevent.threadpool import ThreadPool

T = TypeVar("T")


class CpuPool:
    """Small pieces of work run on any core; large ones share one core, so that they never occupy all."""

    LARGE_PIXELS = 2 * 2**20  # a larger picture takes seconds to encode in the slower formats

    def __init__(self, cores: int = os.cpu_count() or 1) -> None:
        self._small, self._large = threading.BoundedSemaphore(cores), threading.BoundedSemaphore(1)
        self._pool = ThreadPool(cores + 1) if monkey.is_module_patched("threading") else None

    def slot(self, *, large: bool) -> threading.BoundedSemaphore:
        """Return the semaphore to hold during the work.

        More pieces at a time than there are cores would only keep more decoded pages in memory.
        """
        return self._large if large else self._small

    def run(self, work: Callable[[], T]) -> T:
        """Return the result of `work`, or raise its error. `work` must use only its arguments and release the GIL."""
        return work() if self._pool is None else self._pool.apply(work)
