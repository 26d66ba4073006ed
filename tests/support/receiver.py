"""A webhook receiver on loopback, over HTTP or TLS, that records its requests and responds as configured."""

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Post:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """A running receiver. It responds with `statuses` in turn, then always with 204.

    If `answer` is set, it writes the response instead.
    """

    port: int
    posts: list[Post] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    location: str = ""
    answer: Callable[["_Handler"], None] | None = None
    closing: threading.Event = field(default_factory=threading.Event)
    handshakes: list[str] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        receiver: Receiver = self.server.receiver
        body = self.rfile.read(int(self.headers["Content-Length"]))
        receiver.posts.append(Post(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        if receiver.answer:
            with suppress(OSError):
                receiver.answer(self)
            return
        self.send_response(receiver.statuses.pop(0) if receiver.statuses else 204)
        if receiver.location:
            self.send_header("Location", receiver.location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Ignore callers that hang up or reject the certificate, as some tests intend."""


@contextmanager
def running_receiver(host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    server = _Server((host, port), _Handler)
    receiver = server.receiver = Receiver(server.server_address[1])
    if tls:
        tls.sni_callback = lambda _sock, name, _context: receiver.handshakes.append(name)
        # The handshake runs in the connection's own thread, so that it cannot block the accepting one.
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver
    finally:
        receiver.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


def drip(handler: _Handler) -> None:
    """Start a response that never ends, with a header line every 50 ms."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while not handler.server.receiver.closing.wait(0.05):
        handler.wfile.write(b"X-Drip: 1\r\n")


def endless(handler: _Handler) -> None:
    """Send a successful response with a body that never ends."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
    end = time.monotonic() + 60
    while not handler.server.receiver.closing.is_set() and time.monotonic() < end:
        handler.wfile.write(b"x" * 65536)


def certificates(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Make a certificate for `name`. Return a server's TLS context, and that of a client that trusts only it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "receiver.pem"
    path.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    client = ssl.create_default_context(cadata=certificate.public_bytes(serialization.Encoding.PEM).decode())
    return server, client
