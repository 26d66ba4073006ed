"""What the address of the list of sites asks for: a status, tags, a search and a page. Also the links to its neighbours."""

from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import urlencode

from werkzeug.datastructures import MultiDict

from errors import InvalidOption
from sites import Filters, Status
from sites.values import Sort

PAGE_SITES = 50
SORTS: dict[Sort, str] = {"changed": "last changed", "title": "title", "added": "last added"}
_LONGEST_TEXT = 200


@dataclass(frozen=True, slots=True)
class SiteListQuery:
    """A page of the list of sites. Empty values are left out of its address."""

    text: str = ""
    status: str = ""
    tag: str = ""
    sort: Sort = "changed"
    cursor: str = ""

    @classmethod
    def of(cls, given: MultiDict[str, str]) -> Self:
        """Read a query string, or the same in a form. Raises InvalidOption."""
        sort = next((each for each in SORTS if each == (given.get("sort") or "changed")), None)
        if sort is None:
            raise InvalidOption(f"must be one of {', '.join(SORTS)}", field="sort")
        status = given.get("status", "")
        if status and status not in list(Status):
            raise InvalidOption(f"must be one of {', '.join(Status)}", field="status")
        return cls(
            _typed(given.get("q", "")), status, _typed(given.get("tag", "")).lower(), sort, given.get("cursor", "")
        )

    @property
    def narrows(self) -> bool:
        return bool(self.text or self.status or self.tag)

    def filters(self, limit: int = PAGE_SITES) -> Filters:
        return Filters(
            status=Status(self.status) if self.status else None,
            tags=(self.tag,) if self.tag else (),
            text=self.text,
            sort=self.sort,
            cursor=self.cursor,
            limit=limit,
        )

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The query string, decoded."""
        sort = self.sort if self.sort != "changed" else ""
        pairs = [("q", self.text), ("status", self.status), ("tag", self.tag), ("sort", sort), ("cursor", self.cursor)]
        return [(name, value) for name, value in pairs if value]

    @property
    def address(self) -> str:
        return "/admin/sites" + (f"?{urlencode(self.pairs)}" if self.pairs else "")

    def at(self, cursor: str) -> Self:
        return replace(self, cursor=cursor)

    def with_status(self, status: str) -> Self:
        return replace(self, status=status, cursor="")

    def with_tag(self, tag: str) -> Self:
        return replace(self, tag=tag, cursor="")


def _typed(text: str) -> str:
    """Return what a person can have typed: no control characters, no space around it, and no more than fits."""
    return "".join(each for each in text if each.isprintable()).strip()[:_LONGEST_TEXT]
