"""A mirror of Playwright's downloads on loopback: it serves archives of a headless shell, or what goes wrong instead."""

import io
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SHELL = "chrome-headless-shell"


@dataclass
class Mirror:
    """`answer` answers requests for a browser, with the name of its archive's folder. `asked` are the paths so far."""

    url: str
    answer: Callable[[BaseHTTPRequestHandler, str], None]
    asked: list[str] = field(default_factory=list)


def archive_of(files: Mapping[str, bytes | Path]) -> Callable[[BaseHTTPRequestHandler, str], None]:
    """Answer with an archive of `files`, all of which may be executed."""

    def answer(request: BaseHTTPRequestHandler, folder: str) -> None:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name, content in files.items():
                entry = zipfile.ZipInfo(f"{folder}/{name}")
                entry.external_attr = 0o100755 << 16
                archive.writestr(entry, content if isinstance(content, bytes) else content.read_bytes())
        send(request, packed.getbuffer())

    return answer


def a_shell(*lines: str) -> Callable[[BaseHTTPRequestHandler, str], None]:
    """Answer with an archive of a script in the shell's place."""
    return archive_of({SHELL: "\n".join(("#!/bin/sh", *lines, "")).encode()})


def of(body: bytes, status: int = 200) -> Callable[[BaseHTTPRequestHandler, str], None]:
    return lambda request, _: send(request, body, status)


def half(request: BaseHTTPRequestHandler, _: str) -> None:
    """Close the connection in the middle of the archive."""
    request.send_response(200)
    request.send_header("Content-Length", "1000000")
    request.end_headers()
    request.wfile.write(bytes(1000))


def send(request: BaseHTTPRequestHandler, body: bytes | memoryview, status: int = 200) -> None:
    request.send_response(status)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


@contextmanager
def running_mirror(answer: Callable[[BaseHTTPRequestHandler, str], None]) -> Iterator[Mirror]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            mirror.asked.append(self.path)
            name = self.path.rpartition("/")[2].removesuffix(".zip")
            # With a browser, the installer fetches a program for videos.
            (archive_of({"ffmpeg-linux": b""}) if name.startswith("ffmpeg") else mirror.answer)(self, name)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A client that hangs up is no error."""

    with Server(("127.0.0.1", 0), Handler) as server:
        mirror = Mirror(f"http://127.0.0.1:{server.server_port}", answer)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield mirror
        finally:
            server.shutdown()
            thread.join()
