"""All errors that callers see, as one tree.

ThumbnailError
├── BadRequest 400
│   ├── InvalidURL           invalid_url
│   ├── BlockedTarget        blocked_url
│   └── InvalidOption        invalid_option
│       └── InvalidCard          invalid_card
├── Unauthorized 401
│   ├── KeyRequired          key_required
│   └── BadKey               bad_key
├── Forbidden 403
│   ├── BadSignature         bad_signature
│   ├── ExpiredSignature     expired_signature
│   ├── ForbiddenHost        forbidden_host
│   │   └── TakenDown 451        taken_down
│   ├── ForeignOrigin        foreign_origin
│   └── PaidOption         plan_required
├── IdempotencyConflict 409  idempotency_conflict
│   └── IdempotencyInProgress  the same, retryable
├── NotReady 409             not_ready
├── SiteExists 409           site_exists
├── RevisionConflict 412     revision_conflict
├── RateLimited 429          rate_limited
│   └── StorageLimited         the same, for permanent pictures
├── CaptureError
│   ├── CaptureFailed 502    capture_failed
│   │   ├── ErrorStatus          page_status
│   │   ├── NotAWebPage          not_a_page
│   │   ├── PageOptedOut 403     page_opted_out
│   │   ├── NoSuchElement        selector_not_found
│   │   ├── NoOgImage 404        no_og_image
│   │   ├── DocumentGone 410     document_gone
│   │   ├── CertificateInvalid   certificate
│   │   ├── TLSFailed            tls_failed
│   │   ├── TooManyRedirects     too_many_redirects
│   │   ├── InvalidResponse      invalid_response
│   │   ├── ConnectionRefused    connection_refused
│   │   ├── ConnectionReset      connection_reset
│   │   ├── SiteUnreachable      page_unreachable
│   │   └── RendererCrashed      page_crashed
│   ├── CaptureTimeout 504   capture_timeout
│   │   └── PageTimeout          page_timeout
│   ├── UpstreamQuota 503    upstream_quota
│   │   └── CostLimited          the same, for what captures may cost in a day
│   └── UpstreamUnavailable 503  upstream_unavailable
├── Pending 202             pending
├── OverCapacity 503         over_capacity
│   └── TargetBusy             target_busy
├── StorageUnavailable 503   storage_unavailable
├── StorageFull 507          storage_full
├── QueueUnavailable 503     queue_unavailable
├── DatabaseUnavailable 503  database_unavailable
├── UnknownFormat 501        not_implemented
└── NotFound 404             not_found
    └── UnknownCard            unknown_template

Each error says whose fault it is: the caller's, the page's, or the service's own. Metrics, alerts and admin pages go by that,
not by the status: a page that is down is answered by a 502, and no operator need wake up for it.

docs/errors.md explains every code. Errors are immutable. `detail` is public: it contains only our own words and the caller's field names. The cause goes to
the log through `raise … from err`.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar, Self

INTERNAL_ERROR = "the service failed; report the request id"
_UNITS = (("second", 1), ("minute", 60), ("hour", 3600), ("day", 86400))


class Fault(StrEnum):
    """Who has to mend it: the caller, the owner of the captured page, or the operator of this service."""

    CALLER = "caller"
    PAGE = "page"
    SERVICE = "service"
    NOBODY = "nobody"


class ThumbnailError(Exception):
    """An error that callers see: HTTP status, stable code, title, the `words` of a placeholder, and whether a retry can help.

    `field` names the option, header or setting that is wrong, as the caller wrote it; "" where none is. `usual_fault` is
    whose fault errors of this kind are, unless one of them says otherwise.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    words: ClassVar[str] = "no picture"
    title: ClassVar[str] = "Internal error"
    retryable: ClassVar[bool] = False
    default_retry_after: ClassVar[int | None] = None
    default_field: ClassVar[str] = ""
    usual_fault: ClassVar[Fault] = Fault.SERVICE

    reason: str
    field: str
    retry_after: int | None
    evidence: Mapping[str, object] = MappingProxyType({})

    def __init__(
        self, reason: str = "", *, field: str | None = None, retry_after: int | None = None, **more: object
    ) -> None:
        """Keep the public `reason`, the `field` that it is about, and `retry_after` (whole seconds)."""
        super().__init__(reason)
        self.__dict__ |= {
            "reason": reason,
            "field": self.default_field if field is None else field,
            "retry_after": self.default_retry_after if retry_after is None else retry_after,
            **more,
        }

    @property
    def detail(self) -> str:
        """The public text, which begins with the field."""
        return f"{self.field}: {self.reason}" if self.field else self.reason

    @property
    def fault(self) -> Fault:
        return self.usual_fault

    def __str__(self) -> str:
        return self.detail

    def about(self, field: str) -> Self:
        """Return a copy of this error about another field."""
        return self._replaced(field=field)

    def with_evidence(self, **facts: object) -> Self:
        """Return a copy with further facts about its cause, in JSON's types: for operators, and never for clients."""
        return self._replaced(evidence={**self.evidence, **facts})

    def untraced(self) -> Self:
        """Return a copy without traceback and context, which hold the caller's input and grow with each raise."""
        return self._replaced()

    def _replaced(self, **changes: object) -> Self:
        other = type(self).__new__(type(self), *self.args)
        other.__dict__ |= {name: value for name, value in self.__dict__.items() if name != "__notes__"} | changes
        return other

    def __reduce__(self) -> tuple[Any, ...]:
        """Let the error be copied and pickled, as Celery does."""
        return _rebuilt, (type(self), self.args, self.__dict__)

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("__"):  # Python itself sets __traceback__, __context__ and __cause__
            raise AttributeError(f"{type(self).__name__} is immutable; make another one")
        super().__setattr__(name, value)


