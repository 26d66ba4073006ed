"""Errors and limits as SnapSharp's clients read them, for all paths below `/v1/`: `{"error", "message", "status"}`.

As the engine does, they add `retryable`, and `page_status` where the page answered with an error.
"""

import time
from collections.abc import Mapping

from flask import Response, json, request

from errors import (
    BadRequest,
    BlockedTarget,
    CaptureError,
    CaptureTimeout,
    Pending,
    RateLimited,
    ThumbnailError,
    Unauthorized,
    UpstreamQuota,
)
from options import STATUS_HEADER
from options.contract import ATTRIBUTES
from web.http.pictures import SAFE_HEADERS

PREFIX = "/v1/"

# The first match counts. All other errors keep their own status and code, since the contract names none.
_NAMED: tuple[tuple[type[ThumbnailError], int, str], ...] = (
    (BlockedTarget, 400, "blocked_url"),
    (BadRequest, 400, "validation_error"),
    (Unauthorized, 401, "unauthorized"),
    (UpstreamQuota, 429, "quota_exceeded"),
    (CaptureTimeout, 504, "timeout"),
    (Pending, 504, "timeout"),  # its status, 202, would be taken for a picture
)
# Our own names of options, where the contract has others.
_RENAMED = {attribute: name for name, attribute in ATTRIBUTES.items() if attribute != name}
_BAD_REQUESTS = frozenset({400, 413, 415})


def is_expected() -> bool:
    """Return whether the current request is one of SnapSharp's."""
    return request.path.startswith(PREFIX)


def of_error(err: ThumbnailError, headers: Mapping[str, str]) -> Response:
    """Respond with `err`. `headers` are those of the error as any other path sends it."""
    status, code = named(type(err))
    detail = err.about(_RENAMED.get(err.field, err.field)).detail
    page_status = err.page_status if isinstance(err, CaptureError) else None
    response = _respond(status, code, detail, err.retry_after, retryable=err.retryable, page_status=page_status)
    response.headers.update({name: value for name, value in headers.items() if not name.startswith("RateLimit-")})
    if isinstance(err, RateLimited):
        response.headers.update(limit_headers(err.limit, 0, err.retry_after or 0))
    return response


def named(kind: type[ThumbnailError]) -> tuple[int, str]:
    """Return the status and the code of an error in the contract."""
    return next(((status, code) for each, status, code in _NAMED if issubclass(kind, each)), (kind.status, kind.code))


def of_http(status: int, code: str, detail: str) -> Response:
    """Respond with an error of HTTP itself, such as an unknown path."""
    return _respond(status, code_of(status, code), detail)


def code_of(status: int, code: str) -> str:
    """Return the contract's code of an error of HTTP itself, whose `code` is another one elsewhere."""
    return "validation_error" if status in _BAD_REQUESTS else code


def _respond(
    status: int,
    code: str,
    detail: str,
    retry_after: int | None = None,
    *,
    retryable: bool = False,
    page_status: int | None = None,
) -> Response:
    body: dict[str, object] = {"error": code, "message": detail, "status": status, "retryable": retryable}
    if retry_after is not None:
        body["retry_after"] = retry_after
    if page_status is not None:
        body["page_status"] = page_status
    response = Response(json.dumps(body) + "\n", status, content_type="application/json")
    response.headers.update(SAFE_HEADERS | {"Cache-Control": "no-store"})
    if page_status is not None:
        response.headers[STATUS_HEADER] = str(page_status)
    return response


def limit_headers(limit: int, remaining: int, seconds: int) -> dict[str, str]:
    """Write the `X-RateLimit-*` headers. The limit renews in `seconds`, which the header gives as a Unix time."""
    return {
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": str(max(remaining, 0)),
        "X-RateLimit-Reset": str(int(time.time()) + seconds),
    }
