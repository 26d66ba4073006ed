"""Pictures as responses: type, validators, and the headers that keep a browser from making more of them."""

import time
from collections.abc import Mapping
from functools import lru_cache

from flask import Response, abort, request
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import http_date, parse_accept_header

from model import Picture
from options import FORMATS, Delivery
from thumbnails import CacheState, Served

SAFE_HEADERS = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'"}
_NEGOTIABLE = sorted((each for each in FORMATS.values() if each.auto), key=lambda each: each.auto, reverse=True)
_A_WEEK = 604800
_GRACE = f", stale-while-revalidate={_A_WEEK}, stale-if-error={_A_WEEK}"


@lru_cache(maxsize=1024)
def preferred_format(accept: str) -> str:
    """Collapse an `Accept` header to the best format that it names: avif, webp, or png, which everybody can read."""
    named = {mime: quality for mime, quality in parse_accept_header(accept, MIMEAccept) if quality > 0}
    offered = [each for each in _NEGOTIABLE if each.content_type in named]
    return max(offered, key=lambda each: named[each.content_type], default=_NEGOTIABLE[-1]).name


_http_date = lru_cache(maxsize=4096)(http_date)


def picture_headers(served: Served, delivery: Delivery) -> dict[str, str]:
    """Write the headers of a picture that was wished for like this."""
    return caching_headers(served, delivery) | own_headers(served.picture)


def caching_headers(served: Served, delivery: Delivery) -> dict[str, str]:
    """Write those of them that also tell a caller who has the picture: RFC 9110, 15.4.5."""
    stale = served.cache is CacheState.STALE or served.fresh_for == 0
    headers = {
        "Cache-Control": _cache_control(served, delivery, stale=stale),
        "ETag": f'"{served.picture.etag}"',
        "X-Cache": str(served.cache),
        "X-Thumb-State": "stale" if stale else "fresh",
    }
    return headers | {"Vary": "Accept"} if delivery.negotiated else headers


def own_headers(picture: Picture) -> dict[str, str]:
    """Write those that belong to the picture itself, whoever asks."""
    return {"Last-Modified": _http_date(picture.captured_at)} | SAFE_HEADERS


def _cache_control(served: Served, delivery: Delivery, *, stale: bool) -> str:
    """Say who may keep a picture, and for how long: no cache beyond what its URL allows.

    Shared caches may show what is old, whatever it says: not what may be refused by then, nor what may be a bad picture.
    """
    if delivery.fresh:
        return "no-store"
    suspect = served.picture.suspect
    max_age = 60 if stale and not suspect else served.fresh_for
    if delivery.expires is not None:
        max_age = min(max_age, max(delivery.expires - int(time.time()) - 1, 0))
    if suspect or delivery.expires is not None:
        return f"private, max-age={max_age}"
    return f"public, max-age={max_age}{'' if stale else _GRACE}"


def picture_response(picture: Picture, headers: Mapping[str, str]) -> Response:
    """Answer with `picture`, or 304 where the caller has these very bytes."""
    response = Response(picture.body, content_type=picture.content_type)
    response.headers.update(dict(headers))
    response.make_conditional(request)
    if response.status_code == 412:
        abort(412)  # an error like any other: without the picture, and for no cache
    return response
