"""The options in a request's query or body, as names and texts."""

import json
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote_to_bytes

MOST_WORDS = 100  # options in one request; those beyond are ignored
_TARGET = re.compile(r"https?:", re.IGNORECASE)
_ENCODED = re.compile(r"(%20|\+)*https?%(25)?3a|(%2f){2}", re.IGNORECASE)
_SLASHES = re.compile(r"(https?):/+", re.IGNORECASE)
_NO_UTF8 = re.compile("[\udc80-\udcff]")
_ITEM = re.compile(r"\[[0-9]{0,3}\]$")  # as PHP and some clients of Node mark each item of a list


def words_in(query: str, lists: frozenset[str] = frozenset()) -> dict[str, str]:
    """Read the options of a query. The last of repeated ones counts, but those in `lists` are joined by commas."""
    found: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True, encoding="latin-1")[:MOST_WORDS]:
        key = _ITEM.sub("", as_utf8(name.encode("latin-1", "replace")))
        text = as_utf8(value.encode("latin-1", "replace"))
        found[key] = f"{found[key]}, {text}" if key in lists and key in found else text
    return found


def words_of(body: Mapping[str, object], lists: frozenset[str] = frozenset()) -> dict[str, str]:
    """Read the options of a JSON object. A null is an option left out."""
    return {
        name: _text(value, is_list=name in lists)
        for name, value in list(body.items())[:MOST_WORDS]
        if value is not None
    }


def _text(value: object, *, is_list: bool) -> str:
    if isinstance(value, str):
        return value
    if is_list and isinstance(value, list):
        return ", ".join(str(each) for each in value)
    return json.dumps(value)


def as_utf8(encoded: bytes) -> str:
    """Decode bytes of an address. Those that are no UTF-8 keep their percent-encoding, as the browser would send them."""
    text = encoded.decode(errors="surrogateescape")
    return _NO_UTF8.sub(lambda found: f"%{ord(found[0]) - 0xDC00:02X}", text)


def target_in(path: str, query: str = "") -> str:
    """Return the target that is the rest of an address: written as it is, or percent-encoded as a whole, even twice.

    `query` is its own query, which it has only if it was not encoded. What lies between may have merged the slashes after
    `http:`.
    """
    if not _TARGET.match(path) and (_ENCODED.match(path) or "/" not in path):
        path = as_utf8(unquote_to_bytes(path))
        if _ENCODED.match(path):
            path = as_utf8(unquote_to_bytes(path))
    target = f"{path}?{query}" if query else path
    return _SLASHES.sub(r"\1://", target, count=1) if _TARGET.match(target) else target


def without_blanks(target: str) -> str:
    """Percent-encode the blanks of a target, as templates leave them in it."""
    return target.strip().replace(" ", "%20")
