"""Untrusted mapping → frozen CaptureParams, or InvalidParams that names the option and its valid values. Pure.

Names, defaults and ranges are SnapSharp's; `scale` and `selector` are our own. Unlike the hosted API an unknown
option is refused: a typo must not silently give the wrong picture.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import can_ada

from engine.errors import InvalidParams

MAX_PIXELS = 64 << 20  # of one picture; 256 MiB of bitmap in the browser
MAX_URL = 2048
TRUE, FALSE = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})
IGNORED = frozenset({"cache", "cache_ttl"})  # SnapSharp's clients send them; caching is the web side's business

# Control characters, spaces, backslash, zero-width and bidirectional marks: a browser drops or rewrites some of them,
# so that what a person reads would not be what is captured.
UNSAFE_IN_URL = re.compile("[\x00-\x20\x7f\\\\\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


@dataclass(frozen=True, slots=True)
class Target:
    """A URL as the browser will read it, and what the guard is asked about it."""

    href: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class CaptureParams:
    """One capture. Lengths in CSS pixels, `delay` in milliseconds after load, `scale` in device pixels per CSS pixel."""

    target: Target
    width: int = 1280
    height: int = 720
    format: str = "png"
    quality: int = 80
    full_page: bool = False
    scale: float = 1.0
    delay: int = 0
    wait_for: str | None = None
    wait_until: str = "load"
    dark_mode: bool = False
    block_ads: bool = False
    block_cookie_banners: bool = False
    hide_selectors: str | None = None
    selector: str | None = None


def parse_query(pairs: Iterable[tuple[str, str]]) -> CaptureParams:
    """Read a query string's options. Raises InvalidParams, also for a repeated one."""
    return parse(_unrepeated(pairs))


def parse_json(body: bytes) -> CaptureParams:
    """Read a JSON object's options. Raises InvalidParams."""
    try:
        options = json.loads(body, object_pairs_hook=_unrepeated)
    except (ValueError, RecursionError):
        raise InvalidParams("the body must be a JSON object") from None
    if not isinstance(options, dict):
        raise InvalidParams("the body must be a JSON object")
    return parse(options)


def parse(options: Mapping[str, object]) -> CaptureParams:
    """Read `options`. Raises InvalidParams that names the first one that cannot be used, and its valid values."""
    if unknown := sorted(set(options) - set(FIELDS) - IGNORED):
        raise InvalidParams(f"{unknown[0][:64]!r} is not an option; valid options: {', '.join(sorted(FIELDS))}")
    if options.get("url") is None:
        raise InvalidParams("url: is required")
    # A JSON null is an option left out.
    given = {name: _field(name, options[name]) for name in FIELDS if options.get(name) is not None}
    given["target"] = given.pop("url")
    if given.pop("retina", False):
        given.setdefault("scale", 2.0)
    params = CaptureParams(**given)
    _check_area(params)
    return params


def _unrepeated(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name, value in pairs:
        if name in options:
            raise InvalidParams(f"{name[:64]!r} is given more than once")
        options[name] = value
    return options


def _field(name: str, value: object) -> Any:
    try:
        return FIELDS[name](value)
    except ValueError as err:
        raise InvalidParams(f"{name}: must be {err}") from None


def _check_area(params: CaptureParams) -> None:
    if params.format != "pdf" and params.width * params.height * params.scale**2 > MAX_PIXELS:
        raise InvalidParams(f"scale: width × height × scale² must be at most {MAX_PIXELS} pixels")


def _target(value: object) -> Target:
    text = value if isinstance(value, str) else ""
    # What the WHATWG algorithm forgives (`http:host`, an empty user name) is refused: the text must say where it goes.
    plain = re.match(r"(?i)https?://[^/?#@]+([/?#]|$)", text)
    try:
        if not plain or UNSAFE_IN_URL.search(text) or len(text.encode()) > MAX_URL:
            raise ValueError  # noqa: TRY301 - one refusal for all of it
        return locate(text)
    except ValueError:
        raise ValueError(f"an absolute http or https URL without user name, at most {MAX_URL} bytes") from None


def locate(text: str) -> Target:
    """Read a URL as the browser does. Raises ValueError unless it is http or https."""
    url = can_ada.parse(text)
    port = url.port or {"http:": 80, "https:": 443}.get(url.protocol)
    if not port:
        raise ValueError("neither http nor https")
    return Target(url.href, url.hostname.removesuffix("."), int(port))


def _whole(low: int, high: int) -> Callable[[object], int]:
    wanted = f"a whole number from {low} to {high}"

    def read(value: object) -> int:
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,6}", value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(wanted)
        return value

    return read


def _number(low: float, high: float) -> Callable[[object], float]:
    wanted = f"a number from {low:g} to {high:g}"

    def read(value: object) -> float:
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?", value):
            value = float(value)
        if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(wanted)
        return float(value)

    return read


def _flag(value: object) -> bool:
    word = str(value).lower() if isinstance(value, str | bool | int) else ""
    if word not in TRUE | FALSE:
        raise ValueError("true or false")
    return word in TRUE


def _choice(*words: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return value

    return read


def _selector(limit: int) -> Callable[[object], str]:
    def read(value: object) -> str:
        if not isinstance(value, str) or not value.strip() or len(value) > limit or "\0" in value:
            raise ValueError(f"a CSS selector of at most {limit} characters")
        return value.strip()

    return read


def _selectors(value: object) -> str:
    if isinstance(value, list) and value and all(isinstance(part, str) and part.strip() for part in value):
        value = ", ".join(value)
    return _selector(2048)(value)


FIELDS: dict[str, Callable[[object], Any]] = {
    "url": _target,
    "width": _whole(320, 3840),
    "height": _whole(240, 2160),
    "format": _choice("png", "jpeg", "webp", "pdf"),
    "quality": _whole(1, 100),
    "full_page": _flag,
    "retina": _flag,
    "scale": _number(1, 3),
    "delay": _whole(0, 10000),
    "wait_for": _selector(256),
    "wait_until": _choice("load", "domcontentloaded", "networkidle"),
    "dark_mode": _flag,
    "block_ads": _flag,
    "block_cookie_banners": _flag,
    "hide_selectors": _selectors,
    "selector": _selector(256),
}
