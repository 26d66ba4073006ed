"""Everything that can go wrong with a capture, as one tree. Each error is one line of SnapSharp's error envelope.

EngineError 500               internal_error
├── InvalidParams 400         validation_error
├── BlockedURL 400            blocked_url
├── KeyRejected 401           unauthorized
├── PlanRequired 403          plan_required   the contract has the option, and the engine does not
├── PageFailed 422            page_failed     the page is at fault
│   ├── PageCrashed 422       page_failed     its renderer crashed, or was killed for its memory
│   ├── PageUnreachable 422   page_failed     its document could not be fetched
│   └── PageRefused 422       page_refused    its server refuses the request, and would refuse a retry too
├── EngineBusy 429            rate_limited
├── Unavailable 503           unavailable
│   ├── BrowserCrashed 503    unavailable     the browser crashed during the capture: one retry is safe
│   ├── ProxyFailed 503       unavailable     the egress proxy failed: nothing is fetched without it
│   └── ResolverBusy 503      unavailable     no thread is free to look up a name
└── DeadlineExceeded 504      timeout
"""

from typing import ClassVar


class EngineError(Exception):
    """An error of a capture. `str(error)` is public text. Of the request, it contains only option names and selectors."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    retry_after: ClassVar[int | None] = None


class InvalidParams(EngineError):
    status = 400
    code = "validation_error"


class BlockedURL(EngineError):
    """The guard refused the target. Only the log gets the `verdict`: to clients all refusals look alike."""

    status = 400
    code = "blocked_url"

    def __init__(self, verdict: str) -> None:
        super().__init__("url: the host is not a public address that may be captured")
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


class PageCrashed(PageFailed):
    def __init__(self) -> None:
        super().__init__("the page crashed or used too much memory")


class PageUnreachable(PageFailed):
    """The browser could not fetch the document at `url`. The egress proxy may know a better reason."""

    def __init__(self, message: str, url: str) -> None:
        super().__init__(message)
        self.url = url


class PageRefused(PageFailed):
    """The page's server answered with a permanent 4xx, `page_status`, which the envelope holds too."""

    code = "page_refused"

    def __init__(self, page_status: int) -> None:
        super().__init__(f"the page answered {page_status}")
        self.page_status = page_status


class EngineBusy(EngineError):
    status = 429
    code = "rate_limited"
    retry_after = 2


class Unavailable(EngineError):
    status = 503
    code = "unavailable"
    retry_after = 5


class BrowserCrashed(Unavailable):
    def __init__(self) -> None:
        super().__init__("the browser crashed during the capture: try again in a few seconds")


class ProxyFailed(Unavailable):
    def __init__(self) -> None:
        super().__init__("the egress proxy is not available: try again in a few seconds")


class ResolverBusy(Unavailable):
    def __init__(self) -> None:
        super().__init__("too many names are being looked up: try again in a few seconds")


class DeadlineExceeded(EngineError):
    status = 504
    code = "timeout"
