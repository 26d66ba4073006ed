"""Judges what a soak has measured: whether anything grows, and whether errors have a crash to explain them."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

HOUR = 3600
RECOVERY_SECONDS = 20  # from a crash on, errors may have it as their cause
BLOCK_SECONDS = 15  # of samples so long the least is taken: work raises a level for a moment, and a leak for good
FEWEST_BLOCKS = 8  # below, a slope says nothing
STEADY, GROWS, UNCERTAIN = "steady", "**grows**", "cannot tell"
GOOD, BAD, CANNOT_TELL = "Good", "Bad", "Cannot tell"

Series = Sequence[tuple[float, float]]  # (seconds since the start, value)


@dataclass(frozen=True)
class Slope:
    """How a quantity changes in an hour, and its 95 % interval, which is `per_hour` plus or minus `margin`."""

    per_hour: float
    margin: float

    def judged_by(self, bounds: "Bounds") -> str:
        """Say that it grows, or that it is steady, only where the whole interval says so."""
        if self.per_hour - self.margin > bounds.leak:
            return GROWS
        return STEADY if self.per_hour + self.margin <= bounds.most else UNCERTAIN

    def seconds_needed(self, bounds: "Bounds", seconds: float) -> float:
        """Estimate how long a run must be for a certain answer, if one of `seconds` gave none.

        The margin shrinks with the root of the number of lives, whose length the crashes set.
        """
        gap = max(self.per_hour - bounds.leak, bounds.most - self.per_hour)
        return seconds * (self.margin / gap) ** 2


@dataclass(frozen=True)
class Bounds:
    """Growth an hour: more than a `leak` is one, where the measurement is so exact, and `most` must be ruled out by each."""

    leak: float
    most: float


@dataclass(frozen=True)
class Verdict:
    """What broke a promise, and of which promises the run does not say whether they hold, with what it would need."""

    bad: Sequence[str] = ()
    unknown: Sequence[str] = ()

    @property
    def outcome(self) -> str:
        if self.bad:
            return BAD
        return CANNOT_TELL if self.unknown else GOOD


@dataclass(frozen=True)
class Fault:
    """An answer that no honest client should get: when it was asked and when it came, in seconds since the start."""

    asked: float
    answered: float
    what: str


def slope(lives: Iterable[Series]) -> Slope | None:
    """Return the slope that the lives of processes of one kind have in common, None if they are too short.

    Each life has a level of its own, so that a restart, after which a process is small again, hides no growth. What is
    left beside the line is correlated in time, which widens the interval by the usual factor for a first-order process.
    """
    blocks = [each for each in map(_blocks, lives) if len(each) > 1]
    count = sum(map(len, blocks))
    if count < FEWEST_BLOCKS:
        return None
    centred = [_centred(each) for each in blocks]
    spread = sum(time * time for life in centred for time, _ in life)
    steepness = sum(time * value for life in centred for time, value in life) / spread
    rests = [[value - steepness * time for time, value in life] for life in centred]
    free = count - len(blocks) - 1
    noise = sum(rest * rest for life in rests for rest in life) / max(free, 1)
    # Student's t at 97.5 % for `free` degrees of freedom, within 1 % from 5 on.
    t = 1.96 + 2.4 / free + 2.9 / free**2 if free > 0 else math.inf
    return Slope(steepness * HOUR, t * math.sqrt(noise / spread) * _widening(rests) * HOUR)


def split(series: Series, times: Iterable[float]) -> list[Series]:
    """Return the parts of `series` before, between and after `times`."""
    edges = [-math.inf, *sorted(times), math.inf]
    return [[each for each in series if begin <= each[0] < end] for begin, end in pairwise(edges)]


def settled(series: Series, start: float, grace: float) -> Series:
    """Return what was measured of a process after `start`, and after the first `grace` seconds of its life."""
    after = max(start, series[0][0] + grace) if series else start
    return [(time, value) for time, value in series if time >= after]


def unexplained(faults: Iterable[Fault], crashes: Sequence[float], within: float = RECOVERY_SECONDS) -> list[Fault]:
    """Return the faults for which no crash is to blame: none happened while it was asked, or so long before."""
    return [fault for fault in faults if not any(is_due_to(fault, crash, within) for crash in crashes)]


def is_due_to(fault: Fault, crash: float, within: float = RECOVERY_SECONDS) -> bool:
    """Return whether a request was open at a crash, or was sent in the seconds after it, and failed in them.

    What was open at the crash, or was sent within them and waited, must fail within them too.
    """
    return crash <= fault.answered <= crash + within


def quantiles(values: Sequence[float], wanted: Sequence[float]) -> list[float]:
    """Return the values below which these shares of `values` lie."""
    ordered = sorted(values)
    return [ordered[min(math.ceil(share * len(ordered)), len(ordered)) - 1] for share in wanted]


def by_cause(
    faults: Iterable[Fault], crashes: Mapping[float, str], within: float = RECOVERY_SECONDS
) -> dict[str, list[tuple[float, Fault]]]:
    """Return by the kind of crash its faults, each with the seconds after it: the last one that may be to blame is."""
    found: dict[str, list[tuple[float, Fault]]] = {kind: [] for kind in crashes.values()}
    for fault in faults:
        if causes := [crash for crash in crashes if is_due_to(fault, crash, within)]:
            found[crashes[max(causes)]].append((fault.answered - max(causes), fault))
    return found


def _blocks(series: Series) -> list[tuple[float, float]]:
    found: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for time, value in series:
        found[int(time / BLOCK_SECONDS)].append((time, value))
    return [(fmean(time for time, _ in each), min(value for _, value in each)) for each in found.values()]


def _centred(series: Series) -> list[tuple[float, float]]:
    mean_time, mean_value = fmean(time for time, _ in series), fmean(value for _, value in series)
    return [(time - mean_time, value - mean_value) for time, value in series]


def _widening(rests: Sequence[Sequence[float]]) -> float:
    total = sum(rest * rest for life in rests for rest in life)
    if not total:
        return 1
    neighbours = sum(one * other for life in rests for one, other in pairwise(life))
    correlation = min(max(neighbours / total, 0), 0.9)
    return math.sqrt((1 + correlation) / (1 - correlation))
