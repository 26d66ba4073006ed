"""The engine's side of an outlet: looks up and connects through it, and no other way. Judges nothing."""

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from engine import socks
from engine.errors import ProxyGone, ResolverBusy
from engine.relay import Stream
from engine.socks import Destination, Reply, Request

HANDSHAKE_SECONDS = 1.5  # less than a look-up has: an outlet that hangs must not be taken for a name that does
ANSWER_SECONDS = 90  # until a look-up is over: the outlet ends it sooner, the caller gives it up much sooner

ERRORS: dict[int, int] = {
    Reply.NOT_ALLOWED: errno.EACCES,
    Reply.REFUSED: errno.ECONNREFUSED,
    Reply.TIMED_OUT: errno.ETIMEDOUT,
}


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where the outlet listens."""

    host: str
    port: int

    async def line(self) -> Stream:
        """Greet and ask for nothing yet; the connection ends when the outlet does. Raises ProxyGone."""
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                stream = await asyncio.open_connection(self.host, self.port)
                with _talking(stream):
                    stream[1].write(socks.GREETING)
                    await stream[0].readexactly(2)
                return stream
        except OSError as err:
            raise ProxyGone from err

    async def connect(self, host: str, port: int) -> Stream:
        """Connect to an address. Raises OSError as if it were dialled from here, and ProxyGone."""
        stream = await self.line()
        with _talking(stream):
            stream[1].write(bytes(Request(socks.CONNECT, Destination(host, port))))
            reply = (await stream[0].readexactly(len(bytes(Reply.GRANTED))))[1]
        if reply != Reply.GRANTED:
            stream[1].transport.abort()
            number = ERRORS.get(reply, errno.EHOSTUNREACH)
            raise OSError(number, os.strerror(number))
        return stream

    def lookup(self, destination: Destination) -> list[str]:
        """Give the addresses that the outlet judged; none for a name it refuses. Blocks.

        Raises ProxyGone and ResolverBusy.
        """
        try:
            answer = self._resolve(destination)
            match answer[1]:
                case Reply.GRANTED:
                    return socks.read_resolved(answer)
                case Reply.NOT_ALLOWED:
                    return []
        except (OSError, ValueError, LookupError) as err:
            raise ProxyGone from err
        raise ResolverBusy

    def _resolve(self, destination: Destination) -> bytes:
        with (
            socket.create_connection((self.host, self.port), HANDSHAKE_SECONDS) as line,
            line.makefile("rb") as answers,
        ):
            line.sendall(socks.GREETING)
            answers.read(2)
            line.settimeout(ANSWER_SECONDS)
            line.sendall(bytes(Request(socks.RESOLVE, destination)))
            return answers.read(1 << 12)


@contextlib.contextmanager
def _talking(stream: Stream) -> Iterator[None]:
    """Cut the connection where anything goes wrong on it. Raises ProxyGone where that is the outlet's end."""
    try:
        yield
    except BaseException as err:
        stream[1].transport.abort()
        if isinstance(err, (OSError, asyncio.IncompleteReadError)):
            raise ProxyGone from err
        raise
