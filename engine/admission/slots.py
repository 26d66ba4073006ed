"""Limits how many captures run at a time. The next ones wait in a short queue, and the rest are refused.

Foreground captures go first. Background captures leave one slot free for them where there are two or more.

Clients take turns: a free slot goes to the waiting client with the fewest captures running. So one client has all slots
while no other waits, and its share of them otherwise. One with slow pages keeps to half of them while others come and go.
A full queue makes room for a client that has less of it.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from engine.admission.slow_clients import SlowClients
from engine.errors import EngineBusy


class Slots:
    def __init__(self, size: int, queue: int, max_wait: float, slow_clients: SlowClients | None = None) -> None:
        """Run `size` captures at a time, and queue `queue` more of each kind for at most `max_wait` seconds each."""
        self._foreground = _Queue(size)
        self._background = _Queue(max(size - 1, 1))
        self._size = size
        self._queue_size = queue
        self._max_wait = max_wait
        self._slow_clients = slow_clients or SlowClients()

    @property
    def size(self) -> int:
        return self._size

    @property
    def in_use(self) -> int:
        return self._foreground.running + self._background.running

    @property
    def queued(self) -> int:
        return self._foreground.queued + self._background.queued

    @property
    def load(self) -> str:
        """Say how full the engine is: the captures that run or wait, and the slots."""
        return f"{self.in_use + self.queued}/{self._size}"

    @asynccontextmanager
    async def hold(self, client: str = "", *, background: bool = False) -> AsyncIterator[None]:
        """Hold a slot for a capture of `client`. All captures without one count as one client's.

        Raises EngineBusy when the queue is full, or when no slot comes free in time.
        """
        queue = self._background if background else self._foreground
        self._slow_clients.record_arrival(client)
        await self._acquire(queue, client)
        began = time.monotonic()
        try:
            yield
        finally:
            self._slow_clients.record_capture(client, time.monotonic() - began)
            self._release(queue, client)

    async def _acquire(self, queue: "_Queue", client: str) -> None:
        """Take a free slot, or wait for one. A released slot goes to the queue at once, so no newcomer overtakes it."""
        if self._has_free_slot(queue) and self._may_run(queue, client):
            queue.holders[client] += 1
            return
        if queue.queued >= self._queue_size and not queue.make_room(client):
            raise EngineBusy("all browsers are busy and the queue is full: try again in a few seconds")
        try:
            async with asyncio.timeout(self._max_wait):
                await self._wait(queue, client)
        except TimeoutError:
            raise EngineBusy("all browsers are busy: try again in a few seconds") from None

    async def _wait(self, queue: "_Queue", client: str) -> None:
        admission = asyncio.get_running_loop().create_future()
        queue.waiting.setdefault(client, deque()).append(admission)
        try:
            await admission
        except asyncio.CancelledError:
            if admission.cancelled():
                queue.remove(client, admission)
            elif admission.exception() is None:  # admitted and cancelled in the same iteration of the loop
                self._release(queue, client)
            raise

    def _release(self, queue: "_Queue", client: str) -> None:
        queue.release(client)
        for each in (self._foreground, self._background):
            while self._has_free_slot(each) and (clients := [c for c in each.waiting if self._may_run(each, c)]):
                each.admit(min(clients, key=lambda name: each.holders[name]))  # the first of equals

    def _has_free_slot(self, queue: "_Queue") -> bool:
        return self.in_use < self._size and queue.running < queue.limit

    def _may_run(self, queue: "_Queue", client: str) -> bool:
        return queue.holders[client] < max(self._size // 2, 1) or not self._slow_clients.leaves_room(client)


class _Queue:
    """Captures of one kind: those that run, at most `limit`, and those that wait, each client's first in, first out."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.holders: Counter[str] = Counter()
        # In the order of their next turn. A client without a capture that waits has no entry.
        self.waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @property
    def running(self) -> int:
        return self.holders.total()

    @property
    def queued(self) -> int:
        return sum(map(len, self.waiting.values()))

    def admit(self, client: str) -> None:
        """Remove the first capture of `client` from the queue, and give it a slot unless it was cancelled."""
        captures = self.waiting.pop(client)
        admission = captures.popleft()
        if captures:
            self.waiting[client] = captures  # behind all others
        if not admission.done():
            self.holders[client] += 1
            admission.set_result(None)

    def make_room(self, client: str) -> bool:
        """Refuse the newest capture of the client that has the most, if `client` would still have fewer with one more."""
        largest = max(self.waiting, key=self._captures, default=client)
        if self._captures(largest) <= self._captures(client) + 1:
            return False
        newest = self.waiting[largest][-1]
        self.remove(largest, newest)
        if not newest.done():
            newest.set_exception(
                EngineBusy("one client has more than its share of the queue: try again in a few seconds")
            )
        return True

    def remove(self, client: str, admission: "asyncio.Future[None]") -> None:
        captures = self.waiting.get(client, deque())
        if admission in captures:
            captures.remove(admission)
            if not captures:
                del self.waiting[client]

    def release(self, client: str) -> None:
        self.holders[client] -= 1
        if not self.holders[client]:
            del self.holders[client]

    def _captures(self, client: str) -> int:
        return self.holders[client] + len(self.waiting.get(client, ()))
