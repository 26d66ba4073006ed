"""Removes, in the worker, the files of what was purged or taken down, and tells the caches in front what is pending."""

import time
from collections.abc import Sequence

import redis
import structlog

from access import BlockedPattern, BlockedTargets
from errors import DatabaseUnavailable, QueueUnavailable
from options import DEFAULT_PORTS, DOCUMENT_SCHEMES
from purge.order import PurgeOrder, of_patterns
from purge.purger import Purger
from purge.rooms import PictureRooms
from purge.tags import site_tag
from thumbnails import Head, Marks
from urls import locate

SWEEP_SECONDS = 60
_PATTERNS_AT_A_TIME = 1000  # in one purge: each purge costs a look through nginx' folder, and calls to CDNs
# A failure is remembered for an hour at most, and a capture that was running during the purge may be kept after it.
_KEPT_SECONDS = 2 * 3600
_PURGED = DEFAULT_PORTS.keys() | DOCUMENT_SCHEMES  # all but pictures of sites, which have a history of their own
_SITES = "sites "  # before a pattern: of which sites were judged anew
_log = structlog.get_logger()


class PurgeSweeper:
    def __init__(self, rooms: PictureRooms, purger: Purger, blocked: BlockedTargets) -> None:
        self._rooms = rooms
        self._purger = purger
        self._blocked = blocked

    def sweep(self) -> int:
        """Do all that is due, and return how many pictures were removed. Without a purge it costs three calls to Redis."""
        self._purge_blocked()
        removed = self._remove_marked()
        self._rooms.in_front.tell_pending()  # last, since a cache in front may keep the worker waiting
        return removed

    def _remove_marked(self) -> int:
        marks = self._rooms.purges.marks()
        if not marks:
            return 0
        new = self._rooms.purges.unswept(marks)
        removed = self._remove(new) if new else 0
        if removed is None:
            return 0
        self._rooms.purges.note_swept(new)
        self._rooms.purges.unmark(
            {name: moment for name, moment in marks.items() if name not in new and _is_over(moment)}
        )
        return removed

    def _remove(self, marks: dict[str, float]) -> int | None:
        """Remove all pictures that `marks` are about; None if they could not all be looked at."""
        known = Marks(marks)

        def is_gone(head: Head) -> bool:
            if head.url.partition(":")[0] not in _PURGED:
                return False
            return head.captured_at < known.before(locate(head.url))

        try:
            removed = self._rooms.cache.remove_where(is_gone)
        except (redis.RedisError, OSError) as err:
            _log.warning("purge_sweep_failed", error=type(err).__name__, effect="it is tried again in a minute")
            return None
        _log.info("purge_swept", pictures=removed)
        return removed

    def _purge_blocked(self) -> None:
        """Purge what BLOCKED_TARGETS names since the last sweep, and the pictures of sites there."""
        patterns = {str(pattern): pattern for pattern in self._blocked.patterns}
        state = self._rooms.state
        key = state.keys.purges_blocked()
        known, reached = state.breaker.call("purges_unreachable", lambda: state.client.smembers(key))
        if not reached:
            return
        names = {name.decode() for name in known or ()}  # type: ignore[union-attr] # redis' types know only awaitables
        # Noted apart: without its database, the service would otherwise purge the same hosts each minute.
        for prefix, work in (("", self._purge_pages), (_SITES, self._withdraw_sites)):
            new = [pattern for name, pattern in patterns.items() if prefix + name not in names]
            for start in range(0, len(new), _PATTERNS_AT_A_TIME):
                some = new[start : start + _PATTERNS_AT_A_TIME]
                try:
                    work(some)
                except (QueueUnavailable, DatabaseUnavailable):
                    break  # already logged; the next sweep tries again
                noted = [prefix + str(pattern) for pattern in some]
                state.breaker.call("purges_unreachable", lambda noted=noted: state.client.sadd(key, *noted))  # type: ignore[misc]
        if gone := names - {prefix + name for name in patterns for prefix in ("", _SITES)}:
            state.breaker.call("purges_unreachable", lambda: state.client.srem(key, *gone))

    def _purge_pages(self, patterns: Sequence[BlockedPattern]) -> None:
        """Raises QueueUnavailable."""
        self._purger.purge(of_patterns(patterns, "blocked", time.time()))

    def _withdraw_sites(self, patterns: Sequence[BlockedPattern]) -> None:
        """Judge the pictures of the sites anew that `patterns` block. Raises DatabaseUnavailable or QueueUnavailable."""
        found: list[int] = []
        for pattern in patterns:
            urls = self._rooms.catalogue.urls_of_host(pattern.host, subdomains=pattern.subdomains)
            found += [site_id for site_id, url in urls.items() if pattern.matches(locate(url))]
        for site_id in found:
            self._rooms.site_pictures.withdraw(site_id)
        if found:  # in the caches in front, pictures of a site have its tag, not those of its page
            self._purger.purge(PurgeOrder("blocked", (), tuple(map(site_tag, found)), time.time()))


def _is_over(moment: float) -> bool:
    return time.time() - moment > _KEPT_SECONDS
