"""Admission: so many captures at a time, a short queue behind them, and a refusal for the rest.

Captures that somebody waits for go ahead of those in the background, which leave a slot to them where there are two.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from engine.errors import EngineBusy


class Slots:
    def __init__(self, size: int, queue: int, patience: float) -> None:
        """Admit `size` at a time; let `queue` more of each kind wait, each for at most `patience` seconds."""
        self._foreground = _Queue(size)
        self._background = _Queue(max(size - 1, 1))
        self._size = size
        self._queue = queue
        self._patience = patience

    @property
    def taken(self) -> int:
        return self._foreground.taken + self._background.taken

    @property
    def queued(self) -> int:
        return len(self._foreground.waiting) + len(self._background.waiting)

    @asynccontextmanager
    async def take(self, *, background: bool = False) -> AsyncIterator[None]:
        """Hold a slot. Raises EngineBusy when the queue is full or does not move."""
        line = self._background if background else self._foreground
        await self._enter(line)
        try:
            yield
        finally:
            self._leave(line)

    async def _enter(self, line: "_Queue") -> None:
        """Take a slot at once, or wait for one. Whoever waits has no room: rooms are given away when they come free."""
        if self._has_room(line):
            line.taken += 1
            return
        if len(line.waiting) >= self._queue:
            raise EngineBusy("all browsers are busy and the queue is full: try again soon")
        try:
            async with asyncio.timeout(self._patience):
                await self._wait(line)
        except TimeoutError:
            raise EngineBusy("all browsers are busy: try again soon") from None

    async def _wait(self, line: "_Queue") -> None:
        turn = asyncio.get_running_loop().create_future()
        line.waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # called in at the very moment of giving up
                self._leave(line)
            elif turn in line.waiting:
                line.waiting.remove(turn)
            raise

    def _leave(self, line: "_Queue") -> None:
        line.taken -= 1
        for each in (self._foreground, self._background):
            while each.waiting and self._has_room(each):
                each.call_in()

    def _has_room(self, line: "_Queue") -> bool:
        return self.taken < self._size and line.taken < line.most


class _Queue:
    """Captures of one kind: `taken` slots of at most `most`, and the turns of those who wait, first come first."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken = 0
        self.waiting: deque[asyncio.Future[None]] = deque()

    def call_in(self) -> None:
        """Give the first who still waits a slot."""
        turn = self.waiting.popleft()
        if not turn.done():
            self.taken += 1
            turn.set_result(None)
