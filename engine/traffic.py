"""Counts the network traffic of one capture, over all its attempts. The proxy and the page count; the log reports."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field


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

    def summary(self) -> dict[str, object]:
        return {
            "connections": self.connections,
            "requests": self.requests,
            "bytes": self.bytes,
            "refused": dict(self.refused),
        }