def _rebuilt(kind: type[ThumbnailError], args: tuple[object, ...], attributes: Mapping[str, object]) -> ThumbnailError:
    err = kind.__new__(kind, *args)
    err.__dict__ |= attributes
    return err


class BadRequest(ThumbnailError):
    status = 400
    code = "invalid_option"
    words = "invalid option"
    title = "Bad request"
    usual_fault = Fault.CALLER


class InvalidURL(BadRequest):
    code = "invalid_url"
    words = "not a valid address"
    title = "Invalid URL"
    default_field = "url"


class BlockedTarget(BadRequest):
    """The URL guard refused the target. Private and unresolvable look alike outside; `verdict` is for the log."""

    code = "blocked_url"
    words = "cannot be captured"
    title = "Blocked URL"
    default_field = "url"
    verdict: str

    def __init__(
        self, reason: str, *, field: str | None = None, retry_after: int | None = None, verdict: str = ""
    ) -> None:
        super().__init__(reason, field=field, retry_after=retry_after, verdict=verdict)


class InvalidOption(BadRequest):
    code = "invalid_option"
    title = "Invalid option"


class InvalidCard(InvalidOption):
    """The data of a card are not what its template takes. The text lists all that is wrong, and all variables."""

    code = "invalid_card"
    title = "Invalid data of a card"


class Unauthorized(ThumbnailError):
    status = 401
    title = "Unauthorized"
    usual_fault = Fault.CALLER


class KeyRequired(Unauthorized):
    code = "key_required"
    words = "a key is needed"


class BadKey(Unauthorized):
    code = "bad_key"
    words = "unknown key"


class Forbidden(ThumbnailError):
    status = 403
    title = "Forbidden"
    usual_fault = Fault.CALLER


class BadSignature(Forbidden):
    code = "bad_signature"
    words = "invalid signature"


class ExpiredSignature(Forbidden):
    code = "expired_signature"
    words = "expired"


class ForbiddenHost(Forbidden):
    code = "forbidden_host"
    words = "not allowed here"


