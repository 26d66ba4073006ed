"""Everything that can go wrong with a capture, as one tree. Each error is one line of SnapSharp's error envelope.

EngineError 500               internal_error
├── InvalidParams 400         validation_error
│   ├── InvalidSelector       validation_error    the browser cannot parse it
│   ├── CookieRefused         cookie_refused      the browser does not take one of the cookies
│   ├── ClipOutside           clip_outside        the clip shows nothing of the page
│   └── OptionNotAllowed      option_not_allowed  the operator has not allowed it
├── BlockedURL 400            blocked_url
├── KeyRejected 401           unauthorized
├── PlanRequired 403          plan_required       the contract has the option, and the engine does not
├── PageFailed 422            page_failed         the page is at fault
│   ├── PageCrashed           page_crashed        its renderer crashed, or was killed for its memory
│   ├── PageUnreachable       page_unreachable    its document could not be fetched; `failure` says more
│   │                         connection_refused, connection_reset, too_many_redirects, certificate, tls_failed,
│   │                         invalid_response
│   ├── PageStatus            page_status         its document at rest has a status of 400 or more
│   ├── PageTooLarge          page_too_large      its picture has more bytes than clients take
│   ├── ThumbnailsDeclined    opted_out           it asks not to be shown as a thumbnail
│   ├── NotAPage              not_a_page          a download, nothing at all, or no document of the web
│   └── SelectorNotFound      selector_not_found  no element matched a selector of the request
├── EngineBusy 429            rate_limited
├── Unavailable 503           unavailable
│   ├── BrowserCrashed        browser_crashed     the browser crashed during the capture: one retry is safe
│   ├── Draining              draining            the engine is about to stop: another one takes the capture
│   ├── ProxyFailed           unavailable         the egress proxy failed: nothing is fetched without it
│   └── ResolverBusy          resolver_busy       no thread is free to look up a name
└── DeadlineExceeded 504      timeout

The codes of pages are additions to SnapSharp's contract. So is `retryable`: whether the same request may succeed later.
"""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, NamedTuple

from options import MAX_BYTES

TRANSIENT = frozenset({408, 425, 429})  # request time-out, too early, too many requests: RFC 9110, 8470, 6585


class EngineError(Exception):
    """An error of a capture. `str(error)` is public text. Of the request, it contains only option names and selectors.

    `details` are further fields of the envelope, for clients that write their own texts.
    """

    status: ClassVar[int] = 500
    code: str = "internal_error"
    retryable: bool = False
    retry_after: ClassVar[int | None] = None

    @property
    def details(self) -> dict[str, str | int]:
        return {}


class InvalidParams(EngineError):
    status = 400
    code = "validation_error"


class _InvalidOption(InvalidParams):
    """An `option` that only the browser or the operator can judge."""

    def __init__(self, option: str, problem: str) -> None:
        super().__init__(f"{option}: {problem}")
        self.option = option

    @property
    def details(self) -> dict[str, str | int]:
        return {"field": self.option}


class InvalidSelector(_InvalidOption):
    def __init__(self, option: str) -> None:
        super().__init__(option, "must be a valid CSS selector")


class CookieRefused(_InvalidOption):
    """Validation let it pass. The browser's own text is not passed on: it may repeat the cookie."""

    code = "cookie_refused"

    def __init__(self) -> None:
        super().__init__("cookies", "the browser refuses one of them")


class ClipOutside(_InvalidOption):
    """The clip lies outside of the page, which is `width` × `height` CSS pixels."""

    code = "clip_outside"

    def __init__(self, width: int, height: int) -> None:
        super().__init__("clip", f"lies outside the page, which is {width} × {height} CSS pixels")


class OptionNotAllowed(_InvalidOption):
    """The operator has not allowed the option, by the setting of that name."""

    code = "option_not_allowed"

    def __init__(self, option: str, setting: str) -> None:
        super().__init__(option, f"is not allowed here; the engine's operator sets {setting}=true to allow it")


class BlockedURL(EngineError):
    """The guard refused the target. Only the log gets the `verdict`: to clients all refusals look alike."""

    status = 400
    code = "blocked_url"

    def __init__(self, verdict: str) -> None:
        super().__init__("url: the host is not a public address that may be captured, or does not exist")
        self.verdict = verdict


class KeyRejected(EngineError):
    status = 401
    code = "unauthorized"


class PlanRequired(EngineError):
    status = 403
    code = "plan_required"


class PageFailed(EngineError):
    status = 422
    code = "page_failed"
    retryable = True


class PageCrashed(PageFailed):
    code = "page_crashed"

    def __init__(self, message: str = "the page crashed or used too much memory") -> None:
        super().__init__(message)


class NetworkFailure(NamedTuple):
    """A kind of failed navigation, in words, and whether a retry may succeed."""

    code: str
    words: str
    retryable: bool = True


