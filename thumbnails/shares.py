"""Shares: what one client may hold of what all clients share, in this process.

Captures take turns. Seats for waiting callers cannot be taken back, so the last of them are for clients that hold few.
"""

import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from errors import OverCapacity, RateLimited

RETRY_SECONDS, LONGEST_RETRY = 5, 60
_NEWEST = 0.2  # the weight of the newest capture in the mean of their times


def _share_reached(most: int, what: str, retry_after: int = RETRY_SECONDS) -> RateLimited:
    text = f"limit reached: {most} {what} per client while others wait; try again in a few seconds"
    return RateLimited(text, limit=most, retry_after=retry_after)


class Turns:
    """Lets `size` captures run at a time. The next ones wait: clients take turns, and each one's captures are in order.

    A free turn goes to the waiting client with the fewest captures running. An eighth more turns are for clients of which
    none runs, so these do not wait for the slow pages of another. A full queue makes room for a client that has less of it:
    the newest capture of the client with the most is refused.

    Refused callers are told to come back when all captures that are here by now should have ended: a longer queue, or slower
    pages, send them away for longer. Else they would take from visitors the time of the processors.
    """

    def __init__(self, size: int, queue: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """At most `queue` captures wait, for at most `seconds` each."""
        self._size = size
        self._extra = size // 8
        self._queue_size = queue
        self._seconds = seconds
        self._clock = clock
        self._mean = 0.0  # seconds of a capture, the newest ones counting most
        self._ended_at = clock()  # when the last capture ended, or began with none beside it
        self._running: Counter[str] = Counter()
        # In the order of their next turn. A client without a capture that waits has no entry.
        self._waiting: dict[str, deque[Future[None]]] = {}
        self._lock = threading.Lock()

    @property
    def waiting(self) -> int:
        """How many captures wait for their turn."""
        with self._lock:
            return sum(map(len, self._waiting.values()))

    def require_room(self, client: str) -> None:
        """Raise what `hold` would raise at once."""
        with self._lock:
            if not self._may_run(client) and self._is_full():
                self._find_room(client)

    @contextmanager
    def hold(self, client: str) -> Iterator[None]:
        """Wait for a turn, and hold it while the block runs. Raises RateLimited beyond the share, else OverCapacity."""
        turn = self._take(client)
        if turn is not None:
            self._wait(client, turn)
        began = self._clock()
        try:
            yield
        finally:
            with self._lock:
                self._ended_at = self._clock()
                self._mean += _NEWEST * (self._ended_at - began - self._mean)
                self._release(client)

    def _take(self, client: str) -> "Future[None] | None":
        with self._lock:
            if self._may_run(client):  # then no such client waits, as a released turn is given on at once
                if not self._running:
                    self._ended_at = self._clock()
                self._running[client] += 1
                return None
            if self._is_full():
                largest = self._find_room(client)
                newest = self._waiting[largest][-1]
                self._remove(largest, newest)
                newest.set_exception(self._refusal())
            turn: Future[None] = Future()
            self._waiting.setdefault(client, deque()).append(turn)
            return turn

    def _wait(self, client: str, turn: "Future[None]") -> None:
        try:
            turn.result(self._seconds)
        except TimeoutError:
            with self._lock:
                if turn.done():
                    turn.result()  # it got its turn, or was refused, as its time ran out
                    return
                self._remove(client, turn)
                retry_after = self._retry_after()
            text = "all captures of this service are slow; try again in a few seconds"
            raise OverCapacity(text, retry_after=retry_after) from None

    def _may_run(self, client: str) -> bool:
        most = self._size if self._running[client] else self._size + self._extra
        return self._running.total() < most

    def _is_full(self) -> bool:
        return sum(map(len, self._waiting.values())) >= self._queue_size

    def _find_room(self, client: str) -> str:
        """Return the client whose newest capture leaves the queue, so that `client` still has fewer with one more."""
        largest = max(self._waiting, key=self._captures, default=client)
        if self._captures(largest) > self._captures(client) + 1:
            return largest
        others = {*self._running, *self._waiting} - {client}
        if others and self._captures(client) >= self._share():
            raise self._refusal()
        text = "too many captures are in progress; try again in a few seconds"
        raise OverCapacity(text, retry_after=self._retry_after())

    def _retry_after(self) -> int:
        """Return the seconds after which all captures that run or wait now should have ended."""
        each = max(self._mean, self._clock() - self._ended_at)  # while none ends, they take at least so long
        captures = self._running.total() + sum(map(len, self._waiting.values()))
        return max(min(math.ceil(each * captures / self._size), LONGEST_RETRY), RETRY_SECONDS)

    def _release(self, client: str) -> None:
        self._running[client] -= 1
        if not self._running[client]:
            del self._running[client]
        following = min(self._waiting, key=lambda name: self._running[name], default=None)  # the first of equals
        if following is None or not self._may_run(following):
            return
        turns = self._waiting.pop(following)
        turn = turns.popleft()
        if turns:
            self._waiting[following] = turns  # behind all others
        self._running[following] += 1
        turn.set_result(None)

    def _remove(self, client: str, turn: "Future[None]") -> None:
        turns = self._waiting[client]
        turns.remove(turn)
        if not turns:
            del self._waiting[client]

    def _captures(self, client: str) -> int:
        return self._running[client] + len(self._waiting.get(client, ()))

    def _share(self) -> int:
        return max((self._size + self._queue_size) // 2, 1)

    def _refusal(self) -> RateLimited:
        return _share_reached(self._share(), "captures in progress", self._retry_after())


class Seats:
    """Lets `size` callers wait at a time. A few more seats are for clients that hold few, and for no other."""

    def __init__(self, size: int, reserve: int) -> None:
        self._size = size
        self._reserve = reserve
        self._held: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def take(self, client: str) -> Iterator[bool]:
        """Take a seat while the block runs. Yields False if none is free for `client`."""
        seated = self._sit(client)
        try:
            yield seated
        finally:
            if seated:
                self._rise(client)

    def refusal(self, client: str, what: str) -> OverCapacity | RateLimited:
        """Return why `client` has no seat: its own share of the seats is taken, or all are. `what` names their holders."""
        with self._lock:
            own, others = self._held[client], self._held.total() - self._held[client]
        share = max(self._size // 2, 1)
        if others and own >= share:
            return _share_reached(share, what)
        return OverCapacity(f"too many {what}; try again in a few seconds")

    def _sit(self, client: str) -> bool:
        with self._lock:
            taken = self._held.total()
            is_modest = self._held[client] < max(self._reserve // 2, 1)
            if taken >= self._size + (self._reserve if is_modest else 0):
                return False
            self._held[client] += 1
            return True

    def _rise(self, client: str) -> None:
        with self._lock:
            self._held[client] -= 1
            if not self._held[client]:
                del self._held[client]