class TakenDown(ForbiddenHost):
    """The operator shows this page to nobody (RFC 7725)."""

    code = "taken_down"
    status = 451
    title = "Unavailable For Legal Reasons"
    words = "not shown here"


class ForeignOrigin(Forbidden):
    code = "foreign_origin"


class PaidOption(Forbidden):
    """An option of SnapSharp's paid plans that this service lacks."""

    code = "plan_required"


class NotFound(ThumbnailError):
    status = 404
    code = "not_found"
    words = "not found"
    title = "Not found"
    usual_fault = Fault.CALLER


class UnknownCard(NotFound):
    """There is no template of this name. The text names those that there are."""

    code = "unknown_template"
    title = "Unknown template"


class UnknownFormat(ThumbnailError):
    """The caller wants an answer in a format that there is not, which oEmbed distinguishes from other wrong options."""

    status = 501
    code = "not_implemented"
    title = "Not implemented"
    usual_fault = Fault.CALLER
    default_field = "format"


class IdempotencyConflict(ThumbnailError):
    status = 409
    code = "idempotency_conflict"
    title = "Idempotency conflict"
    usual_fault = Fault.CALLER


class IdempotencyInProgress(IdempotencyConflict):
    """The first request with the key has not ended. A later retry gets its response."""

    retryable = True
    default_retry_after = 2


class NotReady(ThumbnailError):
    status = 409
    code = "not_ready"
    title = "Not ready"
    usual_fault = Fault.CALLER
    retryable = True
    default_retry_after = 2


class SiteExists(ThumbnailError):
    """A site of the catalogue has this `url`, in its normal form."""

    status = 409
    code = "site_exists"
    title = "Site exists"
    usual_fault = Fault.CALLER
    default_field = "url"
    url: str

    def __init__(
        self, reason: str = "", *, field: str | None = None, retry_after: int | None = None, url: str = ""
    ) -> None:
        super().__init__(reason, field=field, retry_after=retry_after, url=url)


class RevisionConflict(ThumbnailError):
    """Somebody else has changed the site since the caller read it."""

    status = 412
    code = "revision_conflict"
    title = "Changed meanwhile"
    usual_fault = Fault.CALLER


class RateLimited(ThumbnailError):
    """A budget of `limit` is used up, and renews in `retry_after` seconds."""

    status = 429
    code = "rate_limited"
    words = "limit reached"
    title = "Too many requests"
    usual_fault = Fault.CALLER
    retryable = True
    limit: int

    def __init__(
        self, reason: str = "", *, field: str | None = None, retry_after: int | None = None, limit: int = 0
    ) -> None:
        super().__init__(reason, field=field, retry_after=retry_after, limit=limit)

    @classmethod
    def reached(cls, limit: int, what: str, window: int, retry_after: int, note: str = "") -> Self:
        """Make the error for a limit of `limit` `what` per `window` seconds, which renews in `retry_after` seconds."""
        unit, seconds = max(((unit, size) for unit, size in _UNITS if window % size == 0), key=lambda each: each[1])
        count = window // seconds
        per = unit if count == 1 else f"{count} {unit}s"
        text = f"limit reached: {limit:,} {what} per {per}" + (f" ({note})" if note else "")
        return cls(text, limit=limit, retry_after=retry_after)


class StorageLimited(RateLimited):
    """The client has stored as much as it may. A job does not wait for the next day."""


