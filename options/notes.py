"""Notes about a picture, each described once. They travel in a header: `X-Thumb-Note: cut-at=16384, parts-missing=12`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from types import MappingProxyType
from typing import Self

NOTE_HEADER = "X-Thumb-Note"
STATUS_HEADER = "X-Page-Status"
_NOTE = re.compile(r"([a-z-]+)=([0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class Notes:
    """What a picture does not show, or shows instead. A 0 notes nothing. As a text, they are the value of the header."""

    cut_at: int = field(
        default=0, metadata={"meaning": "the page goes on below its picture, which shows so many CSS pixels of it"}
    )
    parts_missing: int = field(
        default=0,
        metadata={
            "meaning": "the engine refused so many connections, held them back, or ended them because the site did not "
            "answer, so parts of the page may be missing; or the page used too much memory, and is shown without so many "
            "images. The picture stays fresh for an hour at most, whatever the `ttl`"
        },
    )
    unfinished: int = field(
        default=0,
        metadata={
            "meaning": "1 if the page still said that it loads after a second look: by a word, or by a motion without end "
            "beside little else and requests under way. The picture is treated as a blank one is"
        },
    )

    clipped: int = field(
        default=0,
        metadata={
            "meaning": "1 if the `clip` reached beyond the page, or the element of `selector` beyond its left side or what "
            "a picture can hold, so the picture is smaller than that"
        },
    )
    script_failed: int = field(
        default=0,
        metadata={
            "meaning": "1 if the caller's `js` threw an exception, did not return, or had no page to run in, as the URL is a PDF; the picture is taken all the same"
        },
    )

    page_status: int = field(
        default=0,
        metadata={
            "meaning": "with `error_pages=show`, the HTTP status of the page, which `X-Page-Status` has too. From 400 on, the "
            "picture shows an error page; see [Error pages](#error-pages)"
        },
    )

    @property
    def shows_error(self) -> bool:
        """Whether the picture is that of an error page."""
        return self.page_status >= 400

    @classmethod
    def read(cls, header: str) -> Self:
        """Read the value of a header. Ignores what is not a known note with its digits."""
        read = (_NOTE.fullmatch(each.strip()) for each in header.split(","))
        return cls(**{NOTES[note[1]]: int(note[2]) for note in read if note and note[1] in NOTES})

    def __str__(self) -> str:
        values = ((name, getattr(self, attribute)) for name, attribute in NOTES.items())
        return ", ".join(f"{name}={value}" for name, value in values if value)

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a response that has notes, else none."""
        return dict(_headers(self))


NOTES: Mapping[str, str] = MappingProxyType(
    {each.name.replace("_", "-"): each.name for each in fields(Notes)}
)  # as the header names them
NO_NOTES = Notes()


@lru_cache(maxsize=256)  # most pictures have none, and every hit asks
def _headers(notes: Notes) -> Mapping[str, str]:
    value = str(notes)
    headers = {NOTE_HEADER: value} if value else {}
    if notes.page_status:
        headers[STATUS_HEADER] = str(notes.page_status)
    return headers
