"""Listening sockets that a browser can reach: one for each capture, on a port of its own that ends with it."""

import contextlib
import socket
from collections.abc import Iterator

from engine.errors import Unavailable


class Listeners:
    """`pool` holds bound sockets of the browser's own network namespace; without one they are opened as needed."""

    def __init__(self, pool: list[socket.socket] | None = None) -> None:
        self._pool = pool
        self._closed = False

    @contextlib.contextmanager
    def take(self) -> Iterator[socket.socket]:
        """Listen on a random port of loopback for one capture. Raises Unavailable."""
        with self._bound() as listener:
            try:
                listener.listen(256)
                yield listener
            finally:
                stop(listener)

    def close(self) -> None:
        """Close those that are not in use; the others follow as they come back."""
        self._closed = True
        for listener in self._pool or ():
            listener.close()

    @contextlib.contextmanager
    def _bound(self) -> Iterator[socket.socket]:
        if self._pool is None:
            with _open() as listener:
                yield listener
            return
        if not self._pool:
            raise Unavailable("the browser has no listener left")
        listener = self._pool.pop()
        try:
            yield listener
        finally:
            if self._closed:
                listener.close()
            self._pool.append(listener)


def stop(listener: socket.socket) -> None:
    """Stop listening: what is still queued is reset, the port is given back, and the next `listen` gets another.

    Once only: connections of a socket that was shut down twice would all begin with an end of file.
    """
    if listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        listener.shutdown(socket.SHUT_RD)


def _open() -> socket.socket:
    try:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
    except OSError as err:
        raise Unavailable("the egress proxy cannot listen") from err
    return listener
