"""Remembers which clients send slow pages, and which clients were here a moment ago.

A slot cannot be taken back. So while others come and go, a client with slow pages may hold no more than half of the slots:
otherwise each of the others would wait for the end of a capture that takes the whole deadline.
"""

import time
from collections.abc import Callable

SLOW_SECONDS = 5.0  # of a capture; most take less than one
REMEMBERED_SECONDS = 60.0
_MANY = 256  # entries, above which expired ones are removed


class SlowClients:
    def __init__(
        self,
        slow: float = SLOW_SECONDS,
        remembered: float = REMEMBERED_SECONDS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._slow_seconds = slow
        self._remembered = remembered
        self._now = now
        self._seen: dict[str, float] = {}  # in the order of time
        self._slow: dict[str, float] = {}

    def record_arrival(self, client: str) -> None:
        self._note(self._seen, client)

    def record_capture(self, client: str, seconds: float) -> None:
        if seconds >= self._slow_seconds:
            self._note(self._slow, client)

    def leaves_room(self, client: str) -> bool:
        """Return whether `client` must leave half of the slots to others, who were here a moment ago."""
        recent = self._now() - self._remembered
        if self._slow.get(client, recent) <= recent:
            return False
        last_of_others = next((at for name, at in reversed(self._seen.items()) if name != client), recent)
        return last_of_others > recent

    def _note(self, times: dict[str, float], client: str) -> None:
        times.pop(client, None)
        times[client] = self._now()
        if len(times) > _MANY:
            recent = self._now() - self._remembered
            for name in [name for name, at in times.items() if at <= recent]:
                del times[name]
