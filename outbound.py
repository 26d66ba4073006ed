"""urllib3 connections with one deadline for the whole response, from the status line to the last byte.

`pinned_pool` makes those to an address that the guard has judged, `dialled_pool` those over a given socket.

http.client, urllib3 and requests time out only each single `recv`, so a server that sends a byte per second would block
its caller forever. The deadline starts when the request is sent. It does not cover the look-up of the server's name.
"""

import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import urllib3
from urllib3 import HTTPConnectionPool as HTTPConnectionPool  # noqa: PLC0414 - the type of what is made here
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from netguard import Address
from options import Target

# With which a request for what a page names is known when it comes back, through any name and proxy: RFC 8586.
LOOP_HEADER, LOOP_NAME = "CDN-Loop", "thumbnail-service"
Dial = Callable[[float], socket.socket]
_DIAL_SECONDS = 10.0


class _DeadlineReader(io.RawIOBase):
    """The reading side of a socket, with one deadline for all reads together."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw, self._sock = raw, sock
        self._deadline = time.monotonic() + (sock.gettimeout() or 0.0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _DeadlineResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_DeadlineReader(self.fp.detach(), sock))


class _DeadlineConnection(HTTPConnection):
    response_class = _DeadlineResponse


class _DeadlineTLSConnection(HTTPSConnection):
    response_class = _DeadlineResponse


class _Dialled(HTTPConnection):
    """A connection over the socket that `dial` opens within so many seconds."""

    def __init__(self, *args: Any, dial: Dial, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._dial = dial

    def _new_conn(self) -> socket.socket:
        seconds = self.timeout
        try:
            return self._dial(seconds if isinstance(seconds, (int, float)) else _DIAL_SECONDS)
        except TimeoutError as err:
            raise ConnectTimeoutError(self, "the connection timed out") from err
        except OSError as err:
            raise NewConnectionError(self, "no connection") from err


class _DialledConnection(_Dialled, _DeadlineConnection):
    pass


class _DialledTLSConnection(_Dialled, _DeadlineTLSConnection):
    pass


class _DeadlinePool(urllib3.HTTPConnectionPool):
    ConnectionCls = _DeadlineConnection


class _DeadlineTLSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _DeadlineTLSConnection


# The pool class of each URL scheme, for `PoolManager.pool_classes_by_scheme`.
POOLS: Mapping[str, type[urllib3.HTTPConnectionPool]] = MappingProxyType(
    {"http": _DeadlinePool, "https": _DeadlineTLSPool}
)


def pinned_pool(target: Target, address: Address, tls: Callable[[], ssl.SSLContext]) -> urllib3.HTTPConnectionPool:
    """Make a pool for one exchange with `target` at `address`, so without another look-up. `tls` is called for https.

    A pool of its own means: no proxy from the environment, and no idle connection to another address.
    """
    if target.scheme == "http":
        return POOLS["http"](str(address), target.port)
    # We connect to an address, but the certificate must be the name's.
    return POOLS["https"](str(address), target.port, server_hostname=target.host.strip("[]"), ssl_context=tls())


def dialled_pool(target: Target, dial: Dial, tls: Callable[[], ssl.SSLContext]) -> urllib3.HTTPConnectionPool:
    """Make a pool for one exchange with `target` over a socket that `dial` opens, say through a proxy."""
    host = target.host.strip("[]")
    if target.scheme == "http":
        pool: urllib3.HTTPConnectionPool = POOLS["http"](host, target.port, dial=dial)
        pool.ConnectionCls = _DialledConnection
    else:
        pool = POOLS["https"](host, target.port, server_hostname=host, ssl_context=tls(), dial=dial)
        pool.ConnectionCls = _DialledTLSConnection
    return pool
