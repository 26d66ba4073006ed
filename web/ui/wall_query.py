"""What the address of the gallery asks for: a search, tags, an order and a page. Also the links to its neighbours."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self, get_args
from urllib.parse import urlencode

from werkzeug.datastructures import MultiDict

from errors import InvalidOption
from sites import Filters, Sort

PAGE_SITES = 24
SORTS: dict[Sort, str] = {"changed": "last changed", "title": "title", "added": "last added"}
_LONGEST_TEXT = 200
_MOST_TAGS = 10


@dataclass(frozen=True, slots=True)
class WallQuery:
    """A page of the gallery. Empty values are left out of its address."""

    text: str = ""
    tags: tuple[str, ...] = ()
    sort: Sort = "changed"
    cursor: str = ""

    @classmethod
    def of(cls, given: MultiDict[str, str]) -> Self:
        """Read a query string. Raises InvalidOption for an order that there is not."""
        sort = next((each for each in SORTS if each == given.get("sort", "changed")), None)
        if sort is None:
            raise InvalidOption(f"must be {', '.join(get_args(Sort)[:-1])} or {get_args(Sort)[-1]}", field="sort")
        tags = tuple(dict.fromkeys(filter(None, (_typed(tag).lower() for tag in given.getlist("tag")))))
        return cls(_typed(given.get("q", "")), tags[:_MOST_TAGS], sort, given.get("cursor", ""))

    @property
    def narrows(self) -> bool:
        """Whether it leaves out some sites."""
        return bool(self.text or self.tags)

    @property
    def filters(self) -> Filters:
        return Filters(text=self.text, tags=self.tags, sort=self.sort, cursor=self.cursor, limit=PAGE_SITES)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The query string, decoded."""
        sort = self.sort if self.sort != "changed" else ""
        pairs = [("q", self.text), *(("tag", tag) for tag in self.tags), ("sort", sort), ("cursor", self.cursor)]
        return [(name, value) for name, value in pairs if value]

    @property
    def address(self) -> str:
        return "/gallery" + (f"?{urlencode(self.pairs)}" if self.pairs else "")

    @property
    def feed(self) -> str:
        """The path of the feed of changes: of the sites that have all tags, however they are searched and sorted."""
        return "/sites/feed.atom" + (f"?{urlencode([('tag', tag) for tag in self.tags])}" if self.tags else "")

    def at(self, cursor: str) -> Self:
        return replace(self, cursor=cursor)

    def sorted_by(self, sort: Sort) -> Self:
        return replace(self, sort=sort, cursor="")

    def without_text(self) -> Self:
        return replace(self, text="", cursor="")

    def toggled(self, tag: str) -> Self:
        """Return the page with `tag`, or without it if it has it."""
        tags = tuple(each for each in self.tags if each != tag) if tag in self.tags else (*self.tags, tag)
        return replace(self, tags=tags, cursor="")

    def offered(self, tags: Iterable[tuple[str, int]], most: int) -> list[tuple[str, int]]:
        """Return the tags to offer, each with its count: the chosen first, then the most frequent."""
        counts = dict(tags)
        frequent = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
        others = [each for each in frequent if each[0] not in self.tags]
        return [*((tag, counts.get(tag, 0)) for tag in self.tags), *others[:most]]


def _typed(text: str) -> str:
    """Return what a person can have typed: no control characters, no space around it, and no more than fits."""
    return "".join(each for each in text if each.isprintable()).strip()[:_LONGEST_TEXT]
