"""What all processes counted in each quarter of an hour of the last day.

Each process adds what its metrics have gained to a hash in Redis, once a minute and off the path of requests. A process that
ends takes its last minute with it, and an answer of Redis that is lost may count a minute twice: this is a plot, no bill.
"""

import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast

from coordination import StateRedis
from errors import Fault
from telemetry import metrics

SLOT_SECONDS = 900
SLOTS = 86400 // SLOT_SECONDS
WRITE_SECONDS = 60.0
_KEEP_SECONDS = 2 * 86400
_OK = ("ok", "suspect")
_OF_FAULT = {Fault.CALLER: "refused", Fault.PAGE: "not_shown", Fault.SERVICE: "failed"}
_COUNTS = ("known", "new", "captured", "not_captured", *_OF_FAULT.values())
_OWN = "own-"  # begins the names of our own errors
_TIME = "time-"  # begins the names of the buckets of time, whose upper bounds those of the metric are


@dataclass(frozen=True, slots=True)
class Slot:
    """A quarter of an hour. `times` counts answers to requests for pictures by bucket: see `metrics.HTTP_REQUESTS`."""

    begins: datetime
    known: int = 0
    new: int = 0
    captured: int = 0
    not_captured: int = 0
    refused: int = 0  # errors by the fault of callers
    not_shown: int = 0  # by that of pages
    failed: int = 0  # by our own
    times: tuple[int, ...] = ()
    own_errors: Mapping[str, int] = field(default_factory=dict)  # by code

    @property
    def counts(self) -> bool:
        """Whether anything was counted."""
        return any(getattr(self, name) for name in _COUNTS)

    def seconds(self, share: float) -> float | None:
        """Return in how many seconds this share of the requests for pictures was answered; None without any."""
        return seconds_of(share, self.times)


def seconds_of(share: float, times: Iterable[int]) -> float | None:
    """Return the upper bound of the bucket in which the share ends; above all bounds, the largest."""
    below, sums = 0, []
    for count in times:
        below += count
        sums.append(below)
    bounds = metrics.HTTP_REQUESTS.bounds
    return bounds[min(bisect_left(sums, share * below), len(bounds) - 1)] if below else None


@dataclass
class DayFigures:
    """Written by each process that counts, read by the admin page."""

    state: StateRedis
    _written: Counter[str] = field(default_factory=Counter)
    _last: float | None = None

    def add_when_due(self) -> None:
        """Add what this process has counted, if a minute has passed. What Redis does not take is added later."""
        now = time.monotonic()
        if self._last is None or now - self._last >= WRITE_SECONDS:
            self._last = now
            self.add()

    def add(self) -> None:
        counted = _counted()
        gained = counted - self._written
        if not gained:
            return
        slot = int(time.time()) // SLOT_SECONDS
        name = self.state.keys.figures(_day(slot))

        def write() -> None:
            pipeline = self.state.client.pipeline(transaction=False)
            for what, count in gained.items():
                pipeline.hincrby(name, f"{slot}:{what}", count)
            pipeline.expire(name, _KEEP_SECONDS)
            pipeline.execute()

        if self.state.breaker.call("figures_unwritten", write)[1]:
            self._written = counted

    def read(self, now: float | None = None) -> list[Slot] | None:
        """Return the slots of the last day, the oldest first; None if Redis does not answer."""
        last = int(now or time.time()) // SLOT_SECONDS
        slots = range(last - SLOTS + 1, last + 1)
        names = [self.state.keys.figures(day) for day in dict.fromkeys(map(_day, slots))]

        def ask() -> list[dict[bytes, bytes]]:
            pipeline = self.state.client.pipeline(transaction=False)
            for name in names:
                pipeline.hgetall(name)
            return cast("list[dict[bytes, bytes]]", pipeline.execute())

        found, answered = self.state.breaker.call("figures_unread", ask)
        if not answered:
            return None
        counts: defaultdict[int, Counter[str]] = defaultdict(Counter)
        for each in found or ():
            for field_, count in each.items():
                slot, _, what = field_.decode().partition(":")
                counts[int(slot)][what] = int(count)
        return [_slot(slot, counts[slot]) for slot in slots]


def _day(slot: int) -> str:
    return f"{datetime.fromtimestamp(slot * SLOT_SECONDS, UTC):%Y-%m-%d}"


def _slot(slot: int, counts: Counter[str]) -> Slot:
    return Slot(
        datetime.fromtimestamp(slot * SLOT_SECONDS, UTC),
        **{name: counts[name] for name in _COUNTS},
        times=tuple(counts[f"{_TIME}{bucket}"] for bucket in range(len(metrics.HTTP_REQUESTS.bounds) + 1)),
        own_errors={name.removeprefix(_OWN): count for name, count in counts.items() if name.startswith(_OWN)},
    )


def _counted() -> Counter[str]:
    """Add up what this process has counted since it began."""
    counted: Counter[str] = Counter()
    for (cache,), count in metrics.PICTURES_SERVED.read():
        counted["known" if cache in ("HIT", "STALE") else "new"] += int(count)
    for (_, outcome), count in metrics.CAPTURES.read():
        counted["captured" if outcome in _OK else "not_captured"] += int(count)
    for (code, fault), count in metrics.ERRORS.read():
        if fault in _OF_FAULT:
            counted[_OF_FAULT[fault]] += int(count)
        if fault == Fault.SERVICE:
            counted[f"{_OWN}{code}"] += int(count)
    for (_, _, cache), (times, *_) in metrics.HTTP_REQUESTS.read():
        if cache:
            counted.update({f"{_TIME}{bucket}": count for bucket, count in enumerate(times) if count})
    return counted
