"""Pictures as responses: content type, validators, and headers for caches and browsers."""

import time
from collections.abc import Mapping
from functools import lru_cache

from flask import Response, abort, request
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import http_date, parse_accept_header

from model import Picture
from options import FORMATS, Delivery
from thumbnails import CacheState, Served

CAPTURED_BY = "X-Captured-By"  # the screenshot API that took the picture
SAFE_HEADERS = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'"}
_NEGOTIABLE = sorted((each for each in FORMATS.values() if each.auto), key=lambda each: each.auto, reverse=True)
_A_WEEK = 604800
_GRACE = f", stale-while-revalidate={_A_WEEK}, stale-if-error={_A_WEEK}"


@lru_cache(maxsize=1024)
def preferred_format(accept: str) -> str:
    """Choose the best format that an `Accept` header names: avif, webp, or else png, which every browser can show."""
    named = {mime: quality for mime, quality in parse_accept_header(accept, MIMEAccept) if quality > 0}
    offered = [each for each in _NEGOTIABLE if each.content_type in named]
    return max(offered, key=lambda each: named[each.content_type], default=_NEGOTIABLE[-1]).name


_http_date = lru_cache(maxsize=4096)(http_date)


def picture_headers(served: Served, delivery: Delivery) -> dict[str, str]:
    """Write all headers of a picture but its content type."""
    return cache_headers(served, delivery) | representation_headers(served.picture)


def cache_headers(served: Served, delivery: Delivery) -> dict[str, str]:
    """Write the headers that a 304 has too (RFC 9110, 15.4.5)."""
    stale = served.cache is CacheState.STALE or served.fresh_for == 0
    headers = {
        "Cache-Control": _cache_control(served, delivery, stale=stale),
        "ETag": f'"{served.picture.etag}"',
        "X-Cache": str(served.cache),
        "X-Thumb-State": "stale" if stale else "fresh",
        **served.picture.notes.headers,
    }
    if served.picture.captured_by:
        headers[CAPTURED_BY] = served.picture.captured_by
    return headers | {"Vary": "Accept"} if delivery.negotiated else headers


def representation_headers(picture: Picture) -> dict[str, str]:
    """Write the headers that a 304 leaves out."""
    return {"Last-Modified": _http_date(picture.captured_at), **SAFE_HEADERS}


def _cache_control(served: Served, delivery: Delivery, *, stale: bool) -> str:
    """Write which caches may keep a picture, and for how long: at most until its URL expires.

    Shared caches may serve a picture after its `max-age`. So they must keep neither suspect pictures nor pictures whose
    URL expires; nor may they serve one caller's private picture to another. An error page is not shown for longer than it
    is fresh.
    """
    if delivery.fresh:
        return "no-store"
    suspect = served.picture.suspect
    max_age = 60 if stale and not suspect else served.fresh_for
    if delivery.expires is not None:
        max_age = min(max_age, max(delivery.expires - int(time.time()) - 1, 0))
    if suspect or served.private or delivery.expires is not None:
        return f"private, max-age={max_age}"
    return f"public, max-age={max_age}{'' if stale or served.picture.notes.shows_error else _GRACE}"


def picture_response(picture: Picture, headers: Mapping[str, str]) -> Response:
    """Respond with `picture`, or with 304 if the caller has the same bytes."""
    response = Response(picture.body, content_type=picture.content_type)
    response.headers.update(dict(headers))
    return conditional(response)


def conditional(response: Response) -> Response:
    """Apply the request's preconditions to a response with validators: 304, or 412 as a problem like all other errors."""
    environ = dict(request.environ)
    if environ.get("HTTP_IF_MATCH", "").strip() == "*":  # any picture will do (RFC 9110, 13.1.1); Werkzeug finds none
        del environ["HTTP_IF_MATCH"]
    response.make_conditional(environ)
    if response.status_code == 412 or _modified_since(response):
        abort(412)  # instead of the picture with status 412
    return response


def _modified_since(response: Response) -> bool:
    """Return whether `If-Unmodified-Since` fails, which Werkzeug does not check. It does not count beside `If-Match`."""
    limit, modified = request.if_unmodified_since, response.last_modified
    return "If-Match" not in request.headers and limit is not None and modified is not None and modified > limit
