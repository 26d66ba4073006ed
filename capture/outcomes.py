"""Failures of a screenshot API: their meanings, the parsing of error responses, and redaction for the log.

Pure functions: bytes and headers in, values out.
"""

import dataclasses
import email.utils
import json
import math
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from errors import (
    BlockedTarget,
    CaptureError,
    CaptureFailed,
    CaptureTimeout,
    CertificateInvalid,
    ConnectionRefused,
    ConnectionReset,
    ErrorStatus,
    InvalidOption,
    InvalidResponse,
    NoSuchElement,
    NotAWebPage,
    OverCapacity,
    OversizedPage,
    PageOptedOut,
    PageTimeout,
    RendererCrashed,
    SiteUnreachable,
    ThumbnailError,
    TLSFailed,
    TooManyRedirects,
    UpstreamQuota,
    UpstreamUnavailable,
)
from options import CaptureOptions, Selector, Target, options_of

LONGEST_LOGGED = 200
_LONGEST_CODE = 60  # characters
LONGEST_REDACTED = 4096  # characters: each costs a look for every secret
MOST_BRACKETS = 200  # JSON nested too deeply raises RecursionError instead of ValueError
LONGEST_RETRY_AFTER = 86_400

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The meaning of a failure for the caller (`error`, `detail`), the client (`retried`) and the operator (`hint`)."""

    error: type[ThumbnailError]
    detail: str
    retried: bool = False
    hint: str = ""
    upstream: bool = True  # the API is at fault, not the page: the circuit breaker counts it
    lasting: bool | None = None  # the same request would fail again, however late it is retried; None as the error says
    field: str | None = None  # the option at fault, if the caller's request is

    @property
    def hands_over(self) -> bool:
        """Whether another API, or another engine, may take the capture: this one has failed, or is full."""
        return issubclass(self.error, OverCapacity | UpstreamUnavailable | UpstreamQuota) or (
            self.upstream and issubclass(self.error, CaptureError)
        )


FAILED = Outcome(CaptureFailed, "the page could not be captured", upstream=False)
REFUSED = replace(FAILED, lasting=True)
BROKEN = Outcome(CaptureFailed, "the screenshot API failed; try again later")
UNUSABLE = Outcome(CaptureFailed, "the screenshot API sent no usable picture; try again later")
GATEWAY = Outcome(CaptureFailed, "the screenshot API failed; try again later", retried=True)
LIMITED = Outcome(
    UpstreamUnavailable, "this service has reached the screenshot API's rate limit; try again later", retried=True
)
DOWN = Outcome(UpstreamUnavailable, "the screenshot API is not available; try again later", retried=True)
DRAINING = replace(DOWN, detail="the engine is about to stop; try again in a few seconds")
CRASHER = Outcome(RendererCrashed, "engines crashed during the capture; try again later", upstream=False)
UNTRUSTED = Outcome(
    UpstreamUnavailable,
    "the screenshot API is not available; try again later",
    hint="check the TLS certificate of CAPTURE_URL",
)
TOO_LARGE = Outcome(
    OversizedPage,
    "the picture of the page has too many bytes; ask for less of the page, or for a smaller scale",
    upstream=False,
)
SLOW = Outcome(CaptureTimeout, "the page was not captured in time; try again later", retried=True, upstream=False)
LATE = Outcome(CaptureTimeout, "the page was not captured in time; try again later")
QUOTA = Outcome(
    UpstreamQuota,
    "the screenshot API's quota is used up; try again when it renews",
    hint="raise the quota of CAPTURE_API_KEY, or wait until it renews",
)
DENIED = Outcome(
    UpstreamUnavailable,
    "the screenshot API refused this service's key or plan; its operator must fix this",
    hint="check CAPTURE_API_KEY and its plan",
    lasting=True,
)
PLAN = replace(DENIED, upstream=False)  # only one option is refused, so this does not count against the API
BLOCKED = Outcome(BlockedTarget, "the target is not a public web address, or does not exist", upstream=False)
# The engine names options as SnapSharp does.
_FIELDS = {param.name: each.name for each in options_of(CaptureOptions) if (param := each.param("engine"))}
SELECTORS = ", ".join(each.name for each in options_of(CaptureOptions) if isinstance(each.kind, Selector))
BAD_SELECTOR = Outcome(InvalidOption, "must be a valid CSS selector", field=SELECTORS, upstream=False)
BAD_COOKIE = Outcome(InvalidOption, "the browser refuses one of them", field="cookies", upstream=False)
OUTSIDE = Outcome(InvalidOption, "lies outside the page", field="clip", upstream=False)
NOT_ALLOWED = Outcome(InvalidOption, "is not allowed by the engine's operator; leave it out", upstream=False)
BUSY = Outcome(
    OverCapacity,
    "the engine has too many captures in progress; try again in a few seconds",
    retried=True,
    upstream=False,
)


def _of_page(error: type[CaptureFailed], detail: str) -> Outcome:
    return Outcome(error, detail, upstream=False)


# The keys are the status and the API's code in lower case. An unknown code counts as "", an unknown status as BROKEN.
OUTCOMES: Mapping[tuple[int, str], Outcome] = MappingProxyType(
    {
        (400, ""): REFUSED,
        (401, ""): DENIED,
        (402, ""): QUOTA,
        (403, ""): DENIED,
        (403, "plan_required"): PLAN,
        (403, "quota_exceeded"): QUOTA,
        (404, ""): REFUSED,
        (408, ""): LATE,
        (413, ""): REFUSED,
        (422, ""): FAILED,
        (422, "content_check_failed"): REFUSED,
        (429, ""): LIMITED,
        (429, "plan_required"): PLAN,
        (429, "quota_exceeded"): QUOTA,
        (500, ""): BROKEN,
        (502, ""): GATEWAY,
        (503, ""): DOWN,
        (504, ""): SLOW,
    }
)

# Our validation precedes the engine's, so the engine refuses only what a browser alone can judge. Its full queue is
# normal and no fault.
LEADS_AWAY = replace(BLOCKED, detail="leads the browser to a page; only the document itself is shown", field="html")
ENGINE_OUTCOMES: Mapping[tuple[int, str], Outcome] = MappingProxyType(
    {
        (400, "blocked_url"): BLOCKED,
        (400, "validation_error"): BAD_SELECTOR,
        (400, "cookie_refused"): BAD_COOKIE,
        (400, "clip_outside"): OUTSIDE,
        (400, "option_not_allowed"): NOT_ALLOWED,
        (422, "page_status"): _of_page(ErrorStatus, "the page answered with an error"),
        (422, "not_a_page"): _of_page(
            NotAWebPage, "the URL does not lead to a page: it is a file to download, or empty"
        ),
        (422, "opted_out"): _of_page(PageOptedOut, "the page asks not to be shown in other places"),
        (422, "selector_not_found"): _of_page(NoSuchElement, "no element of the page matched the selector"),
        (422, "certificate"): _of_page(CertificateInvalid, "the page's certificate is not valid"),
        (422, "tls_failed"): _of_page(TLSFailed, "the page's server speaks no TLS that the browser accepts"),
        (422, "too_many_redirects"): _of_page(TooManyRedirects, "the page redirects too many times"),
        (422, "invalid_response"): _of_page(InvalidResponse, "the page's server did not send a valid HTTP response"),
        (422, "connection_refused"): _of_page(ConnectionRefused, "the page's server refused the connection"),
        (422, "connection_reset"): _of_page(
            ConnectionReset, "the page's server closed the connection without an answer"
        ),
        (422, "page_unreachable"): _of_page(SiteUnreachable, "the page's server could not be reached"),
        (422, "page_too_large"): TOO_LARGE,
        (422, "page_crashed"): _of_page(RendererCrashed, "the page crashed the browser, or used too much memory"),
        (429, "rate_limited"): BUSY,
        (503, "browser_crashed"): _of_page(RendererCrashed, "the browser crashed during the capture; try again later"),
        (503, "draining"): DRAINING,
        (503, "resolver_busy"): replace(BUSY, detail="too many names are being looked up; try again in a few seconds"),
        # Not retried: another 25 seconds are longer than most clients wait, and the caller may try again.
        (504, "timeout"): replace(
            LATE,
            error=PageTimeout,
            upstream=False,
            detail="the page did not load, or did not come to rest, in time; try again later",
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Envelope:
    """The paths of the fields in an API's error body. Of several, the first that leads to a value counts.

    `wait` is in seconds. `page_status` is the HTTP status of the page itself, `retryable` whether a retry may help, `field`
    the option at fault, and `net_error` Chromium's name of a failure of the network.
    """

    code: tuple[Path, ...] = ()
    text: tuple[Path, ...] = (("message",),)
    wait: tuple[Path, ...] = ()
    page_status: tuple[Path, ...] = ()
    retryable: tuple[Path, ...] = ()
    field: tuple[Path, ...] = ()
    net_error: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class CallFailure:
    """A call to the API that gave no picture. `code` and `text` are the API's words: only for the log, and redacted.

    `lost` says that the connection broke during the call. `event` is what our own engine has logged.
    """

    outcome: Outcome
    status: int = 0
    code: str = ""
    text: str = ""
    retry_after: float | None = None
    page_status: int | None = None
    retryable: bool | None = None
    field: str | None = None
    net_error: str = ""
    lost: bool = False
    event: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def to_error(self) -> ThumbnailError:
        """Make the error for the caller, in our own words."""
        kind, detail = self.outcome.error, self.outcome.detail
        if self.page_status:
            detail = f"the page answered {self.page_status}"
        elif self.net_error:
            detail = f"{detail} ({self.net_error})"
        pause = None if self.retry_after is None else math.ceil(self.retry_after)
        lasting = self.outcome.lasting if self.retryable is None else not self.retryable
        marks = {"upstream": self.outcome.upstream, "lasting": lasting, "page_status": self.page_status}
        err = kind(
            detail,
            field=self.field or self.outcome.field,
            retry_after=pause,
            **(marks if issubclass(kind, CaptureError) else {}),
        )
        return err.with_evidence(api_status=self.status, api_code=self.code[:_LONGEST_CODE], event=dict(self.event))


def read_failure(
    envelope: Envelope, outcomes: Mapping[tuple[int, str], Outcome], status: int, retry_after: str | None, body: bytes
) -> CallFailure:
    """Read an error response: its status, its `Retry-After` header, and the parts of its body that can be decoded."""
    document = _decode(body)
    code, text = str(_dig(document, envelope.code) or "").lower(), str(_dig(document, envelope.text) or "")
    if status == 429 and "quota" in text.lower():
        code = "quota_exceeded"  # some APIs say so in the text alone; a wrong guess costs only the retries
    wait = retry_after or _dig(document, envelope.wait)
    outcome = outcomes.get((status, code)) or outcomes.get((status, ""), BROKEN)
    pause = retry_after_seconds(wait, datetime.now(UTC))
    return CallFailure(
        outcome,
        status,
        code,
        text,
        pause,
        _page_status(_dig(document, envelope.page_status)),
        _retryable(_dig(document, envelope.retryable)),
        _field(_dig(document, envelope.field)),
        _net_error(_dig(document, envelope.net_error)),
    )


def _decode(body: bytes) -> object:
    if body.count(b"[") + body.count(b"{") > MOST_BRACKETS:
        return None
    try:
        return json.loads(body)
    except ValueError:
        return None


def _dig(document: object, paths: tuple[Path, ...]) -> str | float | None:
    for path in paths:
        found = document
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        if isinstance(found, str | int | float):
            return found
    return None


def _page_status(value: str | float | None) -> int | None:
    return value if isinstance(value, int) and value in range(400, 600) else None


def _retryable(value: str | float | None) -> bool | None:
    return value if isinstance(value, bool) else None


def _field(value: str | float | None) -> str | None:
    return _FIELDS.get(value) if isinstance(value, str) else None


def _net_error(value: str | float | None) -> str:
    return value if isinstance(value, str) and re.fullmatch(r"ERR_[A-Z0-9_]{1,60}", value) else ""


def retry_after_seconds(value: str | float | None, now: datetime) -> float | None:
    """Read `Retry-After`: seconds, an HTTP-date (RFC 9110, 10.2.3), or the number of a body. `None` if it is invalid."""
    seconds = _until(value, now) if isinstance(value, str) else value
    # The order of the arguments turns a NaN, which JSON may hold, into 0.
    return None if seconds is None else float(min(max(0, seconds), LONGEST_RETRY_AFTER))


def _until(value: str, now: datetime) -> float | None:
    if re.fullmatch(r"\s*[0-9]{1,12}\s*", value):
        return float(value)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now.timestamp()


def redact(text: str, target: Target, api_key: str) -> str:
    """Make an API's words fit for the log: one short line without URLs, keys, and the path and query of `target`."""
    path, _, query = target.path.partition("?")
    fragment = target.url.partition("#")[2]
    pieces = [piece for piece in re.split(r"[/&=;]", f"{path}&{query}") if len(piece) > 3]
    spellings = {each for secret in (api_key, path, query, fragment, *pieces) for each in _spellings(secret)}
    hidden = [re.escape(each) for each in sorted(spellings, key=len, reverse=True) if len(each) > 1]
    words = r"https?(?::|%3a)[^\s\"'<>]*", r"sk_\w+", *hidden
    shown = re.sub("|".join(words), "[…]", text[:LONGEST_REDACTED], flags=re.IGNORECASE)
    if len(text) > LONGEST_REDACTED:  # a secret that was cut there has not been recognised
        shown = shown[: -max(map(len, spellings))]
    return "".join(c if c.isprintable() else " " for c in shown[:LONGEST_LOGGED])


def _spellings(secret: str) -> tuple[str, ...]:
    return secret, urllib.parse.unquote(secret), urllib.parse.quote(secret), urllib.parse.quote(secret, safe="")
