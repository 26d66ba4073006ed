"""Serve the demo pages on loopback: `python -m demo`. Only `make run` uses this; the container images lack it.

`python -m demo table http://127.0.0.1:8002 16` prints the demo pages and the first 16 made-up sites, as CSV for an import.
"""

import os
import sys
import time
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from demo.sites import BY_PATH, COUNT, table

PAGES = {
    f"/{page.stem.removeprefix('index')}": page.read_bytes()
    for page in (Path(__file__).parent / "pages").glob("*.html")
}
DAY_SECONDS = 86400


def today(clock: Path | None) -> float:
    """Return the day of the made-up sites: today, and so many days later as the file `clock` says."""
    ahead = 0.0
    if clock:
        with suppress(OSError, ValueError):  # the clock was never set
            ahead = float(clock.read_text(encoding="utf-8"))
    return time.time() / DAY_SECONDS + ahead


class Handler(BaseHTTPRequestHandler):
    clock: Path | None = None

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        site = BY_PATH.get(path)
        body = site.html(today(self.clock)).encode() if site else PAGES.get(path)
        self.send_response(HTTPStatus.OK if body else HTTPStatus.NOT_FOUND)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(body or b"<h1>No such page</h1>")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class has this name
        """Log nothing: the service's own log already names every capture."""


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["table"]:
        sys.stdout.write(table(arguments[1], int(arguments[2]) if arguments[2:] else COUNT))
        return
    clock = os.environ.get("DEMO_CLOCK")
    Handler.clock = Path(clock) if clock else None
    ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("DEMO_PORT", "8002"))), Handler).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
