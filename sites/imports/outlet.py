"""The way to other sites through an outlet, `python -m engine.outlet`: it looks names up, judges again, and connects.

Speaks SOCKS5 (RFC 1928) with a user name (RFC 1929) for each session: docs/security.md, An internal network.
"""

import secrets
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import netguard
from errors import BlockedTarget, OverCapacity
from options import Target
from outbound import HTTPConnectionPool, dialled_pool
from urls import NOT_PUBLIC

HANDSHAKE_SECONDS = 2.0
_CONNECT, _HOLD = 1, 0xF2
_IPV4, _NAME, _IPV6 = 1, 3, 4
_GRANTED, _FAILED, _NOT_ALLOWED, _TIMED_OUT = 0, 1, 2, 6  # codes of replies
_ACCEPTED = 4  # bytes: the method, and that the name is accepted, which it always is
_REPLY = 10  # bytes: the outlet names no address in it


@dataclass(frozen=True, slots=True)
class ListOutlet:
    """The address on which the outlet listens."""

    host: str
    port: int

    @contextmanager
    def session(self) -> Iterator["OutletSession"]:
        """Hold a session, at whose end the outlet cuts its connections. Raises OverCapacity if there is no outlet."""
        user = secrets.token_bytes(16)
        try:
            line = self._open(user, HANDSHAKE_SECONDS)
            reply = _ask(line, _HOLD, "nowhere.invalid", 0)
        except OSError:
            raise _unavailable() from None
        with line:
            if reply != _GRANTED:
                raise _unavailable()
            yield OutletSession(self, user)

    @contextmanager
    def pool(self, target: Target, tls: Callable[[], ssl.SSLContext]) -> Iterator[HTTPConnectionPool]:
        """Make a pool for one exchange with `target`. Raises OverCapacity, and its connections as `connect`."""
        with (
            self.session() as session,
            dialled_pool(target, lambda seconds: session.connect(target, seconds), tls) as pool,
        ):
            yield pool

    def connect(self, user: bytes, target: Target, seconds: float) -> socket.socket:
        """Connect to `target`. Raises OSError, BlockedTarget, and OverCapacity if the outlet is at fault."""
        try:
            line = self._open(user, HANDSHAKE_SECONDS)
        except OSError:
            raise _unavailable() from None
        try:
            line.settimeout(seconds)
            _require_granted(_ask(line, _CONNECT, target.host.strip("[]"), target.port))
        except BaseException:
            line.close()
            raise
        return line

    def _open(self, user: bytes, seconds: float) -> socket.socket:
        line = socket.create_connection((self.host, self.port), seconds)
        try:
            name = bytes([len(user)]) + user
            line.sendall(bytes([5, 1, 2, 1]) + name + name)  # the password, which must not be empty, is the name again
            _read(line, _ACCEPTED)
        except BaseException:
            line.close()
            raise
        return line


@dataclass(frozen=True, slots=True)
class OutletSession:
    outlet: ListOutlet
    user: bytes

    def connect(self, target: Target, seconds: float) -> socket.socket:
        """Connect to `target`. Raises as ListOutlet.connect."""
        return self.outlet.connect(self.user, target, seconds)


def _ask(line: socket.socket, command: int, host: str, port: int) -> int:
    """Send a request, and return the code of the reply. Raises OSError."""
    address = netguard.literal(host)
    if address is None:
        kind, name = _NAME, bytes([len(host)]) + host.encode("ascii")
    else:
        kind, name = (_IPV4 if address.version == 4 else _IPV6), address.packed
    line.sendall(bytes([5, command, 0, kind]) + name + port.to_bytes(2))
    return _read(line, _REPLY)[1]


def _read(line: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        more = line.recv(count - len(found))
        if not more:
            raise ConnectionError
        found += more
    return found


def _require_granted(reply: int) -> None:
    if reply == _FAILED:
        raise _unavailable()
    if reply == _NOT_ALLOWED:  # its log has the reason, which clients must not learn
        raise BlockedTarget(NOT_PUBLIC, verdict="second_judge")
    if reply == _TIMED_OUT:
        raise TimeoutError
    if reply != _GRANTED:
        raise ConnectionError


def _unavailable() -> OverCapacity:
    return OverCapacity("lists cannot be fetched now, as the outlet does not answer; try again later")
