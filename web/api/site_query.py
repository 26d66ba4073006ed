"""The query of `GET /sites`: which sites, in which order, and which page of them."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, get_args

from errors import InvalidOption
from options import either
from sites import Filters, Sort, Status
from urls import read_query

DEFAULT_LIMIT, MOST = 50, 100
LONGEST_FILTER = 500  # characters
MOST_TAGS = 20


def read_filters(query: bytes) -> Filters:
    """Read the raw query string. Raises InvalidOption, which names the parameter and its values."""
    given: dict[str, Any] = {"limit": DEFAULT_LIMIT}
    tags: list[str] = []
    for name, value in read_query(query):
        if name not in _READERS:
            raise InvalidOption(f"is no filter; choose from {', '.join(_READERS)}", field=name[:40])
        if len(value) > LONGEST_FILTER or "\0" in value:
            raise InvalidOption(f"must be at most {LONGEST_FILTER} characters", field=name)
        attribute, read = _READERS[name]
        if name == "tag":
            tags.append(value)
        elif attribute in given and name != "limit":
            raise InvalidOption("is set more than once; send it once", field=name)
        else:
            given[attribute] = read(value)
    if len(tags) > MOST_TAGS:
        raise InvalidOption(f"must be at most {MOST_TAGS} tags", field="tag")
    return Filters(tags=tuple(tags), **given)


def read_number(name: str, low: int, high: int) -> Callable[[str], int]:
    """Return what reads a whole number of the parameter `name`."""

    def read(value: str) -> int:
        if not value.isascii() or not value.isdecimal() or len(value) > 9 or not low <= int(value) <= high:
            raise InvalidOption(f"must be a whole number from {low} to {high}", field=name)
        return int(value)

    return read


def _one_of(name: str, values: tuple[str, ...]) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in values:
            raise InvalidOption(f"must be {either(values)}", field=name)
        return value

    return read


def _moment(value: str) -> datetime:
    try:
        time = datetime.fromisoformat(value)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidOption("must be a time such as 2026-11-29T12:00:00Z", field="changed_since") from None


_READERS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "status": ("status", lambda value: Status(_one_of("status", tuple(Status))(value))),
    "tag": ("tags", str),
    "text": ("text", str),
    "host": ("host", str),
    "changed_since": ("changed_since", _moment),
    "sort": ("sort", _one_of("sort", get_args(Sort))),
    "cursor": ("cursor", str),
    "limit": ("limit", read_number("limit", 1, MOST)),
}
