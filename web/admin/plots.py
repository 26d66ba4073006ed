"""The last day as plots: SVG that the server writes, with a text of what it shows. Pure.

A plot is WIDTH × HEIGHT of its own units, and is stretched to its place; so it holds no text.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self

from figures import Slot, seconds_of

BAR = 10  # the width of a quarter of an hour
HEIGHT = 100
_LEAST = 1.5  # the height of a bar that is not zero
_MOST_CAUSES = 5
_STEPS = (1, 1.5, 2, 2.5, 5, 10)


@dataclass(frozen=True, slots=True)
class PlotPart:
    """A piece of a bar. `kind` is its class in the style sheet."""

    kind: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class PlotBar:
    """A quarter of an hour, from the bottom up, and what it shows in words."""

    x: int
    parts: tuple[PlotPart, ...]
    words: str


@dataclass(frozen=True, slots=True)
class PlotLine:
    """What a plot shows: its name, its sum or value for the whole day, and its class in the style sheet."""

    name: str
    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class Plot:
    """Bars of one height for all of the day. `top` is what the full height means, `causes` what our own errors were."""

    title: str
    lines: tuple[PlotLine, ...]
    bars: tuple[PlotBar, ...]
    top: str
    begins: Slot
    ends: Slot
    causes: tuple[tuple[str, int], ...] = ()

    @property
    def width(self) -> int:
        return BAR * len(self.bars)

    @property
    def words(self) -> str:
        said = ", ".join(f"{line.value} {line.name}" for line in self.lines)
        return f"{self.title} in the last 24 hours: {said}. The highest is at most {self.top}."


@dataclass(frozen=True, slots=True)
class _Counted:
    """One of the counts of a slot, and how it is called and drawn."""

    name: str
    kind: str
    of: Callable[[Slot], int]

    @classmethod
    def field(cls, field: str, name: str, kind: str) -> Self:
        return cls(name, kind, lambda slot: getattr(slot, field))


_COUNTS = (
    (
        "Pictures",
        (_Counted.field("known", "known", "usual"), _Counted.field("new", "not known before", "other")),
    ),
    (
        "Captures",
        (_Counted.field("captured", "succeeded", "usual"), _Counted.field("not_captured", "failed", "theirs")),
    ),
    (
        "Errors",
        (
            _Counted.field("failed", "ours", "wrong"),
            _Counted.field("not_shown", "of pages", "theirs"),
            _Counted.field("refused", "of callers", "other"),
        ),
    ),
)
_SHARES = ((0.5, "half", "usual"), (0.95, "95 %", "other"))


def plots_of(slots: Sequence[Slot]) -> list[Plot]:
    """Plot pictures, captures, errors, and how long visitors waited for pictures."""
    pictures, captures, errors = (_plot_counts(title, counts, slots) for title, counts in _COUNTS)
    codes = sum((Counter(slot.own_errors) for slot in slots), Counter())
    causes = sorted(codes.items(), key=lambda each: (-each[1], each[0]))
    return [pictures, captures, replace(errors, causes=tuple(causes[:_MOST_CAUSES])), _plot_times(slots)]


def _plot_counts(title: str, counts: Sequence[_Counted], slots: Sequence[Slot]) -> Plot:
    top = _round_up(max(sum(each.of(slot) for each in counts) for slot in slots))
    lines = tuple(PlotLine(each.name, each.kind, f"{sum(map(each.of, slots)):,}") for each in counts)
    bars = [
        _bar(
            number,
            [(each.kind, each.of(slot)) for each in counts],
            top,
            f"{slot.begins:%H:%M}: " + ", ".join(f"{each.of(slot):,} {each.name}" for each in counts),
        )
        for number, slot in enumerate(slots)
    ]
    return Plot(title, lines, tuple(bars), f"{top:,g} in a quarter of an hour", slots[0], slots[-1])


def _plot_times(slots: Sequence[Slot]) -> Plot:
    """The bar of 95 % stands on that of one half: its top is what counts."""
    all_times = [sum(counts) for counts in zip(*(slot.times for slot in slots), strict=True)]
    lines = tuple(
        PlotLine(f"for {name}", kind, _seconds(seconds_of(share, all_times))) for share, name, kind in _SHARES
    )
    top = _round_up(max(slot.seconds(_SHARES[-1][0]) or 0 for slot in slots))
    bars = []
    for number, slot in enumerate(slots):
        half, most = (slot.seconds(share) or 0 for share, _, _ in _SHARES)
        said = ", ".join(f"{_seconds(slot.seconds(share))} for {name}" for share, name, _ in _SHARES)
        bars.append(_bar(number, [("usual", half), ("other", most - half)], top, f"{slot.begins:%H:%M}: {said}"))
    return Plot("Time until a picture is answered", lines, tuple(bars), _seconds(top), slots[0], slots[-1])


def _bar(number: int, values: Sequence[tuple[str, float]], top: float, words: str) -> PlotBar:
    parts, base = [], float(HEIGHT)
    for kind, value in values:
        if value > 0:
            height = max(round(HEIGHT * value / top, 1), _LEAST)
            base = max(base - height, 0)
            parts.append(PlotPart(kind, round(base, 1), height))
    return PlotBar(BAR * number, tuple(parts), words)


def _round_up(value: float) -> float:
    """Return the next round number, which is above zero."""
    if value <= 0:
        return 1
    power = 10.0 ** (len(f"{int(value)}") - 1) if value >= 1 else 0.001
    while power * _STEPS[-1] < value:
        power *= 10
    return next(power * step for step in _STEPS if power * step >= value)


def _seconds(value: float | None) -> str:
    if value is None:
        return "nothing"
    return f"{value:g} s" if value >= 1 else f"{value * 1000:g} ms"
