"""Parses and judges a caller's URL, without looking up its name.

The parser follows the WHATWG algorithm, as the browser does, so the judged URL is the one that the browser opens. Every
refusal says what a valid URL is.
"""

import re
from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

import can_ada

import netguard
from errors import BlockedTarget, InvalidOption, InvalidURL
from netguard import Guard, Verdict
from options import DEFAULT_PORTS, DOCUMENT_SCHEMES, MAX_URL_BYTES, CaptureOptions, Target, stored, with_sharp_s
from telemetry import metrics

# One text for both: an answer that told them apart would show strangers which private names exist.
NOT_PUBLIC = "the target is not a public web address, or does not exist"

# C0, space, DEL, C1, NBSP and other spaces, backslash; bidi controls and zero-width characters. A browser would repair
# them, or a reader would not see them. (A soft hyphen is allowed: IDNA drops it.)
_UNWELCOME = re.compile(
    "[\x00-\x20\x7f-\xa0\\\\\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff\ud800-\udfff]"
)
_HOST = re.compile(r"([a-z0-9][a-z0-9-]{0,62}\.)+[a-z][a-z0-9-]{1,62}(:[0-9]{1,5})?(?=[/?#]|$)", re.IGNORECASE)
# What a person types instead of a URL: a host with a dot, or an IPv6 address, and perhaps a port.
_TYPED = re.compile(
    r"(?://)?(?:[^/?#:@\[\]]*[.\u3002\uff0e\uff61][^/?#:@\[\]]*|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?(?=[/?#]|$)",
    re.IGNORECASE,
)
_ENCODED = re.compile(r"https?%3a", re.IGNORECASE)
_TWO_SCHEMES = re.compile(r"https?:/*(https?:?/+[^/])", re.IGNORECASE)
_NO_UTF8 = re.compile("[\udc80-\udcff]")  # what Python makes of a byte that is no UTF-8 ("surrogateescape")
_MOST_OPTIONS = 64
_CLIENT_ROUTES = ("#/", "#!")  # fragments that choose a page in the browser; any other only scrolls


def parse_url(text: str, guard: Guard) -> Target:
    """Parse a caller's URL. Raises InvalidURL or BlockedTarget."""
    if not text:
        raise InvalidURL("is missing; set it to an absolute http:// or https:// URL")
    if len(text) > MAX_URL_BYTES or len(text.encode(errors="replace")) > MAX_URL_BYTES:
        raise InvalidURL(f"must be at most {MAX_URL_BYTES} bytes of UTF-8")
    if _TWO_SCHEMES.match(text):
        raise InvalidURL("begins with two schemes; write one of them, as in https://example.com/")
    if _UNWELCOME.search(text):
        raise InvalidURL("contains a space, a backslash, or a control or invisible character; percent-encode it")
    url = _parse_whatwg(text)
    if not url.hash.startswith(_CLIENT_ROUTES):
        url.hash = ""
    target = _target(url)
    _screen(target, guard)
    return target


def parse_typed_url(text: str, guard: Guard) -> tuple[Target, bool]:
    """Parse a URL that may lack its scheme, as in `example.com/a`. Returns whether http is worth a try where https fails.

    Both are judged. A port that belongs to one of them chooses it. A URL that is percent-encoded as a whole is decoded: it
    can be nothing else. Raises InvalidURL or BlockedTarget.
    """
    if _ENCODED.match(text):
        text = _as_written(unquote_to_bytes(text).decode(errors="surrogateescape"))
    typed = _TYPED.match(text)
    if typed is None:
        return parse_url(text, guard), False
    rest, port = text.removeprefix("//"), typed[1] and int(typed[1])
    if port in DEFAULT_PORTS.values():
        scheme = next(scheme for scheme, usual in DEFAULT_PORTS.items() if usual == port)
        return parse_url(f"{scheme}://{rest}", guard), False
    try:
        target = parse_url(f"https://{rest}", guard)
    except BlockedTarget as err:
        if err.verdict is not Verdict.PORT:
            raise
        return parse_url(f"http://{rest}", guard), False
    return target, guard.screen(target.host, over_http(target).port) is not Verdict.PORT


def over_http(target: Target) -> Target:
    """Return the same page by http, instead of https."""
    return target if target.scheme == "http" else locate(f"http{target.url.removeprefix('https')}")


