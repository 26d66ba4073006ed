"""Everything that can go wrong for a caller, as one tree.

ThumbnailError
├── BadRequest 400
│   ├── InvalidURL           invalid_url
│   ├── BlockedTarget        blocked_url
│   └── InvalidOption        invalid_option
├── Unauthorized 401
│   ├── KeyRequired          key_required
│   └── BadKey               bad_key
├── Forbidden 403
│   ├── BadSignature         bad_signature
│   ├── ExpiredSignature     expired_signature
│   └── ForbiddenHost        forbidden_host
├── IdempotencyConflict 409  idempotency_conflict
│   └── IdempotencyUnderWay  the same, retryable
├── NotReady 409             not_ready
├── RateLimited 429          rate_limited
├── CaptureError
│   ├── CaptureFailed 502    capture_failed
│   ├── CaptureTimeout 504   capture_timeout
│   ├── UpstreamQuota 503    upstream_quota
│   └── UpstreamUnavailable 503  upstream_unavailable
├── Pending 202             pending
├── OverCapacity 503         over_capacity
├── StorageUnavailable 503   storage_unavailable
├── QueueUnavailable 503     queue_unavailable
└── NotFound 404             not_found

`detail` is for the caller and holds nothing but our own words and the caller's field names; the cause goes to the
log through `raise … from err`.
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class ThumbnailError(Exception):
    """An error with a public face: HTTP status, stable code, title, and whether trying again can help."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Internal error"
    retryable: ClassVar[bool] = False
    retry_after: int | None = None

    def __init__(self, detail: str = "", *, retry_after: int | None = None) -> None:
        """Keep `detail` (public text) and `retry_after` (whole seconds, sent as `Retry-After`)."""
        super().__init__(detail)
        self.detail = detail
        if retry_after is not None:
            self.retry_after = retry_after


class BadRequest(ThumbnailError):
    status = 400
    code = "invalid_option"
    title = "Bad request"


class InvalidURL(BadRequest):
    code = "invalid_url"
    title = "Invalid URL"


class BlockedTarget(BadRequest):
    """The URL guard refused the target. Private and unresolvable look alike outside; `verdict` is for the log."""

    code = "blocked_url"
    title = "Blocked URL"

    def __init__(self, detail: str, *, verdict: str = "", retry_after: int | None = None) -> None:
        super().__init__(detail, retry_after=retry_after)
        self.verdict = verdict


class InvalidOption(BadRequest):
    code = "invalid_option"
    title = "Invalid option"


class Unauthorized(ThumbnailError):
    status = 401
    title = "Unauthorized"


class KeyRequired(Unauthorized):
    code = "key_required"


class BadKey(Unauthorized):
    code = "bad_key"


class Forbidden(ThumbnailError):
    status = 403
    title = "Forbidden"


class BadSignature(Forbidden):
    code = "bad_signature"


class ExpiredSignature(Forbidden):
    code = "expired_signature"


class ForbiddenHost(Forbidden):
    code = "forbidden_host"


class NotFound(ThumbnailError):
    status = 404
    code = "not_found"
    title = "Not found"


class IdempotencyConflict(ThumbnailError):
    status = 409
    code = "idempotency_conflict"
    title = "Idempotency conflict"


class IdempotencyUnderWay(IdempotencyConflict):
    """The first request with the key has not ended: whoever asks again gets its answer."""

    retryable = True
    retry_after = 2


class NotReady(ThumbnailError):
    status = 409
    code = "not_ready"
    title = "Not ready"
    retryable = True
    retry_after = 2


class RateLimited(ThumbnailError):
    status = 429
    code = "rate_limited"
    title = "Too many requests"
    retryable = True
    limit: int = 0

    @classmethod
    def over(cls, limit: int, detail: str, seconds: int) -> "RateLimited":
        """Say that all of `limit` are used up for `seconds` more."""
        error = cls(detail, retry_after=seconds)
        error.limit = limit
        return error


class CaptureError(ThumbnailError):
    """The picture could not be taken. `upstream` tells a fault of the screenshot API from one of the page.

    `lasting` is known of some: the same request would fail again. `tried` is false where the API was not even asked.
    """

    upstream: bool = False
    lasting: bool = False
    tried: bool = True


class CaptureFailed(CaptureError):
    status = 502
    code = "capture_failed"
    title = "Capture failed"
    retryable = True


class CaptureTimeout(CaptureError):
    status = 504
    code = "capture_timeout"
    title = "Capture timed out"
    retryable = True


class UpstreamQuota(CaptureError):
    status = 503
    code = "upstream_quota"
    title = "Screenshot quota used up"
    retryable = True
    retry_after = 3600


class UpstreamUnavailable(CaptureError):
    status = 503
    code = "upstream_unavailable"
    title = "Screenshot API unavailable"
    retryable = True
    retry_after = 30


class Pending(ThumbnailError):
    """Not an error but an answer: the capture goes on, and this caller does not wait for it any longer."""

    status = 202
    code = "pending"
    title = "Capture under way"
    retryable = True
    retry_after = 3


class OverCapacity(ThumbnailError):
    status = 503
    code = "over_capacity"
    title = "Over capacity"
    retryable = True
    retry_after = 5


class StorageUnavailable(ThumbnailError):
    status = 503
    code = "storage_unavailable"
    title = "Storage unavailable"
    retryable = True
    retry_after = 30


class QueueUnavailable(ThumbnailError):
    status = 503
    code = "queue_unavailable"
    title = "Queue unavailable"
    retryable = True
    retry_after = 10


def to_record(err: ThumbnailError) -> dict[str, Any]:
    """Spell an error in JSON's types, to be remembered somewhere."""
    marks = {name: getattr(err, name) for name in _MARKS} if isinstance(err, CaptureError) else {}
    return {"code": err.code, "detail": err.detail} | marks


def of_record(record: Mapping[str, Any], retry_after: int | None = None) -> ThumbnailError | None:
    """Make the error that was remembered, from a record that may hold more; None for a code that is not ours."""
    kind = _BY_CODE.get(record["code"])
    err = kind(record["detail"], retry_after=retry_after) if kind else None
    if isinstance(err, CaptureError):
        for name in _MARKS:
            setattr(err, name, record.get(name, getattr(err, name)))
    return err


_MARKS = ("upstream", "lasting", "tried")
_REMEMBERED: tuple[type[ThumbnailError], ...] = (
    CaptureFailed,
    CaptureTimeout,
    UpstreamQuota,
    UpstreamUnavailable,
    BlockedTarget,
    InvalidOption,
)
_BY_CODE = {kind.code: kind for kind in _REMEMBERED}
