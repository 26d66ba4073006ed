"""Which pages took longest to capture, and which failed most often, of each day (UTC).

A page is its host and path. Its query is not kept: it may hold secrets. Admins alone see them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast
from urllib.parse import urlsplit

from coordination import StateRedis
from errors import CaptureError, ThumbnailError

_KEEP_SECONDS = 2 * 86400
_MOST_SLOW = 100
_MOST_FAILING = 1000  # more than are shown: with too few, a new one would make room for the next before it counts twice
_LONGEST = 200  # characters of a page's name
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class SlowPage:
    page: str
    seconds: float


@dataclass(frozen=True, slots=True)
class FailingPage:
    page: str
    code: str
    times: int


class PageFigures:
    def __init__(self, state: StateRedis, *, enabled: bool) -> None:
        """Without admin pages, nobody sees it: it is not `enabled` then, and notes nothing."""
        self._state = state
        self._enabled = enabled

    def note(self, url: str, seconds: float, failure: ThumbnailError | None) -> None:
        """Note a capture. Failures that are not the page's fault do not count."""
        if not self._enabled or not _is_of_page(failure):
            return
        keys, page, today = self._state.keys, _name_of(url), _day(datetime.now(UTC))

        def write() -> None:
            pipeline = self._state.client.pipeline(transaction=False)
            slow = keys.slow_pages(today)
            pipeline.zadd(slow, {page: round(seconds, 1)}, gt=True)
            pipeline.zremrangebyrank(slow, 0, -_MOST_SLOW - 1)
            pipeline.expire(slow, _KEEP_SECONDS)
            if failure:
                failing = keys.failing_pages(today)
                pipeline.zincrby(failing, 1, f"{failure.code} {page}")
                pipeline.zremrangebyrank(failing, 0, -_MOST_FAILING - 1)
                pipeline.expire(failing, _KEEP_SECONDS)
            pipeline.execute()

        self._state.breaker.call("figures_unwritten", write)

    def slowest(self) -> list[SlowPage]:
        """Return the pages of today and yesterday that took longest, the slowest first; none if Redis does not answer."""
        longest: dict[str, float] = {}
        for page, seconds in self._read("slow_pages"):
            longest[page] = max(seconds, longest.get(page, 0))
        ranked = sorted(longest.items(), key=lambda each: -each[1])
        return [SlowPage(page, seconds) for page, seconds in ranked[:_SHOWN]]

    def failing(self) -> list[FailingPage]:
        """Return the pages of today and yesterday that failed most often, and why; none if Redis does not answer."""
        times: dict[str, int] = {}
        for page, count in self._read("failing_pages"):
            times[page] = times.get(page, 0) + int(count)
        ranked = sorted(times.items(), key=lambda each: -each[1])
        return [FailingPage(name.partition(" ")[2], name.partition(" ")[0], count) for name, count in ranked[:_SHOWN]]

    def _read(self, kind: str) -> Iterator[tuple[str, float]]:
        now = datetime.now(UTC)
        days = [_day(now), _day(now - timedelta(days=1))]

        def ask() -> list[list[tuple[bytes, float]]]:
            pipeline = self._state.client.pipeline(transaction=False)
            for day in days:
                pipeline.zrevrange(getattr(self._state.keys, kind)(day), 0, 4 * _SHOWN, withscores=True)
            return cast("list[list[tuple[bytes, float]]]", pipeline.execute())

        for found in self._state.breaker.call("figures_unread", ask)[0] or ():
            for page, score in found:
                yield page.decode(), score


def _is_of_page(failure: ThumbnailError | None) -> bool:
    return failure is None or (isinstance(failure, CaptureError) and not failure.upstream)


def _name_of(url: str) -> str:
    parts = urlsplit(url)
    return (parts.netloc.rpartition("@")[2] + parts.path)[:_LONGEST]


def _day(when: datetime) -> str:
    return f"{when:%Y-%m-%d}"
