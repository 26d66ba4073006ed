"""Spans of what a request brings about, in all processes that it comes to. A span is opened where the thing happens.

Off unless `start` has switched it on: then nothing of OpenTelemetry is loaded, and each function here returns at once. Spans
hold hosts, names, states and counts. They hold no path, query, key, cookie or text of an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Literal

import structlog

from telemetry.origin import HEADER as HEADER  # noqa: PLC0414 - part of what this module offers
from telemetry.origin import Origin, Value

if TYPE_CHECKING:
    from telemetry.tracer import Tracer

Kind = Literal["internal", "client", "producer"]

SWITCH = "OTEL_EXPORTER_OTLP_ENDPOINT"
_MISSING = (
    "install them in the Python that runs this service: `pip install -r requirements-tracing.txt`; "
    "for the images: `docker build --build-arg TRACING=1`"
)
_NOTHING: AbstractContextManager[object] = nullcontext()
_log = structlog.get_logger()


class _State:
    tracer: Tracer | None = None


def start(process: str, *, wanted: bool) -> None:
    """Send the spans of this process from now on, if that is `wanted`. Call it after the process was forked.

    Without the packages of traces, the process runs without them, and its log says how to install them.
    """
    if not wanted or _State.tracer is not None:
        return
    try:
        from telemetry.tracer import Tracer  # noqa: PLC0415 - it loads OpenTelemetry, an optional extra
    except ImportError as err:
        _log.error("traces_unavailable", setting=SWITCH, missing=err.name, action=_MISSING)
        return
    _State.tracer = Tracer(process)
    _log.info("traces_sent", process=process, host=_State.tracer.receiver)


def stop() -> None:
    """Send what was not sent yet, for two seconds at most: the process ends."""
    tracer, _State.tracer = _State.tracer, None
    if tracer is not None:
        tracer.stop()


def serving(name: str, traceparent: str = "", request_id: str = "") -> AbstractContextManager[object]:
    """Open the span of a request to this process, in the caller's trace. A malformed `traceparent` is ignored."""
    tracer = _State.tracer
    return _NOTHING if tracer is None else tracer.enter(name, "server", Origin(traceparent), request_id)


def working(name: str, origin: Origin, request_id: str = "", **facts: Value) -> AbstractContextManager[object]:
    """Open the span of work that a message asks for."""
    tracer = _State.tracer
    return _NOTHING if tracer is None else tracer.enter(name, "consumer", origin, request_id, facts)


def span(name: str, kind: Kind = "internal", **facts: Value) -> AbstractContextManager[object]:
    """Open a span inside of the current one. Without one that is sampled, nothing is opened."""
    tracer = _State.tracer
    return _NOTHING if tracer is None else tracer.open(name, kind, facts)


def note(**facts: Value) -> None:
    """Add facts to the current span."""
    if _State.tracer is not None:
        _State.tracer.note(facts)


def note_error(code: str) -> None:
    """Mark the current span as failed, for an error that is no exception there."""
    if _State.tracer is not None:
        _State.tracer.note_error(code)


def note_request(request_id: str) -> None:
    """Give the current span, and all that are opened inside of it, the id of the request."""
    if _State.tracer is not None:
        _State.tracer.note_request(request_id)


def note_response(method: str, route: str | None, status: int, facts: Mapping[str, Any]) -> None:
    """Name the current span after a request's route, and add what the log says of the request."""
    if _State.tracer is not None:
        _State.tracer.note_response(method, route, status, facts)


def traceparent() -> str:
    """Return the current span as the header `traceparent` has it; "" without one."""
    return "" if _State.tracer is None else _State.tracer.traceparent()


def headers() -> dict[str, str]:
    """Return the header that passes the trace on to another process; none without a trace."""
    if _State.tracer is None:
        return {}
    current = _State.tracer.traceparent()
    return {HEADER: current} if current else {}


def log_facts() -> dict[str, str]:
    """Return the id of the current trace for events of the log; nothing without one."""
    return {} if _State.tracer is None else _State.tracer.log_facts()
