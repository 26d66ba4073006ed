"""The two faces of an error: problem+json (RFC 9457), or for a caller that wants a picture, a placeholder."""

import time
from http import HTTPStatus
from typing import Literal
from urllib.parse import parse_qs

import structlog
from flask import Flask, Response, json, request
from flask_limiter import Limiter, RateLimitExceeded
from werkzeug.exceptions import HTTPException

from access import rate_headers
from errors import BlockedTarget, RateLimited, ThumbnailError, Unauthorized
from images import placeholder
from options import THUMBNAIL_OPTIONS, Whole
from web.http.pictures import SAFE_HEADERS
from web.http.request_log import note, request_id

_SIZES = {name: THUMBNAIL_OPTIONS[name] for name in ("width", "height", "w", "h")}
_PIXELS = {name: each.kind for name, each in _SIZES.items() if isinstance(each.kind, Whole)}
_log = structlog.get_logger()


def answer_errors(app: Flask, limiter: Limiter) -> None:
    """Turn whatever a view raises into a response that leaks nothing."""

    def too_many(err: RateLimitExceeded) -> Response:
        current = limiter.current_limit
        seconds = max(current.reset_at - int(time.time()), 1) if current else 60
        limit = err.limit.limit
        return _answer(RateLimited.reached(limit.amount, "requests", limit.get_expiry(), seconds))

    app.register_error_handler(RateLimitExceeded, too_many)
    app.register_error_handler(ThumbnailError, _answer)
    app.register_error_handler(HTTPException, _answer_http)
    app.register_error_handler(Exception, _answer_unexpected)


def _answer(err: ThumbnailError) -> Response:
    note(code=err.code, **({"verdict": err.verdict} if isinstance(err, BlockedTarget) else {}))
    response = _respond(err.status, err.code, err.title, err.detail, retryable=err.retryable)
    response.headers.update(_headers(err))
    return response


def _headers(err: ThumbnailError) -> dict[str, str]:
    headers = {} if err.retry_after is None else {"Retry-After": str(err.retry_after)}
    if isinstance(err, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(err, RateLimited):
        headers |= rate_headers(err.limit, 0, err.retry_after or 0)
    return headers


_HTTP_DETAILS = {
    400: "the request could not be read",
    404: "there is nothing at this path",
    405: "this path does not know the method",
    412: "the picture is another one by now",
    413: "the body is too large; at most 64 KiB",
    415: "the body must be JSON, sent as Content-Type: application/json",
}


def _answer_http(err: HTTPException) -> Response:
    status = err.code or 500
    phrase = HTTPStatus(status).phrase
    detail = _HTTP_DETAILS.get(status, phrase.lower())
    response = _respond(status, _code(phrase), phrase, detail)
    response.headers.update({name: value for name, value in err.get_headers() if name == "Allow"})
    return response


def _code(phrase: str) -> str:
    return phrase.lower().replace(" ", "_").replace("-", "_")


def _answer_unexpected(err: Exception) -> Response:
    _log.exception("unexpected_error", error=type(err).__name__)
    return _answer(ThumbnailError("something went wrong here; the request id helps to find it"))


def _respond(status: int, code: str, title: str, detail: str, *, retryable: bool = False) -> Response:
    if wants_picture():
        response = _placeholder(status, code, "pending" if status == 202 else "error")
    else:
        problem = {"type": "about:blank", "title": title, "status": status, "code": code, "detail": detail}
        body = json.dumps(problem | {"request_id": request_id(), "retryable": retryable}) + "\n"
        response = Response(body, status, content_type="application/problem+json")
    response.headers.update(SAFE_HEADERS | {"Cache-Control": "no-store", "Vary": "Accept"})
    return response


def wants_picture() -> bool:
    """Tell whether `Accept` names pictures before texts, as every browser's `<img>` does."""
    accept = request.accept_mimetypes
    pictures = max((quality for mime, quality in accept if mime.startswith("image/")), default=0)
    texts = max((quality for mime, quality in accept if mime.startswith(("text/", "application/"))), default=0)
    return bool(pictures > texts)


def _placeholder(status: int, code: str, state: Literal["error", "pending"]) -> Response:
    headers = {"X-Thumb-State": state} | ({"X-Error-Code": code} if state == "error" else {})
    return Response(placeholder.draw(*_size_asked_for(), state), status, headers, content_type="image/png")


def _size_asked_for() -> tuple[int, int]:
    """Read width and height leniently: the query may well be what is wrong."""
    query = parse_qs(request.query_string.decode("ascii", "replace"))
    given = {name: kind.guess(query.get(name, [""])[0]) for name, kind in _PIXELS.items()}
    viewport = given["width"] or _SIZES["width"].default, given["height"] or _SIZES["height"].default
    width, height = given["w"], given["h"]
    if width is None and height is None:
        width, height = viewport
    ratio = viewport[0] / viewport[1]
    width, height = width or round((height or 0) * ratio), height or round((width or 0) / ratio)
    return max(width, 1), max(height, 1)
