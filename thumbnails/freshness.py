"""Freshness: how long a picture counts as fresh, and how long it is kept as stale. No other module judges this."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from model import Picture, ThumbnailRequest

SUSPECT_SECONDS = 60  # the lifetime of a suspect picture, which is never shown as stale
INCOMPLETE_SECONDS = 3600  # how long a picture with parts missing stays fresh: the next one may be whole
ERROR_PAGE_SECONDS = 3600  # the lifetime of the picture of an error page, which is never shown as stale
CLOCK_SKEW = timedelta(seconds=10)  # between machines; a picture counts as fresh for at least a minute


@dataclass(frozen=True, slots=True)
class Freshness:
    """The periods of one installation, in seconds: `fresh`, unless the caller sends a `ttl`, and then `stale`."""

    fresh: int = 86400
    stale: int = 604800

    def fresh_for(self, picture: Picture, request: ThumbnailRequest) -> int:
        """Return the seconds for which `picture` stays fresh for `request`; 0 or less if it is stale."""
        age = (datetime.now(UTC) - picture.captured_at).total_seconds()
        return int(self._lifetime(picture, request) - age)

    def is_fresh(self, picture: Picture, request: ThumbnailRequest) -> bool:
        return self.fresh_for(picture, request) > 0

    def keep(self, picture: Picture, request: ThumbnailRequest) -> int:
        """Return the seconds for which a rendition is kept: until it is no longer shown even as stale."""
        if picture.suspect or picture.notes.shows_error:
            return self.fresh_for(picture, request)
        return self._lifetime(picture, request) + self.stale

    def is_due(self, captured_at: datetime, ttl: int | None, now: datetime) -> bool:
        """Return whether a picture that was captured at `captured_at` is stale at `now`."""
        return (now - captured_at).total_seconds() >= self.ttl(ttl)

    def is_expired(self, captured_at: datetime, ttl: int | None, now: datetime) -> bool:
        """Return whether such a picture is no longer shown, not even as stale."""
        return (now - captured_at).total_seconds() > self.ttl(ttl) + self.stale

    def ttl(self, ttl: int | None) -> int:
        """Return the caller's `ttl`, or else that of the settings."""
        return ttl or self.fresh

    def _lifetime(self, picture: Picture, request: ThumbnailRequest) -> int:
        ttl = request.delivery.ttl or self.fresh
        if picture.suspect:
            return min(ttl, SUSPECT_SECONDS)
        if picture.notes.shows_error:
            return min(ttl, ERROR_PAGE_SECONDS)
        return min(ttl, INCOMPLETE_SECONDS) if picture.notes.parts_missing else ttl
