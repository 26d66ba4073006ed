"""Values that are more than a word or a number: read from JSON, or from the text of a query. Pure.

JSON turns a named tuple into a list: `stored` turns it back. A reader returns the value, or raises ValueError with words that complete "must be …". Those name no value of a caller:
scripts, headers and cookies are secrets.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from options.target import Target

LONGEST_CODE = 64 << 10  # characters
FARTHEST = 65_535  # CSS pixels

MOST_HEADERS, MOST_COOKIES = 32, 64
LONGEST_TEXT = 4096  # characters of a header's value, or of a cookie's name and value

A_CLIP = "x,y,width,height in whole CSS pixels, such as 0,0,800,600, or an object with these four"
HEADERS = f"an object of at most {MOST_HEADERS} header names and their values, in printable ASCII"
COOKIES = (
    f"a list of at most {MOST_COOKIES} objects with name and value, and perhaps domain and path, in printable ASCII"
)

_NUMBERS = re.compile(r"\s*(-?\d{1,5})\s*,\s*(-?\d{1,5})\s*,\s*(\d{1,5})\s*,\s*(\d{1,5})\s*", re.ASCII)
_RUBYS_NAME = re.compile(r":?\b(x|y|width|height)(?:=>|: )")  # {:x=>1} of Ruby, or {x: 1} since its version 3.4
_LONGEST_CLIP = 256  # characters
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")  # RFC 9110, section 5.6.2
_PRINTABLE = re.compile(r"[\t\x20-\x7e]*")
_COOKIE_VALUE = re.compile(r"[\x20-\x3a\x3c-\x7e]*")
_COOKIE_PATH = re.compile(r"/[A-Za-z0-9/._~!$&'()*+,:=@%-]{0,1023}")  # as it is in a URL: the browser refuses all else
_DOMAIN = re.compile(r"[\x21-\x7e]{0,256}")
# Chromium writes these itself: they frame the message, or tell the server where a request comes from.
_BROWSERS_OWN = re.compile(
    "host|cookie2?|set-cookie2?|content-length|connection|keep-alive|transfer-encoding|te|trailer|upgrade|expect|origin"
    "|accept-encoding|accept-charset|access-control-request-.*|sec-.*|proxy-.*"
)


class Clip(NamedTuple):
    """A part of the page in CSS pixels, from the page's top left corner. It may reach beyond the page."""

    x: int
    y: int
    width: int
    height: int


class Cookie(NamedTuple):
    """A cookie of the page's own host. `domain` is only compared with that host: no other one gets the cookie."""

    name: str
    value: str
    domain: str = ""
    path: str = "/"


Headers = tuple[tuple[str, str], ...]
Cookies = tuple[Cookie, ...]


def is_text(value: str) -> bool:
    """Return whether the browser can be told `value`. It answers no message with a surrogate that stands alone."""
    return not re.search("[\0\ud800-\udfff]", value)


def read_code(value: object, words: str) -> str | None:
    """Read a style sheet or a script; an empty one is none."""
    if not isinstance(value, str) or len(value) > LONGEST_CODE or not is_text(value):
        raise ValueError(words)
    return value if value.strip() else None


def read_clip(value: object) -> Clip:
    """Read an object, a list, or the text of either. Clients send what Python and Ruby write for their dictionaries."""
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


def read_headers(value: object) -> Headers:
    """Read an object. Names have no order, so they are sorted."""
    if not isinstance(value, Mapping) or len(value) > MOST_HEADERS:
        raise ValueError(HEADERS)
    for name, text in value.items():
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise ValueError(HEADERS)
        if _BROWSERS_OWN.fullmatch(name.lower()):
            raise ValueError(f"without {name}, which the browser sets itself")
        if not isinstance(text, str) or len(text) > LONGEST_TEXT or not _PRINTABLE.fullmatch(text):
            raise ValueError(HEADERS)
    if len({name.lower() for name in value}) < len(value):
        raise ValueError("without a name that is repeated in another case")
    return tuple(sorted((name, text.strip()) for name, text in value.items()))


