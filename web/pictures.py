"""Pictures as responses: type, validators, and the headers that keep a browser from making more of them."""

import hashlib
from collections.abc import Mapping

from flask import Response, request

from model import Picture

SAFE_HEADERS = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'"}


def picture_response(picture: Picture, headers: Mapping[str, str]) -> Response:
    """Answer with `picture`, or 304 where the caller has these very bytes."""
    response = Response(picture.body, content_type=picture.content_type)
    response.set_etag(hashlib.sha256(picture.body).hexdigest()[:32])
    response.last_modified = picture.captured_at
    response.headers.update(SAFE_HEADERS | dict(headers))
    response.make_conditional(request)
    return response