REFUSED = NetworkFailure("connection_refused", "its server refused the connection")
RESET = NetworkFailure("connection_reset", "its server closed the connection without an answer")
REDIRECTS = NetworkFailure("too_many_redirects", "it redirects too many times", retryable=False)
CERTIFICATE = NetworkFailure("certificate", "its certificate is not valid", retryable=False)
TLS = NetworkFailure("tls_failed", "its server speaks no TLS that the browser accepts", retryable=False)
RESPONSE = NetworkFailure("invalid_response", "its server did not send a valid HTTP response", retryable=False)
OTHER = NetworkFailure("page_unreachable", "its server cannot be reached")

# By the beginning of Chromium's name: https://source.chromium.org/chromium/chromium/src/+/main:net/base/net_error_list.h
NETWORK_FAILURES: Mapping[str, NetworkFailure] = MappingProxyType(
    {
        "ERR_CONNECTION_REFUSED": REFUSED,
        "ERR_CONNECTION_RESET": RESET,
        "ERR_CONNECTION_CLOSED": RESET,
        "ERR_CONNECTION_ABORTED": RESET,
        "ERR_EMPTY_RESPONSE": RESET,
        "ERR_TOO_MANY_REDIRECTS": REDIRECTS,
        "ERR_CERT_DATE_INVALID": CERTIFICATE._replace(words="its certificate has expired, or is not valid yet"),
        "ERR_CERT_COMMON_NAME_INVALID": CERTIFICATE._replace(words="its certificate is for another host"),
        "ERR_CERT_AUTHORITY_INVALID": CERTIFICATE._replace(words="its certificate is from no known authority"),
        "ERR_CERT_": CERTIFICATE,
        "ERR_SSL_": TLS,
        "ERR_INVALID_": RESPONSE,
        "ERR_UNSAFE_REDIRECT": RESPONSE,
        "ERR_RESPONSE_HEADERS_": RESPONSE,
        "ERR_CONTENT_DECODING_": RESPONSE,
    }
)


class PageUnreachable(PageFailed):
    """The browser could not fetch the document at `url`. The egress proxy may know a better reason.

    `error` is Chromium's name of the error, from a fixed set, or "" if it is not known.
    """

    def __init__(self, error: str, url: str) -> None:
        self.failure = next((each for name, each in NETWORK_FAILURES.items() if error.startswith(name)), OTHER)
        self.code, self.retryable = self.failure.code, self.failure.retryable
        super().__init__(f"the page could not be loaded: {self.failure.words}" + (f" ({error})" if error else ""))
        self.error = error
        self.url = url

    @property
    def details(self) -> dict[str, str | int]:
        return {"net_error": self.error} if self.error else {}


class PageStatus(PageFailed):
    """The page's own HTTP status says that this is not the page: 400 or more."""

    code = "page_status"

    def __init__(self, page_status: int) -> None:
        super().__init__(f"the page answered {page_status}")
        self.page_status = page_status
        self.retryable = page_status >= 500 or page_status in TRANSIENT

    @property
    def details(self) -> dict[str, str | int]:
        return {"page_status": self.page_status}


class PageTooLarge(PageFailed):
    code = "page_too_large"
    retryable = False

    def __init__(self, size: int) -> None:
        """`size` is in bytes."""
        super().__init__(f"the picture has {math.ceil(size / 2**20)} MiB: at most {MAX_BYTES >> 20} are allowed")


class NotAPage(PageFailed):
    code = "not_a_page"
    retryable = False


class ThumbnailsDeclined(PageFailed):
    code = "opted_out"
    retryable = False

    def __init__(self) -> None:
        super().__init__("the page asks not to be shown, by X-Thumbnails or by its meta tag `thumbnails`")


class SelectorNotFound(PageFailed):
    """No element matched the selector of `option`, or none that can be seen."""

    code = "selector_not_found"
    retryable = False

    def __init__(self, option: str, problem: str) -> None:
        super().__init__(f"{option}: {problem}")
        self.option = option

    @property
    def details(self) -> dict[str, str | int]:
        return {"field": self.option}


class EngineBusy(EngineError):
    status = 429
    code = "rate_limited"
    retryable = True
    retry_after = 2


class Unavailable(EngineError):
    status = 503
    code = "unavailable"
    retryable = True
    retry_after = 5


class BrowserCrashed(Unavailable):
    """A page can cause this, also one that is captured beside: it says nothing about the engine."""

    code = "browser_crashed"

    def __init__(self) -> None:
        super().__init__("the browser crashed during the capture: try again in a few seconds")


class Draining(Unavailable):
    code = "draining"

    def __init__(self) -> None:
        super().__init__("this engine is about to stop: ask another one, or try again in a few seconds")


class ProxyFailed(Unavailable):
    def __init__(self) -> None:
        super().__init__("the egress proxy is not available: try again in a few seconds")


class ResolverBusy(Unavailable):
    """Names that hang can cause this: it says nothing about the engine."""

    code = "resolver_busy"

    def __init__(self) -> None:
        super().__init__("too many names are being looked up: try again in a few seconds")


class DeadlineExceeded(EngineError):
    status = 504
    code = "timeout"
    retryable = True
