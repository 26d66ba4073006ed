"""Admission: so many captures at a time, a short queue behind them, and a refusal for the rest."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from engine.errors import RateLimited


class Slots:
    def __init__(self, size: int, queue: int, patience: float) -> None:
        """Admit `size` at a time; let `queue` more wait, each for at most `patience` seconds."""
        self._free = asyncio.Semaphore(size)
        self._queue = queue
        self._patience = patience
        self.taken = 0
        self.queued = 0

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        """Hold a slot. Raises RateLimited when the queue is full or does not move."""
        await self._enter()
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1
            self._free.release()

    async def _enter(self) -> None:
        if self._free.locked() and self.queued >= self._queue:
            raise RateLimited("all browsers are busy and the queue is full: try again soon")
        self.queued += 1
        try:
            async with asyncio.timeout(self._patience):
                await self._free.acquire()
        except TimeoutError:
            raise RateLimited("all browsers are busy: try again soon") from None
        finally:
            self.queued -= 1