def read_query(query: bytes) -> list[tuple[str, str]]:
    """Decode the options of a raw query string.

    A byte of `url` that is no UTF-8 keeps its percent-encoding, as the browser would send it: `caf%E9`. So two pages never
    become one. Bytes outside ASCII count as if they were percent-encoded. Raises InvalidOption.
    """
    try:
        # In Latin-1, each character is a byte.
        pairs = parse_qsl(
            query.decode("latin-1"), keep_blank_values=True, encoding="latin-1", max_num_fields=_MOST_OPTIONS
        )
    except ValueError:
        raise InvalidOption(f"the query has too many options; send at most {_MOST_OPTIONS}") from None
    return [_decoded(*pair) for pair in pairs]


def _decoded(name: str, value: str) -> tuple[str, str]:
    if name.isascii() and value.isascii():
        return name, value
    name, value = (part.encode("latin-1").decode(errors="surrogateescape") for part in (name, value))
    if name == "url":
        return name, _as_written(value)
    if _NO_UTF8.search(name + value):
        raise InvalidOption("is not UTF-8; percent-encode the bytes of its UTF-8 form", field=_as_written(name)[:40])
    return name, value


def _as_written(text: str) -> str:
    return _NO_UTF8.sub(lambda found: f"%{ord(found[0]) - 0xDC00:02X}", text)


def locate(url: str) -> Target:
    """Parse a stored, canonical `url`, or the name of a document. It was judged when the caller sent it."""
    if url.partition(":")[0] in DOCUMENT_SCHEMES:
        return Target.of_document(url)
    return _target(can_ada.parse(url))


def read_capture(record: Mapping[str, Any]) -> CaptureOptions:
    """Decode capture options that `options.chosen` encoded."""
    values = dict(record)
    if values.pop("medium", "screen") == "print":  # a record of schema 1
        values["format"] = "pdf"
    return CaptureOptions(locate(values.pop("url")), **stored(values))


def _target(url: can_ada.URL) -> Target:
    return Target(str(url.href), url.hostname, int(url.port or DEFAULT_PORTS[url.protocol.removesuffix(":")]))


def _parse_whatwg(text: str) -> can_ada.URL:
    try:
        url = can_ada.parse(with_sharp_s(text))
    except ValueError:
        hint = _completed(text) or ", such as https://example.com/"
        raise InvalidURL(f"must be an absolute http:// or https:// URL{hint}") from None
    if url.protocol.removesuffix(":") not in DEFAULT_PORTS:
        raise InvalidURL(f"must start with http:// or https://{_completed(text)}")
    authority = _authority(text)
    if "@" in authority:
        raise InvalidURL("must not contain a user name or a password; remove them")
    url.hostname = url.hostname.removesuffix(".")
    _require_plain_address(url.hostname, authority)
    return url


def _completed(text: str) -> str:
    """Write what the caller meant by a URL without a scheme, such as `example.com/page` or `example.com:8080`."""
    host = _HOST.match(text)
    return f"; write https://{host[0].lower()}/" if host else ""


def _authority(text: str) -> str:
    """Return the host and port as the caller wrote them. The caller has checked that the scheme is http or https."""
    return re.split(r"[/?#]", text.partition(":")[2].lstrip("/"), maxsplit=1)[0]


def _require_plain_address(hostname: str, authority: str) -> None:
    """Refuse an IPv4 address in octal, hex, short or full-width form, which only serves to hide it.

    Every legal spelling of an IPv6 address (RFC 4291) is allowed: the WHATWG algorithm makes it canonical.
    """
    address = netguard.literal(hostname)
    if isinstance(address, IPv4Address) and re.sub(r":[0-9]*$", "", authority) != hostname:
        raise InvalidURL("write an IPv4 address as four decimal numbers, such as 93.184.216.34")


def _screen(target: Target, guard: Guard) -> None:
    verdict = guard.screen(target.host, target.port)
    if not verdict.ok and verdict is not Verdict.NEEDS_LOOKUP:
        metrics.GUARD_VERDICTS.add(verdict)
    if verdict is Verdict.BAD_NAME:
        raise InvalidURL("the host must be a domain name: letters, digits, - and _ between dots, at most 253 in all")
    if verdict is Verdict.PORT:
        ports = " or ".join(map(str, sorted(guard.ports)))
        raise BlockedTarget(f"the port must be {ports}", verdict=verdict)
    if not verdict.ok and verdict is not Verdict.NEEDS_LOOKUP:
        raise BlockedTarget(NOT_PUBLIC, verdict=verdict)
