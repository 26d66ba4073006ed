"""Spans by OpenTelemetry's SDK, sent in batches as OTLP over HTTP. Only `telemetry.traces` loads this, where traces are on.

The SDK reads its own variables, `OTEL_…`. It exports in a thread, from a queue of bounded length: a receiver that is slow
or away costs spans, and no request waits for it.
"""

import logging
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

import structlog
from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import INVALID_SPAN, Link, Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from telemetry.build import VERSION
from telemetry.origin import HEADER, Origin, Value

STOP_SECONDS = 2.0
AT_ONCE = 64  # spans in a request: to encode 512 takes 20 ms, for which all other greenlets of a web process would wait
REPORT_SECONDS = 60.0  # between two events of the log about spans that could not be sent
LONGEST_TRACEPARENT = 256  # today's has 55 characters; a later version may append fields
# What the log says of a request, and a span too. The rest of its facts may be anything.
_TOLD = ("cache", "host", "code", "request_id", "jobs", "site", "capture_ms", "verdict")
_NOTHING: AbstractContextManager[object] = nullcontext()
_NO_CONTEXT = Context()
_request_id: ContextVar[str] = ContextVar("request_id", default="")
_log = structlog.get_logger()


class Tracer:
    """The spans of one process."""

    def __init__(self, process: str) -> None:
        for name in ("opentelemetry.exporter", "opentelemetry.sdk"):  # they repeat themselves, and quote headers
            logging.getLogger(name).setLevel(logging.CRITICAL)
        exporter = OTLPSpanExporter()
        self.receiver = urlsplit(exporter._endpoint).netloc.rpartition("@")[2]  # noqa: SLF001 - it has no public name
        self._processor = BatchSpanProcessor(Reporter(exporter, self.receiver))
        self._provider = TracerProvider(resource=_describe(process), shutdown_on_exit=False)
        self._provider.add_span_processor(self._processor)
        self._tracer = self._provider.get_tracer("thumbnails", VERSION)
        self._propagator = TraceContextTextMapPropagator()
        self._redis = RedisInstrumentor() if "redis" in sys.modules else None
        if self._redis:
            self._redis.instrument(tracer_provider=_CallTracers(self._tracer), skip_dep_check=True)

    def stop(self) -> None:
        if self._redis:
            self._redis.uninstrument()
        self._processor._batch_processor.shutdown(int(STOP_SECONDS * 1000))  # noqa: SLF001 - else it waits half a minute

    def enter(
        self, name: str, kind: str, origin: Origin, request_id: str, facts: Mapping[str, Value] | None = None
    ) -> "_Opened":
        """Open the first span of this process in a trace."""
        parent, links = self._read(origin.traceparent), []
        if origin.linked:
            context = trace.get_current_span(parent).get_span_context()
            links, parent = [Link(context)] if context.is_valid else [], _NO_CONTEXT
        more = {"kind": SpanKind[kind.upper()], "context": parent, "links": links, "attributes": _named(facts or {})}
        return _Opened(self._tracer, name, more, request_id)

    def open(self, name: str, kind: str, facts: Mapping[str, Value]) -> AbstractContextManager[Any]:
        if not trace.get_current_span().is_recording():
            return _NOTHING
        return _Opened(self._tracer, name, {"kind": SpanKind[kind.upper()], "attributes": _named(facts)})

    def note(self, facts: Mapping[str, Value]) -> None:
        span = trace.get_current_span()
        if span.is_recording():
            span.set_attributes(_named(facts))

    def note_error(self, code: str) -> None:
        _mark(trace.get_current_span(), code)

    def note_request(self, request_id: str) -> None:
        _request_id.set(request_id)
        self.note({"request_id": request_id})

    def note_response(self, method: str, route: str | None, status: int, facts: Mapping[str, Any]) -> None:
        span = trace.get_current_span()
        if not span.is_recording():
            return
        span.update_name(f"{method} {route or 'none'}")
        span.set_attributes(
            _named({name: value for name in _TOLD if (value := facts.get(name)) is not None})
            | {"http.request.method": method, "http.route": route or "none", "http.response.status_code": status}
        )
        if status >= 500:
            _mark(span, str(facts.get("code", status)))

    def traceparent(self) -> str:
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return carrier.get(HEADER, "")

    def log_facts(self) -> dict[str, str]:
        context = trace.get_current_span().get_span_context()
        return {"trace_id": trace.format_trace_id(context.trace_id)} if context.is_valid else {}

    def _read(self, traceparent: str) -> Context:
        """Return the context of a caller's header. `tracestate` and `baggage` are not read: strangers may write them."""
        if not traceparent or len(traceparent) > LONGEST_TRACEPARENT:
            return _NO_CONTEXT
        return self._propagator.extract({HEADER: traceparent}, _NO_CONTEXT)


