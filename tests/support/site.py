"""A small web site on loopback for the browser. Tests add routes at any time, and all requests are recorded."""

import fcntl
import socket
import ssl
import struct
import termios
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Seen:
    method: str
    path: str
    headers: Mapping[str, str]


@dataclass
class Route:
    """One response. It comes `late` by some seconds, and not before `gate` is set. If `endless`, it never ends after that.

    A response that `drips` is endless, with a byte every 0.2 s. A route that `hangs_up` closes without a response.
    If `raw`, the body is all that is sent, headers included, before the connection is closed, or reset if it `resets`.
    """

    body: bytes
    status: int
    content_type: str
    headers: Mapping[str, str]
    gate: threading.Event | None
    late: float
    endless: bool
    drips: bool
    hangs_up: bool
    raw: bool
    resets: bool
    passed: bytes  # the body, with status 200, for a request with the cookie `clear=1`


@dataclass
class Site:
    host: str
    port: int
    closing: threading.Event = field(default_factory=threading.Event)
    requests: list[Seen] = field(default_factory=list)
    answered: int = 0  # the number of complete responses
    routes: dict[str, Route] = field(default_factory=dict)
    scheme: str = "http"

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def url(self, path: str = "/") -> str:
        return f"{self.scheme}://{self.address}{path}"

    def add(
        self,
        path: str,
        body: str | bytes = "",
        *,
        status: int = 200,
        content_type: str = "text/html; charset=utf-8",
        headers: Mapping[str, str] | None = None,
        gate: threading.Event | None = None,
        late: float = 0,
        endless: bool = False,
        drips: bool = False,
        hangs_up: bool = False,
        raw: bool = False,
        resets: bool = False,
        passed: str = "",
    ) -> str:
        """Serve `body` at `path` with any query, and return its URL. A visitor with the cookie `clear=1` gets `passed`."""
        content = body.encode() if isinstance(body, str) else body
        endings = (endless or drips, drips, hangs_up, raw, resets)
        self.routes[path] = Route(content, status, content_type, headers or {}, gate, late, *endings, passed.encode())
        return self.url(path)

    def hits(self, path: str) -> int:
        """Count the requests of `path`, with any query."""
        return sum(seen.path.partition("?")[0] == path for seen in self.requests)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_GET(self) -> None:
        site = self.server.site
        self.rfile.read(int(self.headers.get("Content-Length", 0)))  # unread bytes would reset the connection
        site.requests.append(Seen(self.command, self.path, dict(self.headers)))
        route = site.routes.get(self.path.partition("?")[0])
        if route is None:
            self.send_error(404)
            return
        if route.passed and "clear=1" in self.headers.get("Cookie", ""):
            route = replace(route, body=route.passed, status=200)
        if route.gate:
            _either(route.gate, site.closing)
        site.closing.wait(route.late)
        if route.hangs_up:
            self.close_connection = True
            return
        if route.raw:
            self._write_raw(route)
            return
        self._answer(route)
        site.answered += not route.endless
        if route.endless:
            self.close_connection = True
            while not site.closing.wait(0.2 if route.drips else None):
                self.wfile.write(b".")

    do_POST = do_HEAD = do_GET  # noqa: N815 - http.server's names

    def _answer(self, route: Route) -> None:
        self.send_response(route.status)
        self.send_header("Content-Type", route.content_type)
        if route.status != 204:
            self.send_header("Content-Length", str(len(route.body) + (1 << 20 if route.endless else 0)))
        for name, value in route.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(route.body)

    def _write_raw(self, route: Route) -> None:
        self.wfile.write(route.body)
        self.close_connection = True
        if route.resets:
            while _unsent(self.connection):  # a reset would drop it
                time.sleep(0.01)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.rfile.close()
            self.connection.close()  # before the server closes it in the orderly way

    def log_message(self, *_: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    site: Site

    def handle_error(self, *_: Any) -> None:
        """Ignore browsers that hang up, as many tests intend."""


def _unsent(connection: socket.socket) -> int:
    """Count the bytes that the peer has not acknowledged: SIOCOUTQ of tcp(7)."""
    return struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, b"\0" * 4))[0]


def _either(gate: threading.Event, closing: threading.Event) -> None:
    while not gate.wait(0.02) and not closing.is_set():
        pass


@contextmanager
def running_site(host: str = "127.0.0.1", tls: ssl.SSLContext | None = None, port: int = 0) -> Iterator[Site]:
    """Run a site, which speaks TLS if it gets a context."""
    server = _Server((host, port), _Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.site = Site(host, server.server_address[1], scheme="https" if tls else "http")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.site
    finally:
        server.site.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
