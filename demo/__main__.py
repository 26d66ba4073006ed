"""Serve the demo pages on loopback: `python -m demo`. Only `make run` uses this; the container images lack it."""

import os
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PAGES = {
    f"/{page.stem.removeprefix('index')}": page.read_bytes()
    for page in (Path(__file__).parent / "pages").glob("*.html")
}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = PAGES.get(self.path.partition("?")[0])
        self.send_response(HTTPStatus.OK if body else HTTPStatus.NOT_FOUND)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(body or b"<h1>No such page</h1>")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class has this name
        """Log nothing: the service's own log already names every capture."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("DEMO_PORT", "8002"))), Handler).serve_forever()
