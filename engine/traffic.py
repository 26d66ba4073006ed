"""Counts the network traffic of one capture, over all its attempts. The proxy and the page count; the log reports."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from telemetry import metrics, traces


@dataclass(slots=True)
class Traffic:
    """`refused` counts connections by the guard's verdict, or by the limit they exceeded. `no_answer` was given up.

    The proxy cannot see requests inside TLS, so `requests` comes from the last document's own timeline. It is None if
    no document was loaded, and no more than a hint: a page can clear its timeline. The page sets `is_arriving`: whether
    a document is awaited; `is_held_up`: whether it is there, but waits for parts; and `has_given_up`, when nothing has
    come for too long.
    """

    connections: int = 0
    requests: int | None = None
    bytes: int = 0
    websockets: int = 0
    dialling: int = 0  # connections that have not been made yet: any of them may become a WebSocket
    refused: Counter[str] = field(default_factory=Counter)
    is_arriving: Callable[[], bool] = lambda: True
    is_held_up: Callable[[], bool] = lambda: False
    has_given_up: bool = False
    parts: dict[str, float] = field(default_factory=dict)  # the seconds of each part of the capture

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Measure a part of the capture, for metrics, traces and the log, whether it succeeds or not."""
        began = time.monotonic()
        try:
            with traces.span(part):
                yield
        finally:
            self.note_part(part, time.monotonic() - began)

    def note_part(self, part: str, seconds: float) -> None:
        metrics.ENGINE_PARTS.observe(seconds, part)
        self.parts[part] = round(self.parts.get(part, 0.0) + seconds, 3)

    def summary(self) -> dict[str, object]:
        return {
            "connections": self.connections,
            "requests": self.requests,
            "bytes": self.bytes,
            "refused": dict(self.refused),
        }
