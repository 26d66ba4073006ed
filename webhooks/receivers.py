"""Who is delivering to which receiver of webhooks: one at a time, and nobody for a while to one that kept us waiting.

A receiver that is slow or away must not keep the worker from capturing, however many jobs have something to tell it,
and neither must many of them: one stranger may have any number of host names. So one of a worker's processes is kept
from delivering, wherever it has more than one. Whoever finds a receiver or all places taken stands in line for it, and
is called by whoever gives it back.
"""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum

import redis
from redis.exceptions import LockNotOwnedError
from redis.lock import Lock

from coordination import keys
from jobs.redis_errors import redis_errors_translated

HOLD_SECONDS = 60  # longer than a delivery takes; while Redis is away writing its outcome may take longer
SILENCE_SECONDS = 30


class Line(StrEnum):
    """What whoever wants to deliver may do: go ahead, come back in seconds, or come back when the silence is over."""

    FREE = "free"
    BUSY = "busy"
    SILENT = "silent"


class Receivers:
    """Holds on receivers, by host. Raises QueueUnavailable wherever Redis is away."""

    def __init__(self, client: "redis.Redis", concurrency: int = 2) -> None:
        """`concurrency` is the number of processes of one worker."""
        self._client = client
        self._worker = f"{socket.gethostname()}:{os.getppid()}"  # the parent of its pool's processes
        self._places = max(concurrency - 1, 1)

    @contextmanager
    def held(self, host: str, waiter: str) -> Iterator[Line]:
        """Hold `host`, and a place among this worker's deliveries, for as long as the block lasts, if both are free.

        Else `waiter` stands in line for the one that is not.
        """
        with redis_errors_translated():
            silent = self._client.exists(keys.RECEIVER_SILENT + host)
            holds = () if silent else self._take(host, waiter)
        if not holds:
            yield Line.SILENT if silent else Line.BUSY
            return
        try:
            yield Line.FREE
        finally:
            with redis_errors_translated():
                _give_back(*holds)

    def mark_silent(self, host: str) -> None:
        """Note that `host` kept us waiting and then said nothing."""
        with redis_errors_translated():
            self._client.set(keys.RECEIVER_SILENT + host, b"1", ex=SILENCE_SECONDS)

    def call_next(self, host: str) -> list[str]:
        """Give who has waited longest for a place, and who for `host`: they need wait no longer."""
        with redis_errors_translated(), self._client.pipeline() as pipe:
            for line in self._lines(host):
                pipe.zpopmin(line)
            return [waiter.decode() for called in pipe.execute() for waiter, _ in called]

    def _take(self, host: str, waiter: str) -> tuple[Lock, ...]:
        """Take both holds and give them, or none."""
        for_place, for_host = self._lines(host)
        held = self._lock(keys.RECEIVER_HELD + host)
        if not held.acquire():
            self._stand(for_host, waiter)
            return ()
        for number in range(self._places):
            place = self._lock(f"{keys.RECEIVER_PLACE}{self._worker}:{number}")
            if place.acquire():
                self._leave((for_place, for_host), waiter)
                return held, place
        _give_back(held)
        self._stand(for_place, waiter)
        return ()

    def _lines(self, host: str) -> tuple[str, str]:
        """Name the line for a place, and that for `host`: no receiver's host holds a blank."""
        return f"{keys.RECEIVER_QUEUE} {self._worker}", keys.RECEIVER_QUEUE + host

    def _stand(self, line: str, waiter: str) -> None:
        with self._client.pipeline() as pipe:
            pipe.zadd(line, {waiter: time.time()}, nx=True)
            pipe.expire(line, HOLD_SECONDS)  # they come again by themselves before that
            pipe.execute()

    def _leave(self, lines: tuple[str, ...], waiter: str) -> None:
        with self._client.pipeline() as pipe:
            for line in lines:
                pipe.zrem(line, waiter)
            pipe.execute()

    def _lock(self, name: str) -> Lock:
        return Lock(self._client, name, timeout=HOLD_SECONDS, blocking=False)


def _give_back(*holds: Lock) -> None:
    for hold in holds:
        with suppress(LockNotOwnedError):  # it took too long, and by now the hold may be another's
            hold.release()
