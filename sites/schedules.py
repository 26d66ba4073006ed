"""When a site is captured: how schedules and retention are spelled, when a site is due next, and back-off. Pure."""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from errors import InvalidOption

NEVER, VIEWED = "never", "viewed"
SHORTEST, LONGEST = timedelta(minutes=5), timedelta(days=365)
WEEK = timedelta(days=7)
TRIES = 3  # at a capture that fails for a reason that may pass, before the site counts as failed
FAILURES_BEFORE_BACK_OFF = 10
MOST_VERSIONS = 10_000
_NAMED = {"hourly": timedelta(hours=1), "daily": timedelta(days=1), "weekly": WEEK}
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_EVERY = re.compile(r"([1-9]\d{0,5})([mhd])")
_KEEP = re.compile(r"([1-9]\d{0,5}) (version|day|week|month|year)s?")
_DAYS = {"day": 1, "week": 7, "month": 31, "year": 366}
_RETRIES = (timedelta(minutes=1), timedelta(minutes=5))  # after the first failure, and after the second
_JITTER = 0.1
SCHEDULES = "must be never, viewed, hourly, daily, weekly, or a number and m, h or d from 5m to 365d, such as 12h"
KEEPS = "must be all, or a number of versions, days, weeks, months or years, such as `30 versions` or `1 year`"

Random = Callable[[float, float], float]


@dataclass(frozen=True, slots=True)
class Schedule:
    """How often a site is captured: `every` so long, None for never or, if `viewed`, as people look at its picture."""

    every: timedelta | None = None
    viewed: bool = False

    @classmethod
    def parse(cls, text: str, field: str = "schedule") -> Self:
        """Read a schedule. Raises InvalidOption."""
        if text in (NEVER, VIEWED):
            return cls(viewed=text == VIEWED)
        if text in _NAMED:
            return cls(_NAMED[text])
        match = _EVERY.fullmatch(text)
        every = int(match[1]) * _UNITS[match[2]] if match else None
        if every is None or not SHORTEST <= every <= LONGEST:
            raise InvalidOption(SCHEDULES, field=field)
        return cls(every)

    def next_due(self, after: datetime, jitter: Random = random.uniform) -> datetime | None:
        """Return when the site is due after a capture; None for never.

        It is up to a tenth of the interval early or late: sites that were added at once do not stay together.
        """
        return after + self.every * jitter(1 - _JITTER, 1 + _JITTER) if self.every else None

    def after_failure(
        self, failures: int, now: datetime, *, transient: bool, jitter: Random = random.uniform
    ) -> datetime | None:
        """Return when the site is due after so many failures in a row, this one included; None for never."""
        if transient and failures < TRIES:
            retry = _RETRIES[failures - 1]
            return now + (min(retry, self.every) if self.every else retry) * jitter(1 - _JITTER, 1 + _JITTER)
        if (self.every or self.viewed) and failures >= FAILURES_BEFORE_BACK_OFF:
            return Schedule(max(self.every or WEEK, WEEK)).next_due(now, jitter)
        return self.next_due(now, jitter)

    def backs_off(self, failures: int) -> bool:
        """Return whether the site is captured less often than its schedule says, for its failures."""
        often = self.viewed or (self.every is not None and self.every < WEEK)
        return often and failures >= FAILURES_BEFORE_BACK_OFF


def next_due(schedule: str, after: datetime) -> datetime | None:
    """Return when a site with this schedule is due, counted from `after`. Raises InvalidOption."""
    return Schedule.parse(schedule).next_due(after)


@dataclass(frozen=True, slots=True)
class Keep:
    """Which versions of a site are kept: the newest `versions`, or those that were seen within `days`; None for all."""

    versions: int | None = None
    days: int | None = None

    @classmethod
    def parse(cls, text: str, field: str = "keep") -> Self:
        """Read the retention. Raises InvalidOption."""
        if text == "all":
            return cls()
        match = _KEEP.fullmatch(text)
        if match is None:
            raise InvalidOption(KEEPS, field=field)
        number, unit = int(match[1]), match[2]
        if unit == "version":
            return cls(versions=min(number, MOST_VERSIONS))
        return cls(days=min(number * _DAYS[unit], 36_600))
