"""Which failures of a job are retried, and when. Pure."""

import random

from errors import CaptureError, RateLimited, StorageLimited, TargetBusy, ThumbnailError

MAX_RETRIES = 5
LONGEST_DELAY = 300.0  # seconds
FIRST_DELAY = 10.0
OUTAGE_SPREAD = 3.0  # seconds; with the breaker's pause less than ten


def is_transient(err: ThumbnailError) -> bool:
    """Return whether the same capture may succeed a little later."""
    return err.retryable and not isinstance(err, StorageLimited)


def was_not_attempted(err: ThumbnailError) -> bool:
    """Return whether no capture was attempted: a limit was reached, or the screenshot API is known to be down."""
    if isinstance(err, StorageLimited):
        return False
    return isinstance(err, RateLimited | TargetBusy) or (
        isinstance(err, CaptureError) and not err.tried and not err.lasting
    )


def postpone_delay(err: ThumbnailError) -> float:
    """Return the seconds to wait after a capture that was not attempted."""
    # A limit spaces its waiters itself. An outage ends for all at once, so jitter spreads them.
    seconds = err.retry_after or 1
    together = isinstance(err, CaptureError | TargetBusy)
    return seconds + random.uniform(0, OUTAGE_SPREAD) if together else seconds  # noqa: S311


def retry_delay(retry: int, retry_after: float | None) -> float:
    """Return the seconds before `retry` (1 is the first): doubling, with full jitter, never before `Retry-After`.

    What said `Retry-After` still holds at a later retry, so it doubles too: five retries last through some minutes.
    """
    jitter = random.uniform(0, min(FIRST_DELAY * 2 ** (retry - 1), LONGEST_DELAY))  # noqa: S311 - it spreads load
    return max(jitter, min((retry_after or 0.0) * 2.0 ** (retry - 1), LONGEST_DELAY))
