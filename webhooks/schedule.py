"""When a webhook is retried after a failed attempt, and when after an attempt that could not be made."""

import random
from collections.abc import Callable

from webhooks.receivers import Availability

RETRY_DELAYS = (10, 60, 300, 900, 2400)  # seconds: a restart, a deployment, an outage; about an hour in all
MAX_ATTEMPTS = len(RETRY_DELAYS) + 1
# A busy receiver is usually retried before that, by the delivery that releases it.
_POSTPONEMENTS = {Availability.BUSY: (5, 15), Availability.UNRESPONSIVE: (15, 45)}


def delay_after(attempts: int, jitter: Callable[[float, float], float] = random.uniform) -> float | None:
    """Return the seconds to wait after so many failed attempts, a fifth of them jitter; None to give up."""
    return RETRY_DELAYS[attempts - 1] * jitter(0.8, 1.2) if attempts < MAX_ATTEMPTS else None


def postponement(availability: Availability) -> float:
    """Return the seconds to wait for a receiver that is not free."""
    return random.uniform(*_POSTPONEMENTS[availability])  # noqa: S311 - it spreads load