class CaptureError(ThumbnailError):
    """The page could not be captured. `upstream` says that the screenshot API is at fault, not the page.

    `lasting` says that the same request would fail again, which most kinds know by themselves. `tried` is false if the
    API was not called at all. `page_status` is the HTTP status of the page, where that is the reason.
    """

    upstream: bool
    lasting: bool
    tried: bool
    page_status: int | None

    def __init__(  # noqa: PLR0913 - each says another thing about the failure
        self,
        reason: str = "",
        *,
        field: str | None = None,
        retry_after: int | None = None,
        upstream: bool = False,
        lasting: bool | None = None,
        tried: bool = True,
        page_status: int | None = None,
    ) -> None:
        lasts = not self.retryable if lasting is None else lasting
        super().__init__(
            reason,
            field=field,
            retry_after=retry_after,
            upstream=upstream,
            lasting=lasts,
            retryable=not lasts,
            tried=tried,
            page_status=page_status,
        )

    @property
    def fault(self) -> Fault:
        return Fault.SERVICE if self.upstream else self.usual_fault


class CaptureFailed(CaptureError):
    status = 502
    code = "capture_failed"
    words = "could not be captured"
    title = "Capture failed"
    usual_fault = Fault.PAGE
    retryable = True


class ErrorStatus(CaptureFailed):
    """The page's own status is 400 or more. A retry may help after a 5xx, and after some of the others."""

    code = "page_status"
    words = "answers with an error"
    title = "The page answered with an error"


class NotAWebPage(CaptureFailed):
    code = "not_a_page"
    words = "not a page"
    title = "Not a page"
    retryable = False


class PageOptedOut(CaptureFailed):
    """The page asks not to be shown, by a header or a meta tag."""

    status = 403
    code = "page_opted_out"
    words = "wants no preview"
    title = "The page opted out"
    retryable = False


class NoSuchElement(CaptureFailed):
    code = "selector_not_found"
    words = "element not found"
    title = "No element matched"
    retryable = False


class NoOgImage(CaptureFailed):
    """The caller wants the picture that the page names for previews, and there is none that can be shown."""

    status = 404
    code = "no_og_image"
    words = "names no preview picture"
    title = "No preview picture"
    retryable = False
    default_field = "image"


class DocumentGone(CaptureFailed):
    """The HTML that was sent for a picture is not kept any more, so it must be sent again."""

    status = 410
    code = "document_gone"
    usual_fault = Fault.CALLER
    words = "the HTML is gone"
    title = "The HTML is gone"
    retryable = False


class CertificateInvalid(CaptureFailed):
    code = "certificate"
    words = "invalid certificate"
    title = "Invalid certificate"
    retryable = False


class TLSFailed(CaptureFailed):
    code = "tls_failed"
    words = "no secure connection"
    title = "TLS failed"
    retryable = False


class TooManyRedirects(CaptureFailed):
    code = "too_many_redirects"
    words = "redirects without end"
    title = "Too many redirects"
    retryable = False


class InvalidResponse(CaptureFailed):
    code = "invalid_response"
    words = "invalid answer"
    title = "Invalid response of the page"
    retryable = False


class ConnectionRefused(CaptureFailed):
    code = "connection_refused"
    words = "refuses connections"
    title = "Connection refused"


class ConnectionReset(CaptureFailed):
    code = "connection_reset"
    words = "closes the connection"
    title = "Connection reset"


class SiteUnreachable(CaptureFailed):
    code = "page_unreachable"
    words = "cannot be reached"
    title = "Page unreachable"


class OversizedPage(CaptureFailed):
    code = "page_too_large"
    words = "too large"
    title = "Page too large"
    retryable = False


class RendererCrashed(CaptureFailed):
    code = "page_crashed"
    words = "crashes the browser"
    title = "Page crashed"


class CaptureTimeout(CaptureError):
    status = 504
    code = "capture_timeout"
    words = "takes too long"
    title = "Capture timed out"
    usual_fault = Fault.PAGE
    retryable = True


class PageTimeout(CaptureTimeout):
    code = "page_timeout"
    words = "does not answer in time"
    title = "Page timed out"


class UpstreamQuota(CaptureError):
    status = 503
    code = "upstream_quota"
    words = "no captures left for now"
    title = "Screenshot quota used up"
    retryable = True
    default_retry_after = 3600


