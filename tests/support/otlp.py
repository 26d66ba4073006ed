"""A receiver of OTLP over HTTP on loopback, which keeps the spans of all processes that send to it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.processes import wait_until


@dataclass(frozen=True)
class ReceivedSpan:
    """A span, with the name of the process that sent it. Ids are in hexadecimal digits, `parent` is "" without one."""

    process: str
    service: str
    name: str
    trace: str
    id: str
    parent: str
    kind: int
    links: tuple[tuple[str, str], ...]
    attributes: dict[str, object]
    failed: bool
    begin: int
    end: int


@dataclass
class OtlpReceiver:
    """A running receiver. It takes nothing in while `gate` is clear, and forgets all unless it `keeps` spans."""

    port: int
    keeps: bool = True
    spans: list[ReceivedSpan] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def of(self, trace: str) -> list[ReceivedSpan]:
        return [span for span in self.spans if span.trace == trace]

    def wait_for(self, *wanted: tuple[str, str], trace: str) -> dict[tuple[str, str], ReceivedSpan]:
        """Wait until the trace has a span of each process and name, and return the spans by these."""

        def found() -> dict[tuple[str, str], ReceivedSpan]:
            return {(span.process, span.name): span for span in self.of(trace)}

        try:
            wait_until(lambda: set(wanted) <= found().keys(), "spans")
        except AssertionError:
            raise AssertionError(f"{set(wanted) - found().keys()} are not among {sorted(found())}") from None
        return found()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        receiver: OtlpReceiver = self.server.receiver
        body = self.rfile.read(int(self.headers["Content-Length"]))
        receiver.gate.wait(60)
        if self.path == "/v1/traces" and receiver.keeps:
            receiver.bodies.append(body)
            receiver.headers.append({name.lower(): value for name, value in self.headers.items()})
            receiver.spans += _decode(body)
        self.send_response(200 if self.path == "/v1/traces" else 404)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Ignore senders that hang up."""


@contextmanager
def running_otlp_receiver(*, keeps: bool = True) -> Iterator[OtlpReceiver]:
    server = _Server(("127.0.0.1", 0), _Handler)
    receiver = server.receiver = OtlpReceiver(server.server_address[1], keeps)
    receiver.gate.set()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver
    finally:
        receiver.gate.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _decode(body: bytes) -> Iterator[ReceivedSpan]:
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        about = _values(resource.resource.attributes)
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield ReceivedSpan(
                    str(about["thumbnails.process"]),
                    str(about["service.name"]),
                    span.name,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.kind,
                    tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
                    _values(span.attributes),
                    span.status.code == 2,
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                )


def _values(pairs) -> dict[str, object]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
