"""What it means when a screenshot API gives no picture: outcomes, error bodies, `Retry-After`, words fit for the log.

Pure: bytes and headers in, values out.
"""

import email.utils
import json
import math
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType

from errors import (
    BlockedTarget,
    CaptureError,
    CaptureFailed,
    CaptureTimeout,
    InvalidOption,
    OverCapacity,
    ThumbnailError,
    UpstreamQuota,
    UpstreamUnavailable,
)
from options import CaptureOptions, Selector, Target, options_of

LONGEST_LOGGED = 200
MOST_BRACKETS = 200  # deeper nesting than the interpreter's stack is not a `ValueError`
LONGEST_RETRY_AFTER = 86_400

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a failure means for the caller (`error`, `detail`), for the client (`retried`) and for the operator (`hint`)."""

    error: type[ThumbnailError]
    detail: str
    retried: bool = False
    hint: str = ""
    upstream: bool = True  # the API's own fault, and not the page's: what a circuit breaker counts
    lasting: bool = False  # the same request would fail again, however long one waits
    field: str | None = None  # of the caller's request, where it is at fault


FAILED = Outcome(CaptureFailed, "the page could not be captured", upstream=False)
REFUSED = replace(FAILED, lasting=True)
BROKEN = Outcome(CaptureFailed, "the screenshot API failed")
LIED = Outcome(CaptureFailed, "the screenshot API gave no usable picture")
GATEWAY = Outcome(CaptureFailed, "the screenshot API failed", retried=True)
LIMITED = Outcome(UpstreamUnavailable, "the screenshot API limits the service's requests", retried=True)
DOWN = Outcome(UpstreamUnavailable, "the screenshot API is not available", retried=True)
UNTRUSTED = Outcome(UpstreamUnavailable, "the screenshot API is not available", hint="check the TLS of CAPTURE_URL")
SLOW = Outcome(CaptureTimeout, "the page was not captured in time", retried=True, upstream=False)
LATE = Outcome(CaptureTimeout, "the page was not captured in time")
QUOTA = Outcome(UpstreamQuota, "the screenshot API's quota is used up", hint="the plan of CAPTURE_API_KEY is used up")
DENIED = Outcome(
    UpstreamUnavailable,
    "the screenshot API refused the service's credentials or plan",
    hint="check CAPTURE_API_KEY and its plan",
    lasting=True,
)
BLOCKED = Outcome(BlockedTarget, "the target is not a public web address", upstream=False)
SELECTORS = ", ".join(each.name for each in options_of(CaptureOptions) if isinstance(each.kind, Selector))
BAD_SELECTOR = Outcome(InvalidOption, "must be valid CSS selectors", field=SELECTORS, upstream=False)
BUSY = Outcome(OverCapacity, "the engine has more captures than it can take", retried=True, upstream=False)

# (status, the API's code in lower case); an unknown code counts as "". See `meaning` for a status that is not here.
OUTCOMES: Mapping[tuple[int, str], Outcome] = MappingProxyType(
    {
        (400, ""): REFUSED,
        (401, ""): DENIED,
        (402, ""): QUOTA,
        (403, ""): DENIED,
        (403, "quota_exceeded"): QUOTA,
        (404, ""): REFUSED,
        (408, ""): LATE,
        (422, ""): FAILED,
        (429, ""): LIMITED,
        (429, "plan_required"): DENIED,
        (429, "quota_exceeded"): QUOTA,
        (500, ""): BROKEN,
        (502, ""): GATEWAY,
        (503, ""): DOWN,
        (504, ""): SLOW,
    }
)

# Our own engine checks nothing that has not been checked before, but for what only a browser can tell; and its full
# queue is no fault of it.
ENGINE_OUTCOMES: Mapping[tuple[int, str], Outcome] = MappingProxyType(
    {
        (400, "blocked_url"): BLOCKED,
        (400, "validation_error"): BAD_SELECTOR,
        (422, "page_refused"): REFUSED,
        (429, "rate_limited"): BUSY,
    }
)


@dataclass(frozen=True, slots=True)
class Envelope:
    """Where an API's error body holds what: paths, the first that fits counts.

    `wait` is in seconds; `page_status` is what the page's own server answered.
    """

    code: tuple[Path, ...] = ()
    text: tuple[Path, ...] = (("message",),)
    wait: tuple[Path, ...] = ()
    page_status: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """An exchange that gave no picture. `code` and `text` are the API's own words: for the log alone, and scrubbed."""

    outcome: Outcome
    status: int = 0
    code: str = ""
    text: str = ""
    retry_after: float | None = None
    page_status: int | None = None

    def public(self) -> ThumbnailError:
        """Make the caller's error, in our own words."""
        kind, page = self.outcome.error, f": it answered {self.page_status}" if self.page_status else ""
        pause = None if self.retry_after is None else math.ceil(self.retry_after)
        marks = {"upstream": self.outcome.upstream, "lasting": self.outcome.lasting}
        return kind(
            self.outcome.detail + page,
            field=self.outcome.field,
            retry_after=pause,
            **(marks if issubclass(kind, CaptureError) else {}),
        )


