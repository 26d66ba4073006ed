"""A span for each request, around all else that is done for it. Installed only where traces are on."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask

from telemetry import traces

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_UNTRACED = frozenset(("/health", "/ready"))  # asked every few seconds, by machines


def install(app: Flask) -> None:
    """Trace the requests to `app`. Install it around all middleware that serves pictures."""
    app.wsgi_app = TracedRequests(app.wsgi_app)  # type: ignore[method-assign]


class TracedRequests:
    """WSGI middleware that opens the span of a request. The log of requests names the span and says what came of it."""

    def __init__(self, app: "WSGIApplication") -> None:
        self._app = app

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ["PATH_INFO"] in _UNTRACED:
            return self._app(environ, start_response)
        with traces.serving(environ["REQUEST_METHOD"], environ.get("HTTP_TRACEPARENT", "")):
            return self._app(environ, start_response)
