"""Splits the bytes from the browser's pipe into messages, reads them, and drops a message that is longer than allowed.

A page decides how long some messages are: an event about a request holds the request's body, twice.
"""

import asyncio
import binascii
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

SMALL_LIMIT = 8 << 20  # bytes: decoding as many blocks the event loop for some 50 ms
LARGE_LIMIT = 256 << 20  # a full-page PNG in base64 arrives as one message
PICTURE_BYTES = 1 << 20  # of a larger picture, so many are decoded at a time; a multiple of 4
HEAD, TAIL = 64, 256  # bytes of a dropped message that are kept

# Chromium begins a reply with its number, and ends each message of a session with the session's id.
_NUMBER = re.compile(rb'\{"id":(\d+),')
_PICTURE = re.compile(rb'"(data|screenshotData)":"')
_SESSION = re.compile(rb'"sessionId":"(\w+)"\}$')


@dataclass(frozen=True, slots=True)
class OversizedMessage:
    """A dropped message, identified by the number of its reply or the session of its event."""

    number: int | None
    session: str | None


class MessageSplitter:
    """Splits a stream into messages. `may_be_large` decides, by its number, if a reply may be up to `LARGE_LIMIT` long."""

    def __init__(self, may_be_large: Callable[[int], bool]) -> None:
        self._may_be_large = may_be_large
        self._buffer = bytearray()
        self._head: bytes | None = None  # of the message that is being dropped

    def feed(self, chunk: bytes) -> Iterator[bytearray | OversizedMessage]:
        """Yield the messages that end in `chunk`, which continues the last chunk. Buffers little more than a limit."""
        *ends, rest = chunk.split(b"\0")
        for end in ends:
            self._extend(end)
            yield self._finish()
        self._extend(rest)

    def _extend(self, part: bytes) -> None:
        self._buffer += part
        if self._head is None and self._is_too_long():
            self._head = bytes(self._buffer[:HEAD])
        if self._head is not None:
            del self._buffer[:-TAIL]

    def _is_too_long(self) -> bool:
        if len(self._buffer) <= SMALL_LIMIT:
            return False
        number = _first_group(_NUMBER.match(self._buffer))
        return number is None or not self._may_be_large(int(number)) or len(self._buffer) > LARGE_LIMIT

    def _finish(self) -> bytearray | OversizedMessage:
        message, head = self._buffer, self._head
        self._buffer, self._head = bytearray(), None
        if head is None:
            return message
        number, session = _first_group(_NUMBER.match(head)), _first_group(_SESSION.search(message))
        return OversizedMessage(int(number) if number else None, session.decode() if session else None)


def read(message: bytes | bytearray, may_be_large: Callable[[int], bool]) -> dict[str, Any]:
    """Decode a message. A large picture in a reply stays as it came, in base64: JSON holds the event loop meanwhile.

    Only a picture is read so, as its base64 has no escapes. Raises ValueError.
    """
    if len(message) > PICTURE_BYTES and (number := _first_group(_NUMBER.match(message))) and may_be_large(int(number)):
        found = _PICTURE.search(message, 0, HEAD * 4)
        if found and (end := message.find(b'"', found.end())) > 0:
            read: dict[str, Any] = json.loads(message[: found.end()] + message[end:])
            read["result"][found[1].decode()] = memoryview(message)[found.end() : end]
            return read
    return dict(json.loads(message))


async def decode_picture(data: str | memoryview) -> bytes:
    """Decode base64 piece by piece, so that other captures go on meanwhile. Raises ValueError."""
    pieces = []
    for at in range(0, len(data), PICTURE_BYTES):
        pieces.append(binascii.a2b_base64(data[at : at + PICTURE_BYTES]))
        await asyncio.sleep(0)
    return b"".join(pieces)


def _first_group(match: re.Match[bytes] | None) -> bytes | None:
    return match[1] if match else None
