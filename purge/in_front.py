"""Tells the caches in front what was purged, twice: at once, and when every process of ours knows it.

In between, a process that does not know yet may answer with the old picture, which a cache that was told would store again.
The second time, caches are told from the inside out: a CDN may have asked nginx. The worker does it, and repeats it for caches
that do not confirm.
"""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence

import structlog

from coordination import StateRedis
from errors import QueueUnavailable
from jobs import INTERACTIVE, TELL_CACHES, Agenda, TaskMessage
from options import Target
from purge.edge import EdgeCache
from purge.front import FrontCache, NotConfirmed
from purge.pending import GIVE_UP_SECONDS, PendingPurges, PendingTag
from purge.tags import EVERYTHING, page_tag
from thumbnails import READ_SECONDS

CALLS_AT_ONCE = 10  # to one cache, for which the caller of a purge waits
MOST_CALLS = 100  # for what is pending; beyond that, one call removes everything
RETRY_SECONDS = 50.0
_EVERYBODY_KNOWS = READ_SECONDS + 1  # the second is for a process that was just reading, and an answer on its way
_NGINX_SECONDS = 3.0  # for so long nginx serves a file that was removed: open_file_cache_valid, and a second
_WAKE = TaskMessage(TELL_CACHES, INTERACTIVE, "caches")
_log = structlog.get_logger()


class CachesInFront:
    def __init__(self, caches: Sequence[FrontCache], state: StateRedis, agenda: Agenda) -> None:
        self._caches = sorted(caches, key=lambda each: not isinstance(each, EdgeCache))  # from the inside out
        self._pending = PendingPurges(state)
        self._agenda = agenda

    def tell(self, tags: Sequence[str], before: float) -> dict[str, str]:
        """Let all caches remove the pictures of `tags` that were captured before `before` (Unix seconds).

        Return what they say, by name: `ok`; `retrying`; or `queued` where it would take many calls, which the worker makes.
        """
        told = {each.name: self._tell_at_once(each, dict.fromkeys(tags, before)) for each in self._caches}
        self.tell_later(tags, before, [name for name, said in told.items() if said == "ok"])
        return told

    def tell_later(self, tags: Sequence[str], before: float, confirmed: Collection[str] = ()) -> None:
        """The same, by the worker alone, in some seconds; once more, where caches have `confirmed` it just now."""
        now = time.time()
        for each in self._caches:
            due, most = now + self._delay(each), MOST_CALLS * each.at_once
            self._pending.add(each.name, tags, before, due, most, confirmed=each.name in confirmed)
        if self._caches:
            self._wake(_EVERYBODY_KNOWS)

    def tell_of_page(self, target: Target) -> None:
        """Let all caches remove the pictures of a page, by the worker."""
        self.tell_later([page_tag(target.url)], time.time())

    def tell_pending(self, now: float | None = None) -> int:
        """Tell the caches what is due at `now` (Unix seconds), and return how much is pending still, in tags."""
        now = time.time() if now is None else now
        self._forget_wake()
        pending: list[PendingTag] = []
        inside: dict[str, float] = {}
        for cache in self._caches:
            known = [each for each in self._pending.of(cache.name) if not self._is_given_up(cache, each, now)]
            due = [each for each in known if each.due <= now]
            self._tell_due(cache, due, inside, now)
            left = self._pending.of(cache.name)
            if isinstance(cache, EdgeCache):
                clean = {each.tag: now for each in due} | {each.tag: each.due for each in left}
                inside = {tag: moment + _NGINX_SECONDS for tag, moment in clean.items()}
            pending += left
        if pending:
            self._wake(max(min(each.due for each in pending) - now, 1.0))
        return len(pending)

    def unconfirmed(self) -> list[tuple[FrontCache, float]]:
        """Return for how many seconds the oldest purge waits for each cache to confirm it, 0 without any.

        A cache of which that cannot be read is missing.
        """
        now = time.time()
        waiting = [(each, self._pending.read(each.name)) for each in self._caches]
        return [
            (cache, max((now - each.since for each in known), default=0.0))
            for cache, known in waiting
            if known is not None
        ]

    def _tell_at_once(self, cache: FrontCache, moments: Mapping[str, float]) -> str:
        if len(moments) > CALLS_AT_ONCE * cache.at_once:
            return "queued"
        return "ok" if sum(map(len, self._tell(cache, moments))) == len(moments) else "retrying"

    def _tell_due(self, cache: FrontCache, due: Sequence[PendingTag], inside: Mapping[str, float], now: float) -> None:
        """Tell one cache. `inside` has the tags of which nginx may show old pictures, and the moment when it will not."""
        by_tag = {each.tag: each for each in due}
        for confirmed in self._tell(cache, {each.tag: each.before for each in due}):
            some = [by_tag.pop(tag) for tag in confirmed]
            # nginx may send an old picture to a CDN until then, which is told once more.
            again = {each: moment for each in some if (moment := _clean_at(each.tag, inside))}
            self._pending.postpone(cache.name, again)
            self._pending.remove(cache.name, [each for each in some if each not in again])
        self._pending.postpone(cache.name, dict.fromkeys(by_tag.values(), now + RETRY_SECONDS))

    def _tell(self, cache: FrontCache, moments: Mapping[str, float]) -> Iterator[Sequence[str]]:
        """Yield the tags that the cache confirms, as many at a time as it takes. Ends when it does not."""
        tags = [*moments]
        for start in range(0, len(tags), cache.at_once):
            some = tags[start : start + cache.at_once]
            try:
                cache.purge({tag: moments[tag] for tag in some})
            except NotConfirmed as err:
                effect = "the worker tells it again"
                _log.warning("purge_not_confirmed", cache=cache.name, reason=str(err), effect=effect)
                return
            yield some

    def _delay(self, cache: FrontCache) -> float:
        """Return after how many seconds no cache further inside has old pictures any more."""
        behind_nginx = isinstance(self._caches[0], EdgeCache) and cache is not self._caches[0]
        return _EVERYBODY_KNOWS + (_NGINX_SECONDS if behind_nginx else 0)

    def _is_given_up(self, cache: FrontCache, tag: PendingTag, now: float) -> bool:
        if now - (tag.last or tag.since) <= GIVE_UP_SECONDS:  # the last purge has its day, too
            return False
        _log.error("purge_given_up", cache=cache.name, tag=tag.tag, action="purge that cache by hand")
        self._pending.remove(cache.name, [tag])
        return True

    def _wake(self, seconds: float) -> None:
        """Let the worker tell what is due in `seconds`. Where that fails, its next sweep does."""
        try:
            self._agenda.schedule_sooner(_WAKE, seconds)
        except QueueUnavailable as err:
            _log.warning("caches_told_later", reason=err.reason)

    def _forget_wake(self) -> None:
        """Called before the caches are told, so that a purge which comes meanwhile wakes the worker again."""
        try:
            self._agenda.remove(_WAKE)
        except QueueUnavailable:
            return  # it wakes the worker once more


def _clean_at(tag: str, inside: Mapping[str, float]) -> float:
    """Return the moment from which on nginx shows no old picture of a tag; 0 if it shows none now."""
    tags = inside if tag == EVERYTHING else (tag, EVERYTHING)
    return max((inside.get(each, 0) for each in tags), default=0)
