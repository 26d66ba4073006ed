"""The address `/t/<options>/<page>`, for templates that cannot percent-encode, and for programs that want a file name.

It is another spelling of `/thumb`'s query, so both have the same options, errors, keys and signatures.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from urllib.parse import parse_qsl, quote, quote_from_bytes, unquote, unquote_to_bytes

from errors import InvalidOption, InvalidURL
from options import BLANKS, FORMAT_ALIASES, FORMATS, LEAVE_OUT, THUMBNAIL_OPTIONS, either, is_appended, nearest_advice

PREFIX = "/t/"
_NONE = "-"  # in the place of the options
_FORM = "/t/w=320,h=180/https://example.com/"
_ENDINGS = {each: each for each in FORMATS} | dict(FORMAT_ALIASES)  # of file names, to the names of formats
_URL = re.compile(r"https?:/*", re.IGNORECASE)
_ENCODED_URL = re.compile(r"https?%(?:25)?3a", re.IGNORECASE)
# Python's encoder pads, and some programs end each address with a slash.
_FILE = re.compile(r"([A-Za-z0-9_-]+)(?:=|%3d){0,2}(?:\.([a-z0-9]{1,8}))?/?", re.IGNORECASE)
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_MOST_APPENDED = 32
_LONGEST_NAME = 128  # characters of a name that is looked at; a longer one is no option

Pair = tuple[bytes, bytes]


def query_of(path: str, query: str) -> bytes:
    """Return the query of `/thumb` that asks for the same as `path` and `query`, which are as the caller encoded them.

    Raises InvalidOption or InvalidURL.
    """
    if not path.startswith(PREFIX):
        raise InvalidOption(f"must begin with {PREFIX}, not percent-encoded", field="path")
    options, page = _part(path)
    if not page:
        raise InvalidURL(f"is missing; write it after the options: {_FORM}")
    pairs = [_read_option(*pair) for pair in _pairs(options)]
    return _write_query([*pairs, *_read_page(page, query, [*pairs])])


def written_in(path: str) -> dict[str, str]:
    """Return the options of a path, which may be wrong."""
    return {unquote(name): unquote(value) for name, value in _pairs(_part(path)[0])}


def write_path(options: Iterable[tuple[str, str]]) -> str:
    """Write the path for decoded options of `/thumb`: the page's URL as base64url, the format as the file ending."""
    values = dict(options)
    url, format_ = values.pop("url"), _ENDINGS.get(values.get("format", "png"))
    if format_:
        values.pop("format", None)
    pieces = ",".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in values.items())
    name = base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")
    return f"{PREFIX}{pieces or _NONE}/{name}{f'.{FORMATS[format_].ending}' if format_ else ''}"


def _part(path: str) -> tuple[str, str]:
    """Part options and page. Without options, a page with its scheme may stand alone."""
    rest = path.removeprefix(PREFIX)
    if _URL.match(rest) or _ENCODED_URL.match(rest):
        return "", rest
    options, _, page = rest.partition("/")
    return "" if options == _NONE else options, page


def _pairs(options: str) -> Iterator[tuple[str, str]]:
    for piece in options.split(",") if options else ():
        name, _, value = piece.partition("=")
        yield name, value


def _read_option(name: str, value: str) -> Pair:
    known = unquote(name[:_LONGEST_NAME], errors="replace").strip(BLANKS)
    if not known:
        raise InvalidOption(f"are parted by single commas, as in {_FORM}; a comma in a value is %2C", field="options")
    if known == "url":
        raise InvalidOption(f"is no option here; write it after the options: {_FORM}", field="url")
    if known not in THUMBNAIL_OPTIONS and not is_appended(known):
        advice = nearest_advice(known, THUMBNAIL_OPTIONS) or LEAVE_OUT
        raise InvalidOption(
            f"is not an option; {advice}. Options stand before the page, as in {_FORM}", field=known[:40]
        )
    return _bytes(name).strip(BLANKS.encode()), _bytes(value)


def _read_page(page: str, query: str, options: list[Pair]) -> list[Pair]:
    """Return the option `url`, and what a file name says besides."""
    file = _FILE.fullmatch(page)
    if file and ((file[2] or "png").lower() in _ENDINGS or _decoded(file[1]).startswith(b"http")):
        return [(b"url", _of_name(file[1])), *_format_of(file[2], options), *_appended(query)]
    if _ENCODED_URL.match(page):
        return [(b"url", _bytes(page)), *_appended(query)]
    whole = f"{page}?{query}" if query else page
    if scheme := _URL.match(whole):  # a proxy that merges slashes leaves one of two
        whole = f"{scheme[0].rstrip('/')}//{whole[scheme.end() :]}"
    return [(b"url", whole.encode("latin-1"))]


def _of_name(name: str) -> bytes:
    url = _decoded(name)
    if not url or _CONTROL.search(url):
        raise InvalidURL("is no base64url of an absolute URL; encode the URL by RFC 4648, section 5")
    return url


def _decoded(name: str) -> bytes:
    """Decode base64url; empty if it is none."""
    try:
        return base64.urlsafe_b64decode(name + "=" * (-len(name) % 4))
    except binascii.Error:
        return b""


def _format_of(ending: str | None, options: Iterable[Pair]) -> list[Pair]:
    if ending is None:
        return []
    format_ = _ENDINGS.get(ending.lower())
    if format_ is None:
        raise InvalidOption(f"must be {either(tuple(FORMATS))}, also as the file ending", field="format")
    given = next((value.decode("latin-1").strip() for name, value in options if name == b"format"), None)
    if given is None:
        return [(b"format", format_.encode())]
    if _ENDINGS.get(given) != format_:
        raise InvalidOption("differs from the file ending; leave one of them out", field="format")
    return []


def _appended(query: str) -> list[Pair]:
    """Return what other programs have appended. Such a page has its own query inside."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, encoding="latin-1", max_num_fields=_MOST_APPENDED)
    except ValueError:
        raise InvalidOption(f"must have at most {_MOST_APPENDED} parameters", field="query") from None
    for name, _ in pairs:
        if not is_appended(name):
            raise InvalidOption(
                f"must stand before the page, as in {_FORM}", field=name.encode("latin-1").decode(errors="replace")[:40]
            )
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]


def _bytes(text: str) -> bytes:
    return unquote_to_bytes(text.encode("latin-1"))


def _write_query(pairs: Iterable[Pair]) -> bytes:
    return b"&".join(
        f"{quote_from_bytes(name, safe='')}={quote_from_bytes(value, safe='')}".encode() for name, value in pairs
    )
