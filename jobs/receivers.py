"""Who is delivering to which receiver of webhooks: one at a time, and nobody for a while to one that kept us waiting.

A receiver that is slow or away must not keep the worker from capturing, however many jobs have something to tell it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

import redis

from jobs.store import translated

HOLD_SECONDS = 60  # longer than a delivery, and writing its outcome down, take
SILENCE_SECONDS = 30
_HELD, _SILENT = "thumb:receiver:held:", "thumb:receiver:silent:"


class Line(StrEnum):
    """What whoever wants to deliver may do: go ahead, come back a little later, or take it for tried."""

    FREE = "free"
    BUSY = "busy"
    SILENT = "silent"


class Receivers:
    """Holds on receivers, by host. Raises QueueUnavailable wherever Redis is away."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client

    @contextmanager
    def held(self, host: str) -> Iterator[Line]:
        """Hold `host` for as long as the block lasts, if it is free."""
        with translated():
            silent = self._client.exists(_SILENT + host)
            free = not silent and self._client.set(_HELD + host, b"1", nx=True, ex=HOLD_SECONDS)
        if not free:
            yield Line.SILENT if silent else Line.BUSY
            return
        try:
            yield Line.FREE
        finally:
            with translated():
                self._client.delete(_HELD + host)

    def mark_silent(self, host: str) -> None:
        """Note that `host` kept us waiting and then said nothing."""
        with translated():
            self._client.set(_SILENT + host, b"1", ex=SILENCE_SECONDS)
