"""Cuts what comes out of the browser's pipe into messages, and keeps none that is longer than it has a right to be.

A page decides how long some are: an event about a request holds the request's body, twice.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

SMALL_LIMIT = 8 << 20  # bytes: decoding as many takes some 50 ms, in which nobody else is served
LARGE_LIMIT = 256 << 20  # a full-page PNG in base64 arrives as one message
HEAD, TAIL = 64, 256

# Chromium begins a reply with its number, and ends whatever belongs to a session with that.
_NUMBER = re.compile(rb'\{"id":(\d+),')
_SESSION = re.compile(rb'"sessionId":"(\w+)"\}$')


@dataclass(frozen=True, slots=True)
class OversizedMessage:
    """Stands for a message that was too long: the number of the reply, or the session of the event."""

    number: int | None
    session: str | None


class MessageSplitter:
    """`may_be_large` tells of the number of a reply whether it may have `LARGE_LIMIT`."""

    def __init__(self, may_be_large: Callable[[int], bool]) -> None:
        self._may_be_large = may_be_large
        self._begun = bytearray()
        self._head: bytes | None = None  # of a message that is being passed over

    def feed(self, chunk: bytes) -> Iterator[bytes | OversizedMessage]:
        """Give the messages that end in `chunk`, which continues what was fed before; never holds much more."""
        *ends, rest = chunk.split(b"\0")
        for end in ends:
            self._extend(end)
            yield self._take()
        self._extend(rest)

    def _extend(self, part: bytes) -> None:
        self._begun += part
        if self._head is None and self._too_long():
            self._head = bytes(self._begun[:HEAD])
        if self._head is not None:
            del self._begun[:-TAIL]

    def _too_long(self) -> bool:
        if len(self._begun) <= SMALL_LIMIT:
            return False
        number = _first(_NUMBER.match(self._begun))
        return number is None or not self._may_be_large(int(number)) or len(self._begun) > LARGE_LIMIT

    def _take(self) -> bytes | OversizedMessage:
        message, head = bytes(self._begun), self._head
        self._begun.clear()
        self._head = None
        return message if head is None else _cut(head, message)


def _cut(head: bytes, tail: bytes) -> OversizedMessage:
    number, session = _first(_NUMBER.match(head)), _first(_SESSION.search(tail))
    return OversizedMessage(int(number) if number else None, session.decode() if session else None)


def _first(found: re.Match[bytes] | None) -> bytes | None:
    return found[1] if found else None
