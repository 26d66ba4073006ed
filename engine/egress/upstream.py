"""The engine's client for an outlet: looks up names and connects through it alone. Judges nothing."""

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

# Shorter than the time-outs of a look-up and of one of four addresses. So an outlet that hangs is not mistaken for a
# name or a site that hangs.
HANDSHAKE_SECONDS = 1.0
ANSWER_SECONDS = 90  # for a look-up: the outlet times out sooner, and the caller much sooner
NOWHERE = Destination("nowhere.invalid", 0)

ERRORS: dict[int, int] = {
    Reply.NOT_ALLOWED: errno.EACCES,
    Reply.REFUSED: errno.ECONNREFUSED,
    Reply.TIMED_OUT: errno.ETIMEDOUT,
}


@dataclass(frozen=True, slots=True)
class Upstream:
    """The address on which the outlet listens."""

    host: str
    port: int

    async def ping(self) -> None:
        """Wait for one answer of the outlet. Raises ProxyFailed."""
        _, writer = await self.handshake(socks.GREETING, socks.GREETED)
        writer.transport.abort()

    async def open_session(self) -> "UpstreamSession":
        """Open the session of one capture. Raises ProxyFailed."""
        user = secrets.token_bytes(16)
        request = socks.greeting_with_user(user) + bytes(Request(socks.HOLD, NOWHERE))
        answer = socks.USER_ACCEPTED + bytes(Reply.GRANTED)
        return UpstreamSession(self, user, await self.handshake(request, answer))

    async def handshake(self, request: bytes, answer: bytes) -> Stream:
        """Open a connection, send `request` and require exactly `answer`. Raises ProxyFailed."""
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                stream = await asyncio.open_connection(self.host, self.port)
                with _cut_on_error(stream):
                    stream[1].write(request)
                    if await stream[0].readexactly(len(answer)) != answer:
                        raise ProxyFailed
                return stream
        except OSError as err:
            raise ProxyFailed from err

    def lookup(self, destination: Destination) -> list[str]:
        """Return the addresses that the outlet allows, none for a refused name. Blocks the thread.

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
            socket.create_connection((self.host, self.port), HANDSHAKE_SECONDS) as connection,
            connection.makefile("rb") as answers,
        ):
            connection.sendall(socks.GREETING)
            answers.read(len(socks.GREETED))
            connection.settimeout(ANSWER_SECONDS)
            connection.sendall(bytes(Request(socks.RESOLVE, destination)))
            return answers.read(1 << 12)


@dataclass(frozen=True, slots=True)
class UpstreamSession:
    """One capture's session with the outlet. When `stream` closes, at either end, so do all its connections there."""

    upstream: Upstream
    user: bytes
    stream: Stream

    @property
    def ended(self) -> bool:
        return has_ended(self.stream)

    async def ping(self) -> None:
        """Wait for an answer of the outlet, as one that hangs does not close `stream`. Raises ProxyFailed."""
        await self.upstream.ping()

    async def connect(self, host: str, port: int) -> Stream:
        """Connect to an address. Raises OSError as a direct connection would, and ProxyFailed."""
        stream = await self.upstream.handshake(socks.greeting_with_user(self.user), socks.USER_ACCEPTED)
        with _cut_on_error(stream):
            stream[1].write(bytes(Request(socks.CONNECT, Destination(host, port))))
            reply = (await stream[0].readexactly(len(bytes(Reply.GRANTED))))[1]
        if reply != Reply.GRANTED:
            stream[1].transport.abort()
            raise _failure(reply)
        return stream


def _failure(reply: int) -> OSError | ProxyFailed:
    """Translate a reply of the outlet. FAILED means that the outlet is at fault, not the site."""
    number = ERRORS.get(reply, errno.EHOSTUNREACH)
    return ProxyFailed() if reply == Reply.FAILED else OSError(number, os.strerror(number))


@contextlib.contextmanager
def _cut_on_error(stream: Stream) -> Iterator[None]:
    """Abort the connection on any error. Raises ProxyFailed if the outlet or the network caused it."""
    try:
        yield
    except BaseException as err:
        stream[1].transport.abort()
        if isinstance(err, (OSError, asyncio.IncompleteReadError)):
            raise ProxyFailed from err
        raise
