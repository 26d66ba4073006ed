"""Pictures as responses: type, validators, and the headers that keep a browser from making more of them."""

from collections.abc import Mapping
from functools import lru_cache

from flask import Response, abort, request
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from model import Picture

SAFE_HEADERS = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'"}


@lru_cache(maxsize=1024)
def preferred_format(accept: str) -> str:
    """Collapse an `Accept` header to the best format that it names: avif, webp, or png, which everybody can read."""
    named = {mime: quality for mime, quality in parse_accept_header(accept, MIMEAccept) if quality > 0}
    modern = [name for name in ("avif", "webp") if f"image/{name}" in named]
    return max(modern, key=lambda name: named[f"image/{name}"], default="png")


def picture_response(picture: Picture, headers: Mapping[str, str]) -> Response:
    """Answer with `picture`, or 304 where the caller has these very bytes."""
    response = Response(picture.body, content_type=picture.content_type)
    response.set_etag(picture.etag)
    response.last_modified = picture.captured_at
    response.headers.update(SAFE_HEADERS | dict(headers))
    response.make_conditional(request)
    if response.status_code == 412:
        abort(412)  # an error like any other: without the picture, and for no cache
    return response
