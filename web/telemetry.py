"""One log event a request, and the request id that joins it to the caller's log and the screenshot API's."""

import re
import time
import uuid

import structlog
from flask import Flask, Response, g, request

_VALID_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_log = structlog.get_logger()


def note(**facts: object) -> None:
    """Add facts to the event of the request at hand."""
    structlog.contextvars.bind_contextvars(**facts)


def request_id() -> str:
    return str(g.request_id)


def observe(app: Flask) -> None:
    """Give every request an id and a log event."""
    app.before_request(_begin)
    app.after_request(_end)


def _begin() -> None:
    given = request.headers.get("X-Request-ID", "")
    g.request_id = given if _VALID_ID.fullmatch(given) else uuid.uuid4().hex
    g.began = time.monotonic()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _end(response: Response) -> Response:
    response.headers["X-Request-ID"] = request_id()
    # The path is our own route's name, never the caller's text: a query holds whole URLs, a path may hold anything.
    _log.info(
        "request",
        method=request.method,
        route=request.endpoint,
        status=response.status_code,
        ms=round((time.monotonic() - g.began) * 1000, 1),
        bytes=response.content_length,
    )
    return response
