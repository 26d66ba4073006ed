"""Which old pictures are captured again before anybody asks: those that people looked at, within a budget."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from refresh.popularity import Seen, Views
from thumbnails import Ask, Freshness, Thumbnailer

ROUND_SECONDS = 60  # between two rounds of choosing
_DAY = 86400


@dataclass(frozen=True, slots=True)
class Refresher:
    """Chooses what is captured again, at most `budget` pictures a day (UTC)."""

    views: Views
    thumbnailer: Thumbnailer
    budget: int
    freshness: Freshness

    def choose(self, now: datetime | None = None) -> list[Seen]:
        """Take this round's share of what is due, the most viewed first. Raises QueueUnavailable."""
        now = now or datetime.now(UTC)
        claimed, over = self._claim(share(self.budget), now)
        granted = self.views.reserve(len(claimed), spendable(self.budget, now), now) if claimed else 0
        self.views.release(claimed[granted:])
        self.views.forget(over + claimed[:granted])
        return claimed[:granted]

    def capture(self, seen: Seen, request_id: str = "") -> bool:
        """Capture `seen` again unless somebody has; tell whether it was done. Raises what `Thumbnailer.get` does."""
        return self.thumbnailer.recapture(Ask(seen.request, request_id=request_id), seen.captured_at)

    def _claim(self, most: int, now: datetime) -> tuple[list[Seen], list[Seen]]:
        """Claim up to `most` pictures that are due; give also those met on the way that need no capture any more.

        A claim lasts for the picture's ttl, so that a page which cannot be captured costs no more than one that can.
        """
        claimed: list[Seen] = []
        over: list[Seen] = []
        for seen in self.views.most_viewed():
            if len(claimed) >= most:
                break
            if not self.freshness.is_due(seen.captured_at, seen.ttl, now):
                continue
            expired = self.freshness.is_expired(seen.captured_at, seen.ttl, now)
            if expired or self.thumbnailer.captured_since(seen.request, seen.captured_at):
                over.append(seen)
            elif self.views.claim(seen, self.freshness.ttl(seen.ttl)):
                claimed.append(seen)
        return claimed, over


def share(budget: int) -> int:
    """Give what one round may take: twice its part of the day, so that a quiet hour can be made up for, not at once."""
    return math.ceil(2 * budget * ROUND_SECONDS / _DAY)


def spendable(budget: int, now: datetime) -> int:
    """Give how much of the day's budget may be spent by `now` (UTC): it is spread over the day."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return min(math.ceil(budget * (now - midnight).total_seconds() / _DAY), budget)