def read_cookies(value: object) -> Cookies:
    """Read a list of objects. `has_foreign_cookie` judges their domains."""
    if not isinstance(value, list | tuple) or len(value) > MOST_COOKIES:
        raise ValueError(COOKIES)
    return tuple(map(_cookie, value))


def has_insecure_cookie(cookies: Cookies, target: Target) -> bool:
    """Return whether a cookie's name promises what it does not hold: RFC 6265bis, section 4.1.3."""
    for cookie in cookies:
        name = cookie.name.lower()
        if name.startswith(("__secure-", "__host-")) and target.scheme != "https":
            return True
        if name.startswith("__host-") and cookie.path != "/":
            return True
    return False


def has_foreign_cookie(cookies: Cookies, target: Target) -> bool:
    """Return whether a cookie's domain is neither the target's host nor, for a name, one above it."""
    is_address = target.host.startswith("[") or target.host[-1:].isdigit()
    for cookie in cookies:
        domain = cookie.domain.lower().removeprefix(".").removesuffix(".")
        is_above = not is_address and "." in domain and target.host.endswith(f".{domain}")
        if domain not in ("", target.host) and not is_above:
            return True
    return False


def clip_text(clip: Any) -> str:
    """Write a clip for a query."""
    return ",".join(map(str, clip))


def clip_object(clip: Any) -> dict[str, int]:
    """Write a clip for JSON."""
    return dict(zip(Clip._fields, clip, strict=True))


def header_object(headers: Any) -> dict[str, str]:
    """Write headers for JSON."""
    return dict(headers)


def cookie_objects(cookies: Any) -> list[dict[str, str]]:
    """Write cookies for JSON."""
    written = [dict(zip(Cookie._fields, cookie, strict=True)) for cookie in cookies]
    return [{name: part for name, part in each.items() if part or name == "value"} for each in written]


def stored(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a stored record as they were before JSON."""
    return {name: _STORED[name](value) if name in _STORED else value for name, value in values.items()}


_STORED: Mapping[str, Any] = {
    "clip": lambda parts: Clip(*parts),
    "headers": lambda pairs: tuple((name, text) for name, text in pairs),
    "cookies": lambda cookies: tuple(Cookie(*parts) for parts in cookies),
}


def _clip_in(text: str) -> object:
    if plain := _NUMBERS.fullmatch(text):
        return [int(number) for number in plain.groups()]
    try:
        return json.loads(_RUBYS_NAME.sub(r'"\1": ', text.replace("'", '"'))) if len(text) <= _LONGEST_CLIP else None
    except (ValueError, RecursionError):
        raise ValueError(A_CLIP) from None


def _pixels(value: object) -> int:
    if isinstance(value, float) and value.is_integer():  # JSON has one kind of number
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > FARTHEST:
        raise ValueError(A_CLIP)
    return value


def _cookie(value: object) -> Cookie:
    if not isinstance(value, Mapping) or not value.keys() <= set(Cookie._fields):
        raise ValueError(COOKIES)
    parts = {name: part for name, part in value.items() if part is not None}
    if not {"name", "value"} <= parts.keys() or not all(isinstance(part, str) for part in parts.values()):
        raise ValueError(COOKIES)
    cookie = Cookie(**parts)
    cookie = cookie._replace(value=cookie.value.strip(" "), path=cookie.path or "/")
    if not _is_well_formed(cookie):
        raise ValueError(COOKIES)
    return cookie


def _is_well_formed(cookie: Cookie) -> bool:
    patterns = _TOKEN, _COOKIE_VALUE, _DOMAIN, _COOKIE_PATH
    is_short = len(cookie.name) + len(cookie.value) <= LONGEST_TEXT
    return is_short and all(pattern.fullmatch(part) for pattern, part in zip(patterns, cookie, strict=True))
