"""Before Flask: a picture that is known and fresh goes out by the shortest way, counted and logged like any other.

Everything else, and every refusal, is Flask's to answer: this module hands it on, with the refusal that it found.
"""

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import request
from werkzeug.http import parse_etags

from access import HitTally, client_of
from errors import ThumbnailError
from model import ThumbnailRequest
from services import Services
from thumbnails import Known, Served
from web.http.pictures import caching_headers, own_headers, preferred_format
from web.http.request_log import BEGAN, log_request, note, request_id_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# A caller with a key has limits of its own, and preconditions and preferences are rare: all are Flask's. A browser
# that sends If-Modified-Since sends If-None-Match too, which it then means.
_NOT_PLAIN = frozenset(("HTTP_AUTHORIZATION", "HTTP_X_API_KEY", "HTTP_IF_MATCH", "HTTP_RANGE", "HTTP_PREFER"))
_REFUSAL = "thumbnails.refusal"
_KNOWN = "thumbnails.known"


class FastPath:
    """WSGI middleware that answers hits of `/thumb` and leaves the rest to the application behind it.

    A refusal that it finds, the application only has to write: see `raise_refusal`.
    """

    def __init__(self, app: "WSGIApplication", services: Services, tally: HitTally) -> None:
        self._app = app
        self._services = services
        self._tally = tally

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        began = time.monotonic()
        hit = self._find(environ) if _is_plain(environ) else None
        if hit is None:
            environ[BEGAN] = began
            return self._app(environ, start_response)
        wanted, served = hit
        request_id = request_id_of(environ.get("HTTP_X_REQUEST_ID", ""))
        headers = caching_headers(served, wanted.delivery) | {"X-Request-ID": request_id}
        if _has(environ.get("HTTP_IF_NONE_MATCH"), headers["ETag"]):
            status, body = "304 NOT MODIFIED", b""
        else:
            status, body = "200 OK", served.picture.body
            headers |= own_headers(served.picture)
            headers |= {"Content-Type": served.picture.content_type, "Content-Length": str(len(body))}
        start_response(status, list(headers.items()))
        log_request(
            environ["REQUEST_METHOD"], "thumbs.thumb", int(status[:3]), began, len(body),
            request_id=request_id, host=wanted.target.netloc, cache=served.cache,
        )  # fmt: skip
        return [body] if environ["REQUEST_METHOD"] == "GET" else []

    def _find(self, environ: "WSGIEnvironment") -> tuple[ThumbnailRequest, Served] | None:
        """Find what a plain request for a picture asks for, if it is known, fresh, and may be had."""
        query = environ["QUERY_STRING"].encode("latin-1")
        try:
            wanted = self._services.validator.parse_query(query, preferred_format(environ.get("HTTP_ACCEPT", "")))
            served = self._look_up(environ, query, wanted)
        except ThumbnailError as err:
            if self._admits(environ):
                environ[_REFUSAL] = err
            return None
        if served is None or not self._admits(environ):
            return None
        self._services.views.note(wanted, served.picture.captured_at)
        return wanted, served

    def _look_up(self, environ: "WSGIEnvironment", query: bytes, wanted: ThumbnailRequest) -> Served | None:
        """Give the picture if it is known and fresh. Raises the error of `Thumbnailer.get` if that is sure to fail."""
        try:
            self._services.access.require_allowed(query, wanted)
        except ThumbnailError:
            return None  # the view raises it again, and more
        if wanted.delivery.fresh:
            return None
        known = self._services.thumbnailer.look_up(wanted)
        served = self._services.thumbnailer.hit(wanted, known)
        if served is None:
            environ[_KNOWN] = known
            note(host=wanted.target.netloc)
            self._services.thumbnailer.require_room(wanted)
        return served

    def _admits(self, environ: "WSGIEnvironment") -> bool:
        return self._tally.admit(client_of(environ.get("REMOTE_ADDR")))


def looked_up() -> Known | None:
    """Give what the fast path knows of the current request, so that the view need not ask again."""
    return request.environ.get(_KNOWN)


def raise_refusal() -> None:
    """Raise what the front found to speak against the request at hand; to be called before it is counted again."""
    refusal = request.environ.get(_REFUSAL)
    if refusal is not None:
        raise refusal


def _is_plain(environ: "WSGIEnvironment") -> bool:
    is_read = environ["PATH_INFO"] == "/thumb" and environ["REQUEST_METHOD"] in ("GET", "HEAD")
    by_date = "HTTP_IF_MODIFIED_SINCE" in environ and "HTTP_IF_NONE_MATCH" not in environ
    return is_read and not by_date and _NOT_PLAIN.isdisjoint(environ)


def _has(asked: str | None, etag: str) -> bool:
    """Tell whether `If-None-Match` names `etag`, quoted; browsers send back just what they got."""
    return asked == etag or (bool(asked) and parse_etags(asked).contains_weak(etag.strip('"')))
