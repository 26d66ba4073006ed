"""What the address of a site's page asks for: which versions to show, one or two, and how to compare them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self
from urllib.parse import urlencode

from werkzeug.datastructures import MultiDict

from errors import InvalidOption
from sites import History, Region, Site, Version

View = Literal["slider", "side", "difference"]
VIEWS: dict[View, str] = {"slider": "slider", "side": "side by side", "difference": "difference"}
_LARGEST = 2**31 - 1
_MOST_STEPS = 100  # between two versions whose region is told


@dataclass(frozen=True, slots=True)
class Shown:
    """The versions that a page shows: `after` alone, or two.

    `region` is where they differ, None if that is not known. `share` is how much, in percent, if nothing lies between.
    """

    after: Version
    before: Version | None = None
    share: float | None = None
    region: Region | None = None


@dataclass(frozen=True, slots=True)
class SiteQuery:
    """The versions from `before` to `after` in a `view`. The strip ends below version `older_than`."""

    before: int | None = None
    after: int | None = None
    view: View = "slider"
    older_than: int | None = None

    @classmethod
    def of(cls, given: MultiDict[str, str]) -> Self:
        """Read a query string. Raises InvalidOption."""
        view = next((each for each in VIEWS if each == given.get("view", "slider")), None)
        if view is None:
            raise InvalidOption("must be slider, side or difference", field="view")
        before, after = _number(given, "from"), _number(given, "to")
        if before is not None and after is not None and before > after:
            before, after = after, before
        return cls(before, after, view, _number(given, "older"))

    def comparing(self, before: int | None, after: int) -> str:
        """Return the query string that shows two versions in the same view, or the second one alone."""
        view = self.view if before and self.view != "slider" else None
        pairs = [("from", before), ("to", after), ("view", view)]
        return "?" + urlencode([(name, value) for name, value in pairs if value])

    def show(self, site: Site, history: History) -> Shown | None:
        """Return what to show: the picture of `site` unless others are named. Raises NotFound."""
        after = site.picture if self.after is None else history.version(site.id, self.after)
        if after is None:
            return None
        if self.before is None or self.before == after.number:
            return Shown(after)
        before = history.version(site.id, self.before)
        steps = [
            each for each in history.versions(site.id, after.number + 1, _MOST_STEPS) if each.number > before.number
        ]
        share = after.change if len(steps) == 1 else None
        return Shown(after, before, share, _region(before, steps))


def _region(before: Version, steps: Sequence[Version]) -> Region | None:
    """Return the part of the picture in which all changes of `steps`, the versions after `before`, lie.

    It is known without a look at the pictures, which would cost a visitor's request much time.
    """
    if not steps or len(steps) != steps[0].number - before.number:
        return None  # versions between them have been removed
    regions = [each.region for each in steps]
    if None in regions or {(each.width, each.height) for each in steps} != {(before.width, before.height)}:
        return None
    known = [each for each in regions if each is not None]
    left, top = min(each.left for each in known), min(each.top for each in known)
    right, bottom = max(each.left + each.width for each in known), max(each.top + each.height for each in known)
    return Region(left, top, right - left, bottom - top)


def _number(given: MultiDict[str, str], name: str) -> int | None:
    """Read the number of a version, None if there is none."""
    text = given.get(name, "")
    if not text:
        return None
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:11]) <= _LARGEST:
        raise InvalidOption("must be the number of a version", field=name)
    return int(text)