def read_refusal(
    envelope: Envelope, outcomes: Mapping[tuple[int, str], Outcome], status: int, retry_after: str | None, body: bytes
) -> Refusal:
    """Judge an error answer by its status, its `Retry-After` header and as much of its body as makes sense."""
    document = _decode(body)
    code, text = str(_dig(document, envelope.code) or "").lower(), str(_dig(document, envelope.text) or "")
    if status == 429 and "quota" in text.lower():
        code = "quota_exceeded"  # some say so in their text alone; a misreading costs no more than the retries
    wait = retry_after or _dig(document, envelope.wait)
    outcome = outcomes.get((status, code)) or outcomes.get((status, ""), BROKEN)
    pause = retry_after_seconds(wait, datetime.now(UTC))
    return Refusal(outcome, status, code, text, pause, _page_status(_dig(document, envelope.page_status)))


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
    return value if isinstance(value, int) and value in range(400, 500) else None


def retry_after_seconds(value: str | float | None, now: datetime) -> float | None:
    """Read `Retry-After`: seconds or an HTTP-date (RFC 9110, 10.2.3), or a body's number; `None` if it is neither."""
    seconds = _until(value, now) if isinstance(value, str) else value
    # In this order a NaN, which JSON may bring, becomes 0.
    return None if seconds is None else float(min(max(0, seconds), LONGEST_RETRY_AFTER))


def _until(value: str, now: datetime) -> float | None:
    if re.fullmatch(r"\s*[0-9]{1,12}\s*", value):
        return float(value)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now.timestamp()


def scrubbed(text: str, target: Target, api_key: str) -> str:
    """Make an API's words fit for the log: short, no URL, no key, nothing of the target behind its host, one line."""
    path, _, query = target.path.partition("?")
    fragment = target.url.partition("#")[2]
    pieces = [piece for piece in re.split(r"[/&=;]", f"{path}&{query}") if len(piece) > 3]
    spellings = {spelt for secret in (api_key, path, query, fragment, *pieces) for spelt in _spellings(secret)}
    hidden = [re.escape(spelt) for spelt in sorted(spellings, key=len, reverse=True) if len(spelt) > 1]
    text = re.sub("|".join([r"https?(?::|%3a)[^\s\"'<>]*", r"sk_\w+", *hidden]), "[…]", text, flags=re.IGNORECASE)
    return "".join(c if c.isprintable() else " " for c in text[:LONGEST_LOGGED])


def _spellings(secret: str) -> tuple[str, ...]:
    return secret, urllib.parse.unquote(secret), urllib.parse.quote(secret), urllib.parse.quote(secret, safe="")
