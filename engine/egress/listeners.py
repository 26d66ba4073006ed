"""Provides the listening sockets that a browser can reach: one for each capture, on a port that closes with it."""

import contextlib
import errno
import socket
from collections.abc import Iterator

from engine.errors import Unavailable


class Listeners:
    """Takes sockets from `pool`, bound in the browser's network namespace, or opens new ones if `pool` is None."""

    def __init__(self, pool: list[socket.socket] | None = None) -> None:
        self._pool = pool
        self._closed = False

    @contextlib.contextmanager
    def listen(self) -> Iterator[socket.socket]:
        """Listen on a random loopback port for one capture. Raises Unavailable."""
        with self._bound() as listener:
            try:
                listener.listen(256)
                yield listener
            finally:
                stop_listening(listener)

    def close(self) -> None:
        """Close the unused sockets now, and each other one when its capture ends."""
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
            raise Unavailable("all listeners of the browser are in use: try again in a few seconds")
        listener = self._pool.pop()
        try:
            yield listener
        finally:
            if self._closed:
                listener.close()
            self._pool.append(listener)


def stop_listening(listener: socket.socket) -> None:
    """Stop listening. Queued connections are reset, and the next `listen` gets another port.

    A second shutdown must not happen: all later connections of the socket would start with an end of file.
    """
    if listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        try:
            listener.shutdown(socket.SHUT_RD)
        except OSError as err:
            # macOS cannot stop listening. It has no namespaces either, so that the socket is closed next.
            if err.errno != errno.ENOTCONN:
                raise


def _open() -> socket.socket:
    try:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
    except OSError as err:
        raise Unavailable("the egress proxy cannot open a listener: try again in a few seconds") from err
    return listener
