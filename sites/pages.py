"""Pages of sites: filters, order, and cursors.

A cursor names the site at which a page begins or ends by what it is sorted by, and its id. So pages neither skip nor
repeat a site when others are added or removed meanwhile: https://use-the-index-luke.com/no-offset
"""

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from sqlalchemy import ColumnElement, Select, exists, func, or_, select, tuple_
from sqlalchemy.orm import Session

from errors import InvalidOption
from sites.models import LAST_CHANGED, SiteRow, SiteTag
from sites.rows import to_site, with_picture
from sites.values import Filters, SitePage, Sort

MOST = 100  # sites of a page

_SORTED_BY: dict[Sort, tuple[ColumnElement[Any], bool]] = {
    "changed": (LAST_CHANGED, True),
    "title": (SiteRow.sort_title.expression, False),
    "added": (SiteRow.created_at.expression, True),
}


@dataclass(frozen=True, slots=True)
class _Cursor:
    """A page after, or before, the site with this value and id."""

    sort: Sort
    value: str
    id: int
    backwards: bool

    def pack(self) -> str:
        text = json.dumps([self.sort, self.value, self.id, int(self.backwards)], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def unpack(cls, text: str, sort: Sort) -> Self:
        """Read what `pack` wrote. Raises InvalidOption."""
        try:
            own, value, id_, backwards = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            found = cls(own, value, id_, bool(backwards))
            valid = (
                own == sort and type(value) is str and type(id_) is int and 0 < id_ < 2**31 and found.key is not None
            )
        except (ValueError, TypeError, OverflowError, RecursionError):  # a time of no year, or a thousand brackets
            valid = False
        if not valid:
            raise InvalidOption("must be what `next` or `previous` of a page in this order is", field="cursor")
        return found

    @property
    def key(self) -> tuple[object, int]:
        if self.sort != "title":
            return datetime.fromisoformat(self.value).astimezone(UTC), self.id
        if "\0" in self.value:  # which PostgreSQL has in no text
            raise ValueError
        return self.value.encode().decode(), self.id


def find(session: Session, filters: Filters) -> SitePage:
    """Return the page of sites that `filters` describes. Raises InvalidOption."""
    cursor = _Cursor.unpack(filters.cursor, filters.sort) if filters.cursor else None
    column, descending = _SORTED_BY[filters.sort]
    backwards = cursor is not None and cursor.backwards
    falling = descending != backwards
    limit = max(1, min(filters.limit, MOST))

    query = _matching(with_picture().add_columns(column), filters)
    if cursor is not None:
        own, given = tuple_(column, SiteRow.id), tuple_(*cursor.key)
        query = query.where(own < given if falling else own > given)
    order = (column.desc(), SiteRow.id.desc()) if falling else (column, SiteRow.id)
    found = list(session.execute(query.order_by(*order).limit(limit + 1)))
    more, found = len(found) > limit, found[:limit]
    if backwards:
        found.reverse()

    def cursor_of(at: int, *, back: bool) -> str:
        row, _, value = found[at]
        text = value.isoformat() if isinstance(value, datetime) else str(value)
        return _Cursor(filters.sort, text, row.id, back).pack()

    has_next, has_previous = (True, more) if backwards else (more, cursor is not None)
    return SitePage(
        tuple(to_site(row, picture) for row, picture, _ in found),
        cursor_of(-1, back=False) if found and has_next else None,
        cursor_of(0, back=True) if found and has_previous else None,
        session.scalar(_matching(select(func.count()).select_from(SiteRow), filters)),
    )


def _matching(query: Select[Any], filters: Filters) -> Select[Any]:
    if filters.status is not None:
        query = query.where(SiteRow.status == filters.status)
    for tag in filters.tags:
        query = query.where(exists().where(SiteTag.site_id == SiteRow.id, SiteTag.tag == tag.lower()))
    if filters.host is not None:
        query = query.where(SiteRow.host == filters.host.lower())
    if filters.changed_since is not None:
        query = query.where(SiteRow.changed_at >= filters.changed_since)
    for word in filters.text.casefold().split():
        query = query.where(
            SiteRow.search_text.contains(word, autoescape=True) if filters.in_notes else _in_public(word)
        )
    return query


def _in_public(word: str) -> ColumnElement[bool]:
    """Look for a word in what every reader of the gallery sees: a note is for those who keep the catalogue."""
    # Looked up once: PostgreSQL would run a subquery that names the site for each of them.
    tagged = SiteRow.id.in_(select(SiteTag.site_id).where(SiteTag.tag.contains(word, autoescape=True)))
    texts = (SiteRow.sort_title, func.lower(SiteRow.url))
    return or_(tagged, *(text.contains(word, autoescape=True) for text in texts))