class _Opened:
    """A span that is the current one inside of a `with`. With a `request_id`, even "", it begins what is known of a request.

    An error is marked by its code or its type: its text may hold URLs and keys. The SDK's own four context managers took
    twice the time of this one, which every hit spends.
    """

    __slots__ = ("_attached", "_more", "_name", "_request_id", "_span", "_token", "_tracer")

    def __init__(self, tracer: trace.Tracer, name: str, more: Mapping[str, Any], request_id: str | None = None) -> None:
        self._tracer = tracer
        self._name = name
        self._more = more
        self._request_id = request_id

    def __enter__(self) -> Span:
        if self._request_id is not None:
            self._token = _request_id.set(self._request_id)
        self._span = self._tracer.start_span(self._name, **self._more)
        if self._span.is_recording() and (request_id := _request_id.get()):
            self._span.set_attribute("thumbnails.request_id", request_id)
        self._attached = attach(trace.set_span_in_context(self._span))
        return self._span

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, _: object) -> None:
        if kind is not None:
            code = getattr(err, "code", None)
            _mark(self._span, code if isinstance(code, str) else kind.__name__)
        detach(self._attached)
        self._span.end()
        if self._request_id is not None:
            _request_id.reset(self._token)


def _mark(span: Span, error: str) -> None:
    span.set_attribute("error.type", error)
    span.set_status(StatusCode.ERROR)


def _named(facts: Mapping[str, Value]) -> dict[str, Value]:
    return {name if "." in name else f"thumbnails.{name}": value for name, value in facts.items()}


def _describe(process: str) -> Resource:
    """Describe this process, as OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say, or by a name for each process."""
    given = Resource.create({"service.version": VERSION, "thumbnails.process": process})
    if not str(given.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        return given
    return given.merge(Resource({SERVICE_NAME: f"thumbnails-{process}"}))


class Reporter(SpanExporter):
    """Exports spans, and logs once a minute that they could not be sent."""

    def __init__(self, exporter: SpanExporter, receiver: str) -> None:
        self._exporter = exporter
        self._receiver = receiver
        self._unsent = 0
        self._quiet_until = 0.0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        for start in range(0, len(spans), AT_ONCE):
            result = self._exporter.export(spans[start : start + AT_ONCE])
            if result is not SpanExportResult.SUCCESS:
                self._report(len(spans) - start)
                return result
        return SpanExportResult.SUCCESS

    def _report(self, unsent: int) -> None:
        self._unsent += unsent
        if time.monotonic() >= self._quiet_until:
            self._quiet_until = time.monotonic() + REPORT_SECONDS
            _log.warning("traces_unsent", host=self._receiver, spans=self._unsent)
            self._unsent = 0

    def shutdown(self) -> None:
        self._exporter.shutdown()


class _CallTracers(trace.TracerProvider):
    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = _CallTracer(tracer)

    def get_tracer(self, *_: Any, **__: Any) -> trace.Tracer:
        return self._tracer


class _CallTracer(trace.Tracer):
    """Opens spans of calls only inside of a sampled trace: what a process does on its own would fill the store."""

    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer

    def start_span(self, name: str, *_: Any, **more: Any) -> Span:
        return self._tracer.start_span(name, **more) if trace.get_current_span().is_recording() else INVALID_SPAN

    def start_as_current_span(self, name: str, *_: Any, **more: Any) -> Any:
        if not trace.get_current_span().is_recording():
            return nullcontext(INVALID_SPAN)
        return _Opened(self._tracer, name, {"kind": more.get("kind", SpanKind.CLIENT)})
