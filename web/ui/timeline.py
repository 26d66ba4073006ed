"""The history of a site as a strip of bars: one for each version, the taller the more has changed. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from sites import Version
from web.ui.wording import percent

MOST_BARS = 36
BAR_HEIGHT = 48
_LEAST = 5


@dataclass(frozen=True, slots=True)
class Bar:
    """A version. `height` is of BAR_HEIGHT; `before` is the number of the version before it, None if there is none."""

    version: Version
    before: int | None
    height: int
    words: str

    @classmethod
    def of(cls, version: Version, before: int | None) -> Self:
        """Make the bar of a version. Most changes are small, and a square root keeps them apart."""
        height = BAR_HEIGHT if before is None else round(BAR_HEIGHT * math.sqrt(min(version.change, 100) / 100))
        return cls(version, before, max(height, _LEAST), _words(version, before))


@dataclass(frozen=True, slots=True)
class Timeline:
    """The bars of a strip, the oldest first. `older` is the number below which the strip of older versions begins."""

    bars: tuple[Bar, ...]
    older: int | None

    @classmethod
    def of(cls, versions: Sequence[Version]) -> Self:
        """Make the strip of `versions`, which come newest first: those that it shows, and one more if there is one."""
        shown = versions[:MOST_BARS]
        before = [version.number for version in versions[1:]] + [None]
        bars = [Bar.of(version, number) for version, number in zip(shown, before, strict=False)]
        older = shown[-1].number if len(versions) > MOST_BARS else None
        return cls(tuple(reversed(bars)), older)


def _words(version: Version, before: int | None) -> str:
    if version.uploaded:
        return "uploaded"
    return "the first that is kept" if before is None else f"{percent(version.change)} changed"
