"""Who is delivering to which receiver of webhooks: one at a time, and nobody for a while to one that kept us waiting.

A receiver that is slow or away must not keep the worker from capturing, however many jobs have something to tell it,
and neither must many of them: one stranger may have any number of host names. So one of a worker's processes is kept
from delivering, wherever it has more than one.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum

import redis
from redis.exceptions import LockNotOwnedError
from redis.lock import Lock

from jobs.outage import translated

HOLD_SECONDS = 60  # longer than a delivery takes; while Redis is away writing its outcome may take longer
SILENCE_SECONDS = 30
_HELD, _SILENT, _PLACE = "thumb:receiver:held:", "thumb:receiver:silent:", "thumb:receiver:place:"


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
        self._places = max(concurrency - 1, 1)

    @contextmanager
    def held(self, host: str) -> Iterator[Line]:
        """Hold `host`, and a place among this worker's deliveries, for as long as the block lasts, if both are free."""
        with translated():
            silent = self._client.exists(_SILENT + host)
            holds = () if silent else self._take(host)
        if not holds:
            yield Line.SILENT if silent else Line.BUSY
            return
        try:
            yield Line.FREE
        finally:
            with translated():
                _give_back(*holds)

    def mark_silent(self, host: str) -> None:
        """Note that `host` kept us waiting and then said nothing."""
        with translated():
            self._client.set(_SILENT + host, b"1", ex=SILENCE_SECONDS)

    def _take(self, host: str) -> tuple[Lock, ...]:
        """Take both holds and give them, or none."""
        held = self._lock(_HELD + host)
        if not held.acquire():
            return ()
        worker = f"{socket.gethostname()}:{os.getppid()}"  # the parent of its pool's processes
        for number in range(self._places):
            place = self._lock(f"{_PLACE}{worker}:{number}")
            if place.acquire():
                return held, place
        _give_back(held)
        return ()

    def _lock(self, name: str) -> Lock:
        return Lock(self._client, name, timeout=HOLD_SECONDS, blocking=False)


def _give_back(*holds: Lock) -> None:
    for hold in holds:
        with suppress(LockNotOwnedError):  # it took too long, and by now the hold may be another's
            hold.release()
