"""Limits how many captures run at a time. The next ones wait in a short queue, and the rest are refused.

Foreground captures go first. Background captures leave one slot free for them where there are two or more.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from engine.errors import EngineBusy


class Slots:
    def __init__(self, size: int, queue: int, max_wait: float) -> None:
        """Run `size` captures at a time, and queue `queue` more of each kind for at most `max_wait` seconds each."""
        self._foreground = _Queue(size)
        self._background = _Queue(max(size - 1, 1))
        self._size = size
        self._queue_size = queue
        self._max_wait = max_wait

    @property
    def in_use(self) -> int:
        return self._foreground.running + self._background.running

    @property
    def queued(self) -> int:
        return len(self._foreground.waiting) + len(self._background.waiting)

    @asynccontextmanager
    async def hold(self, *, background: bool = False) -> AsyncIterator[None]:
        """Hold a slot. Raises EngineBusy when the queue is full, or when no slot comes free in time."""
        queue = self._background if background else self._foreground
        await self._acquire(queue)
        try:
            yield
        finally:
            self._release(queue)

    async def _acquire(self, queue: "_Queue") -> None:
        """Take a free slot, or wait for one. A released slot goes to the queue at once, so no newcomer overtakes it."""
        if self._has_free_slot(queue):
            queue.running += 1
            return
        if len(queue.waiting) >= self._queue_size:
            raise EngineBusy("all browsers are busy and the queue is full: try again in a few seconds")
        try:
            async with asyncio.timeout(self._max_wait):
                await self._wait(queue)
        except TimeoutError:
            raise EngineBusy("all browsers are busy: try again in a few seconds") from None

    async def _wait(self, queue: "_Queue") -> None:
        admission = asyncio.get_running_loop().create_future()
        queue.waiting.append(admission)
        try:
            await admission
        except asyncio.CancelledError:
            if not admission.cancelled():  # admitted and cancelled in the same iteration of the loop
                self._release(queue)
            elif admission in queue.waiting:
                queue.waiting.remove(admission)
            raise

    def _release(self, queue: "_Queue") -> None:
        queue.running -= 1
        for each in (self._foreground, self._background):
            while each.waiting and self._has_free_slot(each):
                each.admit_next()

    def _has_free_slot(self, queue: "_Queue") -> bool:
        return self.in_use < self._size and queue.running < queue.limit


class _Queue:
    """Captures of one kind: the number that run, at most `limit`, and those that wait, first in, first out."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.running = 0
        self.waiting: deque[asyncio.Future[None]] = deque()

    def admit_next(self) -> None:
        """Remove the first capture from the queue, and give it a slot unless it was cancelled."""
        admission = self.waiting.popleft()
        if not admission.done():
            self.running += 1
            admission.set_result(None)
