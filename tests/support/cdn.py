"""A CDN on loopback whose API confirms purges, or does not."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Asked:
    """A request that the fake of a CDN's API got."""

    method: str
    path: str
    headers: dict
    body: str


@dataclass
class FakeCdn:
    url: str
    asked: list[Asked] = field(default_factory=list)
    status: int = 200
    answer: str = '{"success": true, "status": "ok"}'
    most: int = 1_000_000  # requests that it confirms before it fails
    stored: dict = field(default_factory=dict)  # answers by their path

    def get(self, client, path):
        """Answer from what is stored, else ask `client`, one of ours behind the CDN, and store it."""
        if path not in self.stored:
            self.stored[path] = client.get(path)
        return self.stored[path]

    def _remove(self, tags):
        for path, answer in [*self.stored.items()]:
            if tags & set(answer.headers["Surrogate-Key"].split()):
                del self.stored[path]


@contextmanager
def running_cdn() -> Iterator[FakeCdn]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            fake.asked.append(Asked(self.command, self.path, dict(self.headers), body))
            if self.command == "PURGE" and fake.status == 200:
                fake._remove(set(self.headers["Surrogate-Key"].split()))
            self.send_response(fake.status if fake.most > 0 else 500)
            fake.most -= 1
            self.send_header("Content-Length", str(len(fake.answer)))
            self.end_headers()
            self.wfile.write(fake.answer.encode())

        do_PURGE = do_POST  # noqa: N815 - as http.server names it

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake = FakeCdn(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
