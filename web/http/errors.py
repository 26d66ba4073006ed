"""Errors as responses: problem+json (RFC 9457), or a placeholder for a caller that prefers an image."""

import re
import time
from collections.abc import Mapping
from types import MappingProxyType

import structlog
from flask import Flask, Response, json, request
from flask_limiter import Limiter, RateLimitExceeded
from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES

from access import rate_headers
from errors import INTERNAL_ERROR, BlockedTarget, CaptureError, Forbidden, RateLimited, ThumbnailError, Unauthorized
from images.placeholder import State
from options import STATUS_HEADER, THUMBNAIL_OPTIONS, Preset, Whole, implied_by_device
from telemetry import metrics
from web.http import envelope, picture_states
from web.http.callers import note_client
from web.http.pictures import SAFE_HEADERS
from web.http.placeholders import ask_again_in, expected_size, hinted_theme, placeholder
from web.http.request_log import log_facts, note_error, note_http_error, request_id, target_host
from web.http.thumb_paths import Presenter, current_reader, written_in

_SIZES = {name: THUMBNAIL_OPTIONS[name] for name in ("width", "height", "w", "h")}
_DEVICE = THUMBNAIL_OPTIONS["device"].kind
_CLIP = re.compile(r" *[0-9]{1,6} *, *[0-9]{1,6} *, *([0-9]{1,5}) *, *([0-9]{1,5}) *")
_SCALE = re.compile(r"[123](?:\.[0-9]{1,3})?")
_LONGEST = 3840  # pixels of a placeholder's side, as of a side that may be asked for
_PIXELS = {name: each.kind for name, each in _SIZES.items() if isinstance(each.kind, Whole)}
WORTH_ASKING_AGAIN = frozenset({202, 429, 503})
_REFUSALS = (RateLimited, BlockedTarget, Unauthorized, Forbidden)
_NOTHING: Mapping[str, object] = MappingProxyType({})
_log = structlog.get_logger()


def install(app: Flask, limiter: Limiter) -> None:
    """Turn every exception of a view into a response that shows nothing internal."""

    def flooded(err: RateLimitExceeded) -> Response:
        current = limiter.current_limit
        seconds = max(current.reset_at - int(time.time()), 1) if current else 60
        limit = err.limit.limit
        metrics.BUDGET_REFUSALS.add("requests")
        return _respond_to_ours(RateLimited.reached(limit.amount, "requests", limit.get_expiry(), seconds))

    app.register_error_handler(RateLimitExceeded, flooded)
    app.register_error_handler(ThumbnailError, _respond_to_ours)
    app.register_error_handler(HTTPException, respond_to_http)
    app.register_error_handler(Exception, _respond_to_unexpected)


def _respond_to_ours(err: ThumbnailError) -> Response:
    note_error(err)
    if isinstance(err, _REFUSALS):
        note_client()
    if isinstance(err, BlockedTarget):
        log_facts(verdict=err.verdict)
    if (presenter := _presenter()) is not None:
        return presenter.of_error(err, headers_of(err))
    return respond_plainly(err)


def respond_plainly(err: ThumbnailError) -> Response:
    """Respond with a problem, or with a placeholder, as `/thumb` does."""
    page_status = err.page_status if isinstance(err, CaptureError) else None
    state = picture_states.of_failure(err.retry_after)
    response = _respond(
        err.status, err.code, err.title, err.detail, state, retryable=err.retryable, page_status=page_status
    )
    response.headers.update(headers_of(err))
    return response


def respond_with_placeholder(err: ThumbnailError, status: int) -> Response:
    """Respond with the placeholder of `err`, but with `status`, to a caller that takes nothing but a picture with 200."""
    response = _placeholder(status, err.code, "pending" if err.status == 202 else "error")
    response.headers.update(SAFE_HEADERS | {"Cache-Control": "no-store"})
    return response


def _presenter() -> Presenter | None:
    """Return what responds to errors in the way that clients of another service expect, if the current request is theirs."""
    reader = current_reader()
    if reader and reader.presenter:
        return reader.presenter
    return envelope if envelope.is_expected() else None


