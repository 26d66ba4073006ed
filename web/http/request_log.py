"""One log event a request, and the request id that joins it to the caller's log and the screenshot API's."""

import os
import re
import time

import structlog
from flask import Flask, Response, g, request

import logs

BEGAN = "thumbnails.began"  # in the WSGI environment: when the front got the request, by the monotonic clock
_VALID_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


def note(**facts: object) -> None:
    """Add facts to the event of the request at hand."""
    structlog.contextvars.bind_contextvars(**facts)


def request_id() -> str:
    return str(g.request_id)


def request_id_of(given: str) -> str:
    """Keep the caller's id if it is one, else make one."""
    return given if _VALID_ID.fullmatch(given) else os.urandom(16).hex()


def log_request(method: str, route: str | None, status: int, began: float, size: int | None, **facts: object) -> None:
    """Write the one event of a request; `began` by the monotonic clock, `size` in bytes."""
    # The route is our own name, never the caller's path: a query holds whole URLs, a path may hold anything.
    ms = round((time.monotonic() - began) * 1000, 1)
    logs.info("request", method=method, route=route, status=status, ms=ms, bytes=size, **facts)


def observe(app: Flask) -> None:
    """Give every request an id and a log event."""
    app.before_request(_begin)
    app.after_request(_end)


def _begin() -> None:
    g.request_id = request_id_of(request.headers.get("X-Request-ID", ""))
    g.began = request.environ.get(BEGAN, time.monotonic())
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _end(response: Response) -> Response:
    response.headers["X-Request-ID"] = request_id()
    size = response.content_length
    facts = structlog.contextvars.get_contextvars()
    log_request(request.method, request.endpoint, response.status_code, g.began, size, **facts)
    structlog.contextvars.clear_contextvars()  # the thread serves others next
    return response
