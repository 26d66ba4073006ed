"""The engine's side of an outlet: looks up and connects through it, and no other way. Judges nothing."""

import asyncio
import contextlib
import errno
import os
import secrets
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from engine.egress import socks
from engine.egress.relay import Stream, has_ended
from engine.egress.socks import Destination, Reply, Request
from engine.errors import ProxyFailed, ResolverBusy

# Less than a look-up has, and than one of four addresses has to be dialled: an outlet that hangs must not be taken for
# a name or a site that does.
HANDSHAKE_SECONDS = 1.0
ANSWER_SECONDS = 90  # until a look-up is over: the outlet ends it sooner, the caller gives it up much sooner
NOWHERE = Destination("nowhere.invalid", 0)

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

    async def check(self) -> None:
        """Have one answer of the outlet. Raises ProxyFailed."""
        _, writer = await self.say(socks.GREETING, socks.GREETED)
        writer.transport.abort()

    async def line(self) -> "UpstreamSession":
        """Open what one capture connects by. Raises ProxyFailed."""
        user = secrets.token_bytes(16)
        words = socks.introduction(user) + bytes(Request(socks.HOLD, NOWHERE))
        return UpstreamSession(self, user, await self.say(words, socks.INTRODUCED + bytes(Reply.GRANTED)))

    async def say(self, words: bytes, answer: bytes) -> Stream:
        """Begin a connection with `words` that have but one good `answer`. Raises ProxyFailed."""
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                stream = await asyncio.open_connection(self.host, self.port)
                with _talking(stream):
                    stream[1].write(words)
                    if await stream[0].readexactly(len(answer)) != answer:
                        raise ProxyFailed
                return stream
        except OSError as err:
            raise ProxyFailed from err

    def lookup(self, destination: Destination) -> list[str]:
        """Give the addresses that the outlet judged; none for a name it refuses. Blocks.

        Raises ProxyFailed and ResolverBusy.
        """
        try:
            answer = self._resolve(destination)
            match answer[1]:
                case Reply.GRANTED:
                    return socks.read_resolved(answer)
                case Reply.NOT_ALLOWED:
                    return []
        except (OSError, ValueError, LookupError) as err:
            raise ProxyFailed from err
        raise ResolverBusy

    def _resolve(self, destination: Destination) -> bytes:
        with (
            socket.create_connection((self.host, self.port), HANDSHAKE_SECONDS) as line,
            line.makefile("rb") as answers,
        ):
            line.sendall(socks.GREETING)
            answers.read(len(socks.GREETED))
            line.settimeout(ANSWER_SECONDS)
            line.sendall(bytes(Request(socks.RESOLVE, destination)))
            return answers.read(1 << 12)


@dataclass(frozen=True, slots=True)
class UpstreamSession:
    """One capture's tie to the outlet: when `stream` ends, at whichever end, so do all its connections over there."""

    upstream: Upstream
    user: bytes
    stream: Stream

    @property
    def ended(self) -> bool:
        return has_ended(self.stream)

    async def check(self) -> None:
        """See that the outlet still answers: one that hangs does not hang up. Raises ProxyFailed."""
        await self.upstream.check()

    async def connect(self, host: str, port: int) -> Stream:
        """Connect to an address. Raises OSError as if it were dialled from here, and ProxyFailed."""
        stream = await self.upstream.say(socks.introduction(self.user), socks.INTRODUCED)
        with _talking(stream):
            stream[1].write(bytes(Request(socks.CONNECT, Destination(host, port))))
            reply = (await stream[0].readexactly(len(bytes(Reply.GRANTED))))[1]
        if reply != Reply.GRANTED:
            stream[1].transport.abort()
            raise _failure(reply)
        return stream


def _failure(reply: int) -> OSError | ProxyFailed:
    """What a dial through the outlet failed by: FAILED is its own trouble, and none of the site's."""
    number = ERRORS.get(reply, errno.EHOSTUNREACH)
    return ProxyFailed() if reply == Reply.FAILED else OSError(number, os.strerror(number))


@contextlib.contextmanager
def _talking(stream: Stream) -> Iterator[None]:
    """Cut the connection where anything goes wrong on it. Raises ProxyFailed where that is the outlet's end."""
    try:
        yield
    except BaseException as err:
        stream[1].transport.abort()
        if isinstance(err, (OSError, asyncio.IncompleteReadError)):
            raise ProxyFailed from err
        raise
