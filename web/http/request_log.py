"""One log event per request, and the request id that joins it to the logs of the caller and the screenshot API."""

import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from flask import Flask, Response, g, request

import logs
from errors import Fault, ThumbnailError
from options import DOCUMENT_SCHEMES
from telemetry import metrics, traces

STARTED = "thumbnails.started"  # in the WSGI environment: when the fast path got the request (monotonic clock)
HOST = "thumbnails.host"  # in the WSGI environment: the target that the fast path read
_STATUS_CLASSES = ("", "1xx", "2xx", "3xx", "4xx", "5xx")
_VALID_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


def install(app: Flask) -> None:
    """Give every request an id and a log event."""
    app.before_request(_begin)
    app.after_request(_end)


def log_facts(**facts: object) -> None:
    """Add facts to the log event of the current request."""
    structlog.contextvars.bind_contextvars(**facts)


def note_error(err: ThumbnailError) -> None:
    """Add to the log event of the current request how it failed, and count it. Once for each error that a caller gets."""
    log_facts(code=err.code)
    metrics.ERRORS.add(err.code, err.fault)


def note_http_error(status: int, code: str) -> None:
    """Count an error of HTTP itself."""
    metrics.ERRORS.add(code, Fault.CALLER if status < 500 else Fault.SERVICE)


def target_host() -> str:
    """Return the host whose page the current request is about, as its log event has it.

    "" before the URL was read, and for a document.
    """
    host = str(structlog.contextvars.get_contextvars().get("host", ""))
    return "" if ":" in host and host.partition(":")[0] in DOCUMENT_SCHEMES else host


def request_id() -> str:
    return str(g.request_id)


def choose_request_id(sent: str) -> str:
    """Return the id that the caller sent if it is valid, else a new one.

    An id need not be secret, and `os.urandom` would take most of the time of a hit. `random` is seeded again after a fork.
    """
    return sent if _VALID_ID.fullmatch(sent) else f"{random.getrandbits(128):032x}"


@dataclass(frozen=True, slots=True)
class _Handled:
    """A request that was responded to in `seconds`, and the facts of its log event."""

    seconds: float
    facts: dict[str, Any]


_unwritten: list[_Handled] = []
_soon: Callable[[Callable[[], None]], object] | None = None


def write_together(soon: Callable[[Callable[[], None]], object]) -> None:
    """Write and count requests together that are handled until `soon` calls what it is given.

    Between two responses, a line takes several times as long: by then, the processor has lost the code that writes it.
    """
    global _soon  # noqa: PLW0603 - the log is the process' too
    _soon = soon


def log_request(method: str, route: str | None, status: int, started: float, size: int | None, **facts: object) -> None:
    """Write the log event of a request, and count it; `started` is monotonic, `size` in bytes."""
    # Only the name of the route is logged: the caller's query holds whole URLs, and a path may hold anything.
    seconds = time.monotonic() - started
    traces.note_response(method, route, status, facts)
    facts = {"method": method, "route": route, "status": status, "ms": round(seconds * 1000, 1), "bytes": size} | facts
    _unwritten.append(_Handled(seconds, facts))
    if _soon is None:
        write_handled()
    elif len(_unwritten) == 1:
        _soon(write_handled)


def write_handled() -> None:
    """Write and count the requests that were handled and not written yet."""
    handled = _unwritten.copy()
    _unwritten.clear()
    logs.info_each("request", [each.facts for each in handled])
    for each in handled:
        cache, id_ = str(each.facts.get("cache", "")), str(each.facts.get("request_id", ""))
        route, status = each.facts["route"] or "none", _STATUS_CLASSES[each.facts["status"] // 100]
        metrics.HTTP_REQUESTS.observe(each.seconds, route, status, cache, request_id=id_)
        if cache:
            metrics.PICTURES_SERVED.add(cache)


def _begin() -> None:
    g.request_id = choose_request_id(request.headers.get("X-Request-ID", ""))
    g.started = request.environ.get(STARTED, time.monotonic())
    structlog.contextvars.clear_contextvars()  # of a request that never came to `_end`
    structlog.contextvars.bind_contextvars(request_id=g.request_id, **traces.log_facts())
    traces.note_request(g.request_id)
    if host := request.environ.get(HOST):
        log_facts(host=host)


def _end(response: Response) -> Response:
    response.headers["X-Request-ID"] = request_id()
    size = response.content_length
    facts = structlog.contextvars.get_contextvars()
    log_request(request.method, request.endpoint, response.status_code, g.started, size, **facts)
    structlog.contextvars.clear_contextvars()  # the thread serves another request next
    return response
