"""A small S3 server on loopback that answers as odd servers do. Keeps objects in memory and records every call."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Refusal:
    status: int
    code: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    region: str = ""

    @property
    def body(self) -> bytes:
        region = f"<Region>{self.region}</Region>" if self.region else ""
        return f"<Error><Code>{self.code}</Code><Message>no</Message>{region}</Error>".encode()


@dataclass
class FakeS3:
    """`conditional` is what a PUT with If-None-Match gets: None keeps the first object, "ignored" replaces it.

    `refusal` answers every call, or those of `refused` methods below `refused_path`. While `gate` is set and closed, no call is answered.
    """

    url: str
    conditional: Refusal | str | None = None
    refusal: Refusal | None = None
    refused: tuple[str, ...] = ("GET", "HEAD", "PUT", "DELETE")
    refused_path: str = "/"
    gate: threading.Event | None = None
    objects: dict[str, bytes] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def count(self, method: str, path: str = "") -> int:
        return sum(call.startswith(f"{method} {path}") for call in self.calls)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _act(self) -> None:
        s3: FakeS3 = self.server.s3
        path = urlsplit(self.path).path
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        condition = self.headers.get("If-None-Match")
        s3.calls.append(f"{self.command} {path}{' if-none-match' if condition else ''}")
        if s3.gate:
            s3.gate.wait(60)
        is_refused = self.command in s3.refused and path.startswith(s3.refused_path)
        refusal = s3.refusal if is_refused else None
        if condition and not refusal and isinstance(s3.conditional, Refusal):
            refusal = s3.conditional
        if condition and not refusal and s3.conditional is None and path in s3.objects:
            refusal = Refusal(412, "PreconditionFailed")
        if refusal:
            self._answer(refusal.status, refusal.body, refusal.headers)
        elif self.command == "PUT":
            s3.objects[path] = body
            self._answer(200)
        elif path in s3.objects:
            self._answer(200, s3.objects[path])
        else:
            self._answer(404, Refusal(404, "NoSuchKey").body)

    do_GET = do_HEAD = do_PUT = do_DELETE = _act  # noqa: N815 - the standard library's names

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def running_fake_s3() -> Iterator[FakeS3]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.s3 = FakeS3(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.s3
    finally:
        if server.s3.gate:
            server.s3.gate.set()
        server.shutdown()
        thread.join()
        server.server_close()
