"""The fast path: a known, fresh picture of a page, or the known one of a site, is served before Flask sees the request.

Flask responds to all other requests, and writes all errors. The fast path hands on the errors and the state of the
cache that it found, so that neither is looked up twice. It counts and logs its responses like Flask's.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flask import Flask, request
from werkzeug.http import parse_etags

from access import HitTally, client_of
from errors import ThumbnailError
from model import ThumbnailRequest
from purge import page_tags, site_tag
from services import Services
from telemetry import traces
from thumbnails import CacheState, Known, Served
from web.http.cache_tags import tag_headers
from web.http.origins import Sharing
from web.http.pictures import cache_headers, representation_headers
from web.http.request_log import HOST, STARTED, choose_request_id, log_request
from web.http.site_images import SiteImages, served_image
from web.http.thumb_paths import READER, Reader

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# Flask serves requests with these headers: a key has limits of its own, and preconditions and preferences are rare.
# If-Modified-Since does not count beside If-None-Match, which takes precedence and which browsers send as well.
_FOR_FLASK = frozenset(
    ("HTTP_AUTHORIZATION", "HTTP_X_API_KEY", "HTTP_IF_MATCH", "HTTP_IF_UNMODIFIED_SINCE", "HTTP_RANGE", "HTTP_PREFER")
)
_ERROR = "thumbnails.error"
_KNOWN = "thumbnails.known"
_Hit = tuple[ThumbnailRequest, Served, str, Mapping[str, Any]]  # and the name of its route, and facts for the log


def install(app: Flask, services: Services, readers: Sequence[Reader]) -> None:
    """Put the fast path in front of `app`. Install it before the flood guard, which would count its errors again."""
    tally = HitTally(services.counters, services.settings.request_limit)
    app.wsgi_app = FastPathMiddleware(app.wsgi_app, services, readers, tally)  # type: ignore[method-assign]
    app.before_request(_raise_found_error)


def known_state() -> Known | None:
    """Return what the fast path has found in the cache for the current request, if it has looked."""
    return request.environ.get(_KNOWN)


def _raise_found_error() -> None:
    error = request.environ.get(_ERROR)
    if error is not None:
        raise error


class FastPathMiddleware:
    """WSGI middleware that responds to hits of `readers` and passes all other requests to the application."""

    def __init__(self, app: "WSGIApplication", services: Services, readers: Sequence[Reader], tally: HitTally) -> None:
        self._app = app
        self._services = services
        self._readers = [(each, f"thumbs.{each.name}") for each in readers]
        self._tally = tally
        self._sharing = Sharing(services.settings)
        self._site_images = SiteImages(services)
        self._tags = services.settings.tags_pictures

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        started = time.monotonic()
        hit = self._find(environ)
        if hit is None:
            environ[STARTED] = started
            return self._app(environ, start_response)
        wanted, served, route, facts = hit
        request_id = choose_request_id(environ.get("HTTP_X_REQUEST_ID", ""))
        headers = cache_headers(served, wanted.delivery)
        headers["X-Request-ID"] = request_id
        headers.update(self._sharing.headers(environ.get("HTTP_ORIGIN")))
        if self._sharing.varies:
            headers["Vary"] = "Accept, Origin" if "Vary" in headers else "Origin"
        if self._tags:
            headers.update(tag_headers((site_tag(facts["site"]),) if "site" in facts else page_tags(wanted.target)))
        if _matches(environ.get("HTTP_IF_NONE_MATCH"), headers["ETag"]):
            status, body = "304 NOT MODIFIED", b""
        else:
            status, body = "200 OK", served.picture.body
            headers.update(representation_headers(served.picture))
            headers["Content-Type"] = served.picture.content_type
            headers["Content-Length"] = str(len(body))
        start_response(status, list(headers.items()))
        log_request(
            environ["REQUEST_METHOD"], route, int(status[:3]), started, len(body),
            request_id=request_id, cache=served.cache, **facts, **traces.log_facts(),
        )  # fmt: skip
        return [body] if environ["REQUEST_METHOD"] == "GET" else []

    def _find(self, environ: "WSGIEnvironment") -> _Hit | None:
        """Return what is a hit of any kind. Flask is told the reader of the path."""
        path = environ["PATH_INFO"]
        for reader, route in self._readers:
            if reader.matches(path):
                environ[READER] = reader
                return self._find_hit(environ, reader, route) if _is_plain(environ) else None
        is_site = path.startswith("/sites/") and self._site_images.open_to_all
        return self._find_site(environ) if is_site and _is_plain(environ) else None

    def _find_site(self, environ: "WSGIEnvironment") -> _Hit | None:
        """Return the picture of a site if it is known. Flask responds to all else, errors included."""
        try:
            image = self._site_images.parse(
                environ["PATH_INFO"], environ["QUERY_STRING"], environ.get("HTTP_ACCEPT", "")
            )
        except ThumbnailError:
            return None
        picture = self._services.site_pictures.hit(image) if image else None
        if image is None or picture is None or not self._count(environ):
            return None
        if image.number is None:
            self._services.site_views.note(image.site_id)
        return image.request, served_image(image, picture, CacheState.HIT), "sites.image", {"site": image.site_id}

    def _find_hit(self, environ: "WSGIEnvironment", reader: Reader, route: str) -> _Hit | None:
        """Return the request and its picture if it is a hit. An error that Flask must write goes into `environ`."""
        try:
            wanted = reader.read(environ)
            if wanted is not None and wanted.delivery.http_too:
                wanted = self._services.thumbnailer.settle(wanted)
            served = None if wanted is None else self._look_up(environ, reader, wanted)
        except ThumbnailError as err:
            if self._count(environ):
                environ[_ERROR] = err
            return None
        if wanted is None or served is None or not self._count(environ):
            return None
        self._services.popularity.count_view(wanted, served.picture.captured_at)
        return wanted, served, route, {"host": wanted.target.netloc}

    def _look_up(self, environ: "WSGIEnvironment", reader: Reader, wanted: ThumbnailRequest) -> Served | None:
        """Return the picture if it is known and fresh. Raises an error if `Thumbnailer.get` could only do the same."""
        try:
            reader.require_allowed(environ, wanted)
        except ThumbnailError:
            return None  # the view raises it again
        if wanted.delivery.fresh:
            return None
        known = self._services.thumbnailer.look_up(wanted)
        served = self._services.thumbnailer.hit(wanted, known)
        if served is None:
            environ[_KNOWN] = known
            environ[HOST] = wanted.target.netloc
            self._services.thumbnailer.require_room(wanted, client_of(environ.get("REMOTE_ADDR")))
        return served

    def _count(self, environ: "WSGIEnvironment") -> bool:
        """Count the request for the flood guard. False if the client is over its limit: the guard then refuses it."""
        return self._tally.admit(client_of(environ.get("REMOTE_ADDR")))


def _is_plain(environ: "WSGIEnvironment") -> bool:
    is_read = environ["REQUEST_METHOD"] in ("GET", "HEAD")
    asks_for_state = "application/json" in environ.get("HTTP_ACCEPT", "").lower()
    by_date = "HTTP_IF_MODIFIED_SINCE" in environ and "HTTP_IF_NONE_MATCH" not in environ
    return is_read and not asks_for_state and not by_date and _FOR_FLASK.isdisjoint(environ)


def _matches(if_none_match: str | None, etag: str) -> bool:
    """Return whether `If-None-Match` names `etag` (quoted). Browsers send exactly what they got."""
    return if_none_match == etag or (bool(if_none_match) and parse_etags(if_none_match).contains_weak(etag.strip('"')))
