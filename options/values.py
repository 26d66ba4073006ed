"""Values that are more than a word or a number: read from JSON, or from the text of a query. Pure.

JSON turns a named tuple into a list: `stored` turns it back. A reader returns the value, or raises ValueError with words that complete "must be …". Those name no value of a caller:
scripts, headers and cookies are secrets.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

LONGEST_CODE = 64 << 10  # characters
FARTHEST = 65_535  # CSS pixels

A_CLIP = "x,y,width,height in whole CSS pixels, such as 0,0,800,600, or an object with these four"

_NUMBERS = re.compile(r"\s*(-?\d{1,5})\s*,\s*(-?\d{1,5})\s*,\s*(\d{1,5})\s*,\s*(\d{1,5})\s*", re.ASCII)
_LONGEST_CLIP = 256  # characters


class Clip(NamedTuple):
    """A part of the page in CSS pixels, from the page's top left corner. It may reach beyond the page."""

    x: int
    y: int
    width: int
    height: int


def read_code(value: object, words: str) -> str | None:
    """Read a style sheet or a script; an empty one is none."""
    # A surrogate that stands alone is no text: the browser would not answer a message that contains one.
    if not isinstance(value, str) or len(value) > LONGEST_CODE or re.search("[\0\ud800-\udfff]", value):
        raise ValueError(words)
    return value if value.strip() else None


def read_clip(value: object) -> Clip:
    """Read an object, a list, or the text of either. Python's client sends the text of its own dictionary."""
    if isinstance(value, str):
        value = _clip_in(value)
    if isinstance(value, Mapping):
        value = [value[name] for name in Clip._fields] if value.keys() == set(Clip._fields) else None
    if not isinstance(value, list | tuple) or len(value) != len(Clip._fields):
        raise ValueError(A_CLIP)
    clip = Clip(*map(_pixels, value))
    if clip.width < 1 or clip.height < 1:
        raise ValueError(A_CLIP)
    return clip


def clip_text(clip: Any) -> str:
    """Write a clip for a query."""
    return ",".join(map(str, clip))


def clip_object(clip: Any) -> dict[str, int]:
    """Write a clip for JSON."""
    return dict(zip(Clip._fields, clip, strict=True))


def stored(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a stored record as they were before JSON."""
    return {name: _STORED[name](value) if name in _STORED else value for name, value in values.items()}


_STORED: Mapping[str, Any] = {"clip": lambda parts: Clip(*parts)}


def _clip_in(text: str) -> object:
    if plain := _NUMBERS.fullmatch(text):
        return [int(number) for number in plain.groups()]
    try:
        return json.loads(text.replace("'", '"')) if len(text) <= _LONGEST_CLIP else None
    except (ValueError, RecursionError):
        raise ValueError(A_CLIP) from None


def _pixels(value: object) -> int:
    if isinstance(value, float) and value.is_integer():  # JSON has one kind of number
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > FARTHEST:
        raise ValueError(A_CLIP)
    return value
