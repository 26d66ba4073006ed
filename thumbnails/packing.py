"""How a picture is kept: a line of JSON, the file, and the pixels of an original. Pure.

The line holds the canonical options, which are compared on reading: a value under the wrong key is a miss.
"""

import json
from datetime import UTC, datetime

import orjson

from model import Key, Picture
from options import Notes

_LONGEST_LINE = 1 << 20


def pack(picture: Picture, key: Key, *, pixels: bool = False) -> bytes:
    """Pack a picture; an original with its `pixels`, if it has any."""
    packed = picture.pixels if pixels else b""
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
        "pixels": len(packed),
    }
    return b"".join((json.dumps(header).encode(), b"\n", picture.body, packed))


def unpack(value: bytes | memoryview, key: Key) -> Picture | None:
    """Return the picture; None if the value is another's, or cut off."""
    view = memoryview(value)
    try:
        start = bytes(view[:_LONGEST_LINE]).index(b"\n") + 1
        header = orjson.loads(view[: start - 1])
        end = start + header["bytes"]
        if header["key"] != key.canonical or end + header.get("pixels", 0) != len(view):
            return None
        return Picture(
            bytes(view[start:end]),
            header["type"],
            header["width"],
            header["height"],
            datetime.fromtimestamp(header["captured_at"], UTC),
            header["etag"],
            suspect=header["suspect"],
            notes=Notes.read(header.get("notes", "")),
            pixels=bytes(view[end:]),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