class CostLimited(UpstreamQuota):
    """The day's captures have cost as much as they may. The API itself was not asked."""


class UpstreamUnavailable(CaptureError):
    status = 503
    code = "upstream_unavailable"
    words = "no captures for now"
    title = "Screenshot API unavailable"
    retryable = True
    default_retry_after = 5


class Pending(ThumbnailError):
    """Not a failure: the capture continues, but this caller no longer waits for it."""

    status = 202
    code = "pending"
    words = "being captured"
    title = "Capture in progress"
    usual_fault = Fault.NOBODY
    retryable = True
    default_retry_after = 1


class OverCapacity(ThumbnailError):
    status = 503
    code = "over_capacity"
    words = "busy, try again soon"
    title = "Over capacity"
    retryable = True
    default_retry_after = 5


class TargetBusy(OverCapacity):
    """The host of the page is captured as often as the operator lets it be, whoever asks (TARGET_LIMIT)."""

    code = "target_busy"
    words = "busy, try again soon"
    title = "Target busy"
    usual_fault = Fault.PAGE

    @classmethod
    def reached(cls, limit: int, window: int, retry_after: int) -> Self:
        """Make the error for a limit of `limit` captures of one host per `window` seconds."""
        text = RateLimited.reached(limit, "captures of this host", window, retry_after).reason
        return cls(text, retry_after=retry_after)


class StorageUnavailable(ThumbnailError):
    status = 503
    code = "storage_unavailable"
    title = "Storage unavailable"
    retryable = True
    default_retry_after = 5


class StorageFull(ThumbnailError):
    status = 507
    code = "storage_full"
    title = "Storage full"
    retryable = True
    default_retry_after = 600


class QueueUnavailable(ThumbnailError):
    status = 503
    code = "queue_unavailable"
    title = "Queue unavailable"
    retryable = True
    default_retry_after = 10


class DatabaseUnavailable(ThumbnailError):
    """The catalogue cannot be read or changed. `state` is what `/ready` says of the database."""

    status = 503
    code = "database_unavailable"
    title = "Database unavailable"
    retryable = True
    default_retry_after = 10
    state: str

    def __init__(
        self,
        reason: str = "",
        *,
        field: str | None = None,
        retry_after: int | None = None,
        state: str = "unreachable",
    ) -> None:
        super().__init__(reason, field=field, retry_after=retry_after, state=state)


_MARKS = ("upstream", "lasting", "tried", "page_status")


def to_record(err: ThumbnailError) -> dict[str, Any]:
    """Encode an error as a mapping of JSON types, for storage."""
    marks = {name: getattr(err, name) for name in _MARKS} if isinstance(err, CaptureError) else {}
    return {"code": err.code, "field": err.field, "reason": err.reason} | marks


def from_record(record: Mapping[str, Any], retry_after: int | None = None) -> ThumbnailError | None:
    """Decode an error from a record, which may have other fields too. None if errors of its code are not stored."""
    kind = _BY_CODE.get(record["code"])
    if kind is None:
        return None
    marks = {name: record[name] for name in _MARKS if name in record} if issubclass(kind, CaptureError) else {}
    return kind(record["reason"], field=record["field"], retry_after=retry_after, **marks)


_REMEMBERED: tuple[type[ThumbnailError], ...] = (
    CaptureFailed,
    *CaptureFailed.__subclasses__(),
    CaptureTimeout,
    PageTimeout,
    UpstreamQuota,
    UpstreamUnavailable,
    BlockedTarget,
    TakenDown,
    InvalidOption,
)
_BY_CODE = {kind.code: kind for kind in _REMEMBERED}


def _all(kind: type[ThumbnailError]) -> Iterator[type[ThumbnailError]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from _all(narrower)


# What is the matter, by code, for a placeholder: a few words below the name of the host. The widest kind of a code counts.
WORDS: Mapping[str, str] = {each.code: each.words for each in reversed(tuple(_all(ThumbnailError)))}
