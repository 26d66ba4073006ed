"""Before Flask: a picture that is known and fresh goes out by the shortest way, counted and logged like any other.

Everything else, and every refusal, is Flask's: what this module cannot answer it hands on untouched.
"""

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from werkzeug.http import parse_etags

from errors import ThumbnailError
from model import ThumbnailRequest
from pipeline import Served
from ratelimit import Tally, client_of
from services import Services
from web.pictures import picture_headers, preferred_format
from web.telemetry import log_request, request_id_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# A caller with a key has limits of its own, and preconditions are rare: both are Flask's.
_NOT_PLAIN = frozenset(
    ("HTTP_AUTHORIZATION", "HTTP_X_API_KEY", "HTTP_IF_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_RANGE")
)


class HitFront:
    """WSGI middleware that answers hits of `/thumb` and leaves the rest to the application behind it."""

    def __init__(self, app: "WSGIApplication", services: Services, tally: Tally) -> None:
        self._app = app
        self._services = services
        self._tally = tally

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        began = time.monotonic()
        hit = self._find(environ)
        if hit is None:
            return self._app(environ, start_response)
        wanted, served = hit
        request_id = request_id_of(environ.get("HTTP_X_REQUEST_ID", ""))
        headers = picture_headers(served, wanted.delivery) | {"X-Request-ID": request_id}
        asked = environ.get("HTTP_IF_NONE_MATCH")
        unchanged = bool(asked) and parse_etags(asked).contains_weak(served.picture.etag)
        body, status = (b"", "304 NOT MODIFIED") if unchanged else (served.picture.body, "200 OK")
        if body:
            headers |= {"Content-Type": served.picture.content_type, "Content-Length": str(len(body))}
        start_response(status, list(headers.items()))
        log_request(
            request_id, environ["REQUEST_METHOD"], "thumbs.thumb", int(status[:3]), began, len(body),
            host=wanted.host, cache=served.cache,
        )  # fmt: skip
        return [body] if environ["REQUEST_METHOD"] == "GET" else []

    def _find(self, environ: "WSGIEnvironment") -> tuple[ThumbnailRequest, Served] | None:
        """Find what a plain request for a picture asks for, if it is known, fresh, and may be had."""
        plain = environ["PATH_INFO"] == "/thumb" and environ["REQUEST_METHOD"] in ("GET", "HEAD")
        if not plain or not _NOT_PLAIN.isdisjoint(environ):
            return None
        query = environ["QUERY_STRING"].encode("latin-1")
        try:
            wanted = self._services.validator.parse_query(query, preferred_format(environ.get("HTTP_ACCEPT", "")))
            self._services.access.check_public(query, wanted)
        except ThumbnailError:
            return None
        served = self._services.thumbnailer.known(wanted)
        if served is None or not self._tally.admit(client_of(environ.get("REMOTE_ADDR"))):
            return None
        self._services.views.note(wanted, served.picture.captured_at)
        return wanted, served