def headers_of(err: ThumbnailError) -> dict[str, str]:
    """Return what a response says of `err` beside its body."""
    headers = {} if err.retry_after is None else {"Retry-After": str(err.retry_after)}
    if err.status in WORTH_ASKING_AGAIN:
        headers |= ask_again_in(err.retry_after or 0)
    if isinstance(err, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(err, RateLimited):
        headers |= rate_headers(err.limit, 0, err.retry_after or 0)
    return headers


_HTTP_DETAILS = {
    400: "the request could not be parsed",
    404: "this path does not exist",
    405: "this path does not support the method; see Allow",
    412: "the picture has changed; request it without If-Match",
    415: "send the body as JSON, with Content-Type: application/json",
}


def respond_to_http(err: HTTPException) -> Response:
    """Respond with an error of HTTP itself, such as an unknown path, as programs read it."""
    status = err.code or 500
    phrase, code = HTTP_STATUS_CODES[status], code_of(status)
    note_http_error(status, code)
    detail = _too_large() if status == 413 else _HTTP_DETAILS.get(status, phrase.lower())
    presenter = _presenter()
    response = presenter.of_http(status, code, detail) if presenter else _respond(status, code, phrase, detail)
    response.headers.update({name: value for name, value in err.get_headers() if name == "Allow"})
    return response


def code_of(status: int) -> str:
    """Return the code of an error of HTTP itself, whatever newer versions of Python call its status."""
    return HTTP_STATUS_CODES[status].lower().replace(" ", "_").replace("-", "_")


def _too_large() -> str:
    most = (request.max_content_length or 0) // 1024
    return (
        f"the body is too large; send at most {most // 1024} MiB"
        if most >= 1024
        else f"the body is too large; send at most {most} KiB"
    )


def _respond_to_unexpected(err: Exception) -> Response:
    _log.exception("unexpected_error", error=type(err).__name__)
    return _respond_to_ours(ThumbnailError(INTERNAL_ERROR))


def _respond(  # noqa: PLR0913 - each is another member of a problem
    status: int,
    code: str,
    title: str,
    detail: str,
    state: Mapping[str, object] = _NOTHING,
    *,
    retryable: bool = False,
    page_status: int | None = None,
) -> Response:
    if prefers_image():
        response = _placeholder(status, code, "pending" if status == 202 else "error")
    else:
        problem = {"type": "about:blank", "title": title, "status": status, "code": code, "detail": detail}
        members = problem | {"request_id": request_id(), "retryable": retryable, **state}
        body = json.dumps(members if page_status is None else members | {"page_status": page_status}) + "\n"
        response = Response(body, status, content_type="application/problem+json")
    response.headers.update(SAFE_HEADERS | {"Cache-Control": "no-store", "Vary": "Accept"})
    if page_status is not None:
        response.headers[STATUS_HEADER] = str(page_status)
    return response


def prefers_image() -> bool:
    """Return whether `Accept` ranks images above text, as every browser does for an `<img>`."""
    accept = request.accept_mimetypes
    images = max((quality for mime, quality in accept if mime.startswith("image/")), default=0)
    texts = max((quality for mime, quality in accept if mime.startswith(("text/", "application/"))), default=0)
    return bool(images > texts)


def _placeholder(status: int, code: str, state: State) -> Response:
    headers = {"X-Thumb-State": state} | ({"X-Error-Code": code} if state == "error" else {})
    theme = hinted_theme(_written().get("theme", "auto"))
    body, content_type = placeholder(
        expected_size() or _requested_size(), state, code=code, host=target_host(), theme=theme
    )
    return Response(body, status, headers, content_type=content_type)


def _written() -> Mapping[str, str]:
    reader = current_reader()
    return reader.written(request.environ) if reader else written_in(request.environ["QUERY_STRING"])


def _requested_size() -> tuple[int, int]:
    """Read the size of the picture leniently, since the query itself may be the error."""
    written = _written()
    given = {name: kind.guess(written.get(name, "")) for name, kind in _PIXELS.items()}
    device = _DEVICE.guess(written.get("device", "")) if isinstance(_DEVICE, Preset) else None
    usual = {name: _SIZES[name].default for name in ("width", "height")} | implied_by_device(device)
    window = given["width"] or usual["width"], given["height"] or usual["height"]
    scale = float(written["scale"]) if _SCALE.fullmatch(written.get("scale", "")) else usual.get("scale", 1.0)
    part = _CLIP.fullmatch(written.get("clip", ""))
    captured = tuple(round(int(side) * scale) for side in (part.groups() if part else window))
    return _rendered(captured[0], captured[1], given["w"], given["h"])


def _rendered(width: int, height: int, w: int | None, h: int | None) -> tuple[int, int]:
    """Return the size of what is rendered from so many pixels. A side alone keeps the ratio, and does not enlarge."""
    if w and h:
        return w, h
    share = min(1.0, (w or width) / max(width, 1), (h or height) / max(height, 1), _LONGEST / max(width, height, 1))
    return max(round(width * share), 1), max(round(height * share), 1)
