"""What can go wrong with a capture, as one tree; each is one line of SnapSharp's error envelope.

EngineError 500              internal_error
├── InvalidParams 400        validation_error
├── BlockedURL 400           blocked_url
├── Unauthorized 401         unauthorized
├── PageFailed 422           page_failed     the page's own fault
│   ├── NotReached 422       page_failed     its document did not come
│   └── PageRefused 422      page_refused    its server will not have it: trying again would fail again
├── RateLimited 429          rate_limited
├── Unavailable 503          unavailable
│   ├── BrowserGone 503      unavailable     the browser died under the capture: safe to try once more
│   ├── ProxyGone 503        unavailable     its egress proxy did: nothing is fetched without it
│   └── ResolverBusy 503     unavailable     names cannot be looked up: too many that hang are under way
└── DeadlineExceeded 504     timeout
"""

from typing import ClassVar


class EngineError(Exception):
    """`str(error)` is public text: our own words and the caller's field names, nothing else."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    retry_after: ClassVar[int | None] = None


class InvalidParams(EngineError):
    status = 400
    code = "validation_error"


class BlockedURL(EngineError):
    """The guard refused the target. `verdict` is for the log alone: outside, all refusals look alike."""

    status = 400
    code = "blocked_url"

    def __init__(self, verdict: str) -> None:
        super().__init__("url: the host is not a public address that may be captured")
        self.verdict = verdict


class Unauthorized(EngineError):
    status = 401
    code = "unauthorized"


class PageFailed(EngineError):
    status = 422
    code = "page_failed"


class NotReached(PageFailed):
    """The browser could not get the document at `url`; why, the egress proxy may know better."""

    def __init__(self, message: str, url: str) -> None:
        super().__init__(message)
        self.url = url


class PageRefused(PageFailed):
    """The page's server answered with `page_status`, a 4xx that lasts. `page_status` is in the envelope, too."""

    code = "page_refused"

    def __init__(self, page_status: int) -> None:
        super().__init__(f"the page answered {page_status}")
        self.page_status = page_status


class RateLimited(EngineError):
    status = 429
    code = "rate_limited"
    retry_after = 2


class Unavailable(EngineError):
    status = 503
    code = "unavailable"
    retry_after = 5


class BrowserGone(Unavailable):
    def __init__(self) -> None:
        super().__init__("the browser ended under the capture")


class ProxyGone(Unavailable):
    def __init__(self) -> None:
        super().__init__("the egress proxy is away")


class ResolverBusy(Unavailable):
    def __init__(self) -> None:
        super().__init__("too many names are being looked up: try again soon")


class DeadlineExceeded(EngineError):
    status = 504
    code = "timeout"
