"""Untrusted mapping → frozen CaptureOptions, or InvalidParams that names the option and its valid values. Pure.

Names, defaults and ranges are SnapSharp's, as described in `options`; `scale` and `selector` are our own. Unlike the
hosted API, the engine refuses unknown options: a typo must not silently lead to the wrong picture.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import can_ada

from engine.errors import InvalidParams
from options import (
    DEFAULT_PORTS,
    MAX_PIXELS,
    MAX_URL_BYTES,
    Boolean,
    CaptureOptions,
    Choice,
    Number,
    Option,
    Selector,
    Target,
    Whole,
    options_of,
)

TRUE, FALSE = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})
IGNORED = frozenset({"cache", "cache_ttl"})  # SnapSharp's clients send them, but the engine has no cache
_NO_OBJECT = 'the body must be a JSON object such as {"url": "https://example.com/"}'

# Control characters, spaces, backslash, zero-width and bidirectional marks. A browser drops or rewrites some of them, so
# it would capture another URL than a person reads.
UNSAFE_IN_URL = re.compile("[\x00-\x20\x7f\\\\\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def parse_query(pairs: Iterable[tuple[str, str]]) -> CaptureOptions:
    """Read a query string's options. Raises InvalidParams, also for a repeated one."""
    return parse(_unrepeated(pairs))


def parse_json(body: bytes) -> CaptureOptions:
    """Read a JSON object's options. Raises InvalidParams."""
    try:
        options = json.loads(body, object_pairs_hook=_unrepeated)
    except (ValueError, RecursionError):
        raise InvalidParams(_NO_OBJECT) from None
    if not isinstance(options, dict):
        raise InvalidParams(_NO_OBJECT)
    return parse(options)


def parse(options: Mapping[str, object]) -> CaptureOptions:
    """Read `options`. Raises InvalidParams that names the first one that cannot be used, and its valid values."""
    if unknown := sorted(set(options) - set(FIELDS) - IGNORED):
        raise InvalidParams(f"{unknown[0][:64]!r} is not an option; valid options: {', '.join(sorted(FIELDS))}")
    if options.get("url") is None:
        raise InvalidParams("url: is missing; set it to an absolute http or https URL")
    # A JSON null is an option left out.
    given = {name: _field(name, options[name]) for name in FIELDS if options.get(name) is not None}
    target = given.pop("url")
    if given.pop("retina", False):
        given.setdefault("scale", 2.0)
    params = CaptureOptions(target, **DEFAULTS | {ATTRIBUTES[name]: value for name, value in given.items()})
    _check_area(params)
    return params


def _unrepeated(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name, value in pairs:
        if name in options:
            raise InvalidParams(f"{name[:64]!r} is set more than once; send it once")
        options[name] = value
    return options


def _field(name: str, value: object) -> Any:
    try:
        return FIELDS[name](value)
    except ValueError as err:
        raise InvalidParams(f"{name}: must be {err}") from None


def _check_area(params: CaptureOptions) -> None:
    if params.format != "pdf" and params.width * params.height * params.scale**2 > MAX_PIXELS:
        raise InvalidParams(f"scale: width × height × scale² must be at most {MAX_PIXELS} pixels")


def _target(value: object) -> Target:
    text = value if isinstance(value, str) else ""
    # The WHATWG algorithm accepts `http:host` and an empty user name. They are refused, as they can mislead a reader.
    plain = re.match(r"(?i)https?://[^/?#@]+([/?#]|$)", text)
    try:
        if not plain or UNSAFE_IN_URL.search(text) or len(text.encode()) > MAX_URL_BYTES:
            raise ValueError  # noqa: TRY301 - one refusal for all of it
        return locate(text)
    except ValueError:
        raise ValueError(f"an absolute http or https URL without user name, at most {MAX_URL_BYTES} bytes") from None


def locate(text: str) -> Target:
    """Parse a URL as the browser does. Raises ValueError unless it is http or https."""
    url = can_ada.parse(text)
    port = url.port or DEFAULT_PORTS.get(url.protocol.removesuffix(":"))
    if not port:
        raise ValueError("neither http nor https")
    return Target(url.href, url.hostname.removesuffix("."), int(port))


def _whole(kind: Whole) -> Callable[[object], int]:
    def read(value: object) -> int:
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,6}", value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not kind.low <= value <= kind.high:
            raise ValueError(kind.words)
        return value

    return read


def _number(kind: Number) -> Callable[[object], float]:
    def read(value: object) -> float:
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?", value):
            value = float(value)
        if not isinstance(value, int | float) or isinstance(value, bool) or not kind.low <= value <= kind.high:
            raise ValueError(kind.words)
        return float(value)

    return read


def _flag(value: object) -> bool:
    word = str(value).lower() if isinstance(value, str | bool | int) else ""
    if word not in TRUE | FALSE:
        raise ValueError(Boolean().words)
    return word in TRUE


def _choice(kind: Choice) -> Callable[[object], str]:
    def read(value: object) -> str:
        if not isinstance(value, str) or value not in kind.values:
            raise ValueError(kind.words)
        return value

    return read


def _selector(kind: Selector) -> Callable[[object], str]:
    def read(value: object) -> str:
        if (
            kind.several
            and isinstance(value, list)
            and value
            and all(isinstance(each, str) and each.strip() for each in value)
        ):
            value = ", ".join(value)
        if not isinstance(value, str) or not value.strip() or len(value) > kind.longest or "\0" in value:
            raise ValueError(kind.words)
        return value.strip()

    return read


_READERS: dict[type, Callable[[Any], Callable[[object], Any]]] = {
    Whole: _whole,
    Number: _number,
    Boolean: lambda _: _flag,
    Choice: _choice,
    Selector: _selector,
}


def _reader(option: Option) -> Callable[[object], Any]:
    kind = option.kind_for("engine")
    return _READERS[type(kind)](kind)


OPTIONS = {param.name: option for option in options_of(CaptureOptions) if (param := option.param("engine"))}
ATTRIBUTES = {name: option.attribute for name, option in OPTIONS.items()}
DEFAULTS = {option.attribute: option.default_for("engine") for option in OPTIONS.values()}
# SnapSharp's `retina` is the only name that is an alias for a value of another option, `scale`.
FIELDS: dict[str, Callable[[object], Any]] = {"url": _target, "retina": _flag} | {
    name: _reader(option) for name, option in OPTIONS.items()
}
