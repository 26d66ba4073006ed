"""Chooses the stale pictures to recapture before a visitor requests them: the most viewed first, within a budget."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from refresh.popularity import Popularity, ViewedPage
from thumbnails import Ask, Freshness, Thumbnailer

ROUND_SECONDS = 60  # between two choices
_DAY = 86400


@dataclass(frozen=True, slots=True)
class Refresher:
    """Recaptures at most `budget` pictures a day (UTC)."""

    popularity: Popularity
    thumbnailer: Thumbnailer
    budget: int
    freshness: Freshness

    def choose(self, now: datetime | None = None) -> list[ViewedPage]:
        """Return the pages to recapture in this round, the most viewed first. Raises QueueUnavailable."""
        now = now or datetime.now(UTC)
        claimed, obsolete = self._claim_due(round_share(self.budget), now)
        granted = 0
        if claimed:
            granted = self.popularity.reserve_budget(len(claimed), spendable(self.budget, now), now)
        self.popularity.release(claimed[granted:])
        self.popularity.remove(obsolete + claimed[:granted])
        return claimed[:granted]

    def recapture(self, page: ViewedPage, request_id: str = "") -> bool:
        """Recapture `page`, unless it has a newer capture; return whether it was done. Raises as `Thumbnailer.get`."""
        return self.thumbnailer.recapture(Ask(page.request, request_id=request_id), page.captured_at)

    def _claim_due(self, most: int, now: datetime) -> tuple[list[ViewedPage], list[ViewedPage]]:
        """Claim up to `most` pages that are due. Return them, and the pages that need no recapture any more.

        A claim lasts for the page's ttl, so a page that cannot be captured costs no more than one that can.
        """
        claimed: list[ViewedPage] = []
        obsolete: list[ViewedPage] = []
        for page in self.popularity.most_viewed():
            if len(claimed) >= most:
                break
            if not self.freshness.is_due(page.captured_at, page.ttl, now):
                continue
            expired = self.freshness.is_expired(page.captured_at, page.ttl, now)
            if expired or self.thumbnailer.captured_since(page.request, page.captured_at):
                obsolete.append(page)
            elif self.popularity.claim(page, self.freshness.ttl(page.ttl)):
                claimed.append(page)
        return claimed, obsolete


def round_share(budget: int) -> int:
    """Return the captures of one round: twice its share of the day, so that a quiet hour is made up gradually."""
    return math.ceil(2 * budget * ROUND_SECONDS / _DAY)


def spendable(budget: int, now: datetime) -> int:
    """Return how much of the day's budget may be spent by `now` (UTC): the budget is spread over the day."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return min(math.ceil(budget * (now - midnight).total_seconds() / _DAY), budget)
