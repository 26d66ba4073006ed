"""How a picture is kept: a line of JSON and the file; the pixels of an original, if at all, in a value of their own. Pure.

The line holds the canonical options, which are compared on reading: a value under the wrong key is a miss.
"""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import orjson

from model import Key, Picture
from options import Notes, PageMetadata

_USUAL_LINE, _LONGEST_LINE = 1 << 13, 1 << 20
HEAD_BYTES = 1 << 12
_BEGINNING = b'{"key": '


def pack(picture: Picture, key: Key) -> bytes:
    header = {
        "key": key.canonical,
        "type": picture.content_type,
        "width": picture.width,
        "height": picture.height,
        "captured_at": picture.captured_at.timestamp(),
        "bytes": len(picture.body),
        "etag": picture.etag,
        "suspect": picture.suspect,
        "notes": str(picture.notes),
    }
    if picture.captured_by:
        header["by"] = picture.captured_by
    if picture.page is not None:
        header["page"] = str(picture.page)
    return b"".join((json.dumps(header).encode(), b"\n", picture.body))


def pack_pixels(picture: Picture) -> bytes:
    """Pack the pixels of an original, below the hash of the file that they belong to."""
    return picture.etag.encode() + b"\n" + picture.pixels


def add_pixels(picture: Picture, value: bytes | memoryview | None) -> Picture:
    """Return the picture with its pixels, or as it is if the value is missing or another file's."""
    head = picture.etag.encode() + b"\n"
    if value is None or value[: len(head)] != head:
        return picture
    return replace(picture, pixels=memoryview(value)[len(head) :])


def unpack(value: bytes | memoryview, key: Key) -> Picture | None:
    """Return the picture; None if the value is another's, or cut off."""
    view = memoryview(value)
    try:
        start = _end_of_line(view) + 1
        header = orjson.loads(view[: start - 1])
        end = start + header["bytes"]
        if header["key"] != key.canonical or end != len(view):
            return None
        return _picture(header, bytes(view[start:]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def unpack_head(beginning: bytes, key: Key) -> tuple[Picture, int] | None:
    """Return the picture of whose packed value this is the beginning, without its file, and the file's bytes.

    None if the value is another's.
    """
    try:
        header = orjson.loads(beginning[: _end_of_line(memoryview(beginning))])
        return (_picture(header, b""), int(header["bytes"])) if header["key"] == key.canonical else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _picture(header: Any, body: bytes) -> Picture:
    return Picture(
        body,
        header["type"],
        header["width"],
        header["height"],
        datetime.fromtimestamp(header["captured_at"], UTC),
        header["etag"],
        suspect=header["suspect"],
        notes=Notes.read(header.get("notes", "")),
        page=PageMetadata.read(header["page"]) if "page" in header else None,
        captured_by=header.get("by", ""),
    )


@dataclass(frozen=True, slots=True)
class Head:
    """What the beginning of a packed picture tells: the canonical URL of its page, and when it was captured (Unix seconds)."""

    url: str
    captured_at: float


def read_head(beginning: bytes) -> Head | None:
    """Read the first HEAD_BYTES of a packed picture. None if they are not the beginning of one.

    Raises CutOff if its line goes on behind them.
    """
    line, newline, _ = beginning.partition(b"\n")
    if not line.startswith(_BEGINNING):
        return None
    try:
        header = orjson.loads(line)
        options = orjson.loads(header["key"])["capture"]
        return Head(str(options["url"]), float(header["captured_at"]))
    except (ValueError, KeyError, TypeError):
        if not newline:
            raise CutOff from None
        return None


class CutOff(ValueError):
    """More bytes are needed."""


def _end_of_line(view: memoryview) -> int:
    """Find the end of the first line. A memory view has to be copied for that, so not more of it than a usual line.

    Raises ValueError.
    """
    usual = bytes(view[:_USUAL_LINE]).find(b"\n")
    return usual if usual >= 0 else bytes(view[:_LONGEST_LINE]).index(b"\n")
