"""Microlink: `/?url=…&embed=screenshot.url`, and its JSON. https://microlink.io/docs/api/getting-started/overview"""

import re
from collections.abc import Mapping
from typing import Any

from errors import (
    BadKey,
    BlockedTarget,
    CaptureTimeout,
    ForbiddenHost,
    InvalidOption,
    InvalidURL,
    KeyRequired,
    Pending,
    RateLimited,
    SiteUnreachable,
    TooManyRedirects,
)
from metadata import Metadata
from web.dialects.dialect import AnswerKind, InboundDialect, Spoken, Told, Values
from web.dialects.faces import JSONFace, Name, Said
from web.dialects.rules import (
    FORMATS,
    MOMENTS,
    Rule,
    choice,
    clamped,
    code,
    flag,
    is_on,
    judged,
    number,
    opposite,
    selector,
)
from web.dialects.words import words_in

_LISTS = frozenset({"styles", "scripts"})
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}
_AGE = re.compile(r"\s*([0-9]{1,12}(?:\.[0-9]{1,6})?)\s*([a-z]*)\s*")
# As its own list of devices has it: https://github.com/microlinkhq/browserless
_WINDOW: Mapping[str, Any] = {"width": 1280, "height": 800}
_WINDOWS: Mapping[str, Mapping[str, Any]] = {
    "macbook pro 13": _WINDOW,
    "macbook pro 13 retina": {**_WINDOW, "scale": 2.0},
    "macbook pro 15": {"width": 1440, "height": 900},
    "macbook pro 15 retina": {"width": 1440, "height": 900, "scale": 2.0},
    "macbook pro 16": {"width": 3072, "height": 1920},
}


def _age(text: str) -> object:
    """Read a time such as 24h, or in milliseconds, as seconds."""
    found = _AGE.fullmatch(text.lower())
    unit = _UNITS.get(found[2] or "ms") if found else None
    return clamped("ttl", float(found[1]) * unit) if found and unit else None


_TABLE: Mapping[str, Rule] = {
    "device": judged("device"),
    "viewport.width": number("width", 1),
    "viewport.height": number("height", 1),
    "viewport.deviceScaleFactor": number("scale"),
    "ttl": Rule("ttl", _age),
    "force": flag("fresh"),
    "waitUntil": choice("wait_until", MOMENTS),
    "waitForTimeout": number("delay", 0),
    "waitForSelector": selector("wait_for"),
    "adblock": flag("block_ads"),
    "colorScheme": choice("dark_mode", {"dark": True, "light": False}),
    "animations": opposite("reduced_motion"),
    "click": selector("click"),
    "styles": code("css"),
    "screenshot.type": choice("format", FORMATS),
    "screenshot.quality": number("quality", 1, 100),
    "screenshot.fullPage": flag("full_page"),
    "screenshot.element": selector("selector"),
}
# Names come in camelCase or in snake_case. Options of a screenshot may also stand outside of it, as older clients send them.
_NAMES = {name.lower(): name for name in _TABLE} | {
    "type": "screenshot.type", "fullpage": "screenshot.fullPage", "element": "screenshot.element",
}  # fmt: skip
# What comes instead of JSON. `screenshot` alone, as older clients send it, is the same as `screenshot.url`.
_EMBEDS: Mapping[str, AnswerKind] = {
    "screenshot": AnswerKind.PICTURE, "image": AnswerKind.PICTURE, "pdf": AnswerKind.PICTURE, "logo": AnswerKind.ICON,
}  # fmt: skip


def _address(_path: str, query: str) -> Spoken | None:
    words = {_plain(name): value for name, value in words_in(query, _LISTS).items()}
    return Spoken(words.get("url", "").strip(), words, _EMBEDS.get(_embedded(words), AnswerKind.JSON))


def _embedded(words: Mapping[str, str]) -> str:
    return words.get("embed", "").strip().lower().removesuffix(".url")


def _plain(name: str) -> str:
    plain = name.replace("_", "").lower()
    return _NAMES.get(plain, plain)


def _finish(values: Values, words: Mapping[str, str]) -> None:
    window = _WINDOWS.get(words.get("device", "macbook pro 13").strip().lower())
    if window is not None:
        values.pop("device", None)
        for name, value in window.items():
            values.setdefault(name, value)
    if _embedded(words) == "image":  # the page's own preview picture
        values["image"] = "auto"
    if "block_ads" in values:
        values["block_cookie_banners"] = values["block_ads"]
    values.setdefault("format", "png")
    if _embedded(words) == "pdf":
        values["format"] = "pdf"


def wants_screenshot(words: Mapping[str, str]) -> bool:
    """Return whether the JSON names a screenshot: if it is asked for, with or without a value."""
    return is_on(words.get("screenshot", "false")) or any(name.startswith("screenshot.") for name in words)


def wants_metadata(words: Mapping[str, str]) -> bool:
    return is_on(words.get("meta", "true"))


_MORE = "https://microlink.io/"


def _body(said: Said) -> dict[str, object]:
    failed = said.status < 500
    body: dict[str, object] = {
        "status": "fail" if failed else "error",
        "code": said.code,
        "message": said.text,
        "more": f"{_MORE}{said.code.lower()}",
    }
    if failed:
        body["data"] = {said.error.field if said.error and said.error.field else "url": said.text}
    return body


def _tell(told: Told) -> Mapping[str, object]:
    data = _about_page(told.page) if told.page else {}
    if told.served is not None:
        picture = told.served.picture
        data["screenshot"] = {
            "url": told.link,
            "type": told.wanted.rendition.format,
            "size": len(picture.body),
            "size_pretty": _pretty(len(picture.body)),
            "width": picture.width,
            "height": picture.height,
        }
    return {"status": "success", "data": data}


def _about_page(page: Metadata) -> dict[str, object]:
    image = page.image
    return {
        "title": page.title or None,
        "description": page.description or None,
        "lang": page.language or None,
        "author": page.author or None,
        "publisher": page.site_name or None,
        "image": {"url": image.url, "width": image.width or None, "height": image.height or None} if image else None,
        "date": page.published or None,
        "url": page.canonical or page.final_url or page.url,
        "logo": {"url": page.favicon} if page.favicon else None,
    }


def _pretty(size: int) -> str:
    return f"{size / 1e6:.2g} MB" if size >= 999_500 else f"{size / 1e3:.3g} kB"


MICROLINK = InboundDialect(
    name="microlink",
    paths=re.compile(r"/microlink/?"),
    routes=("/microlink/",),
    address=_address,
    table=_TABLE,
    finish=_finish,
    tell=_tell,
    face=JSONFace(
        (
            Name((InvalidURL,), "EINVALURL"),
            Name((BlockedTarget, ForbiddenHost), "EFORBIDDENURL"),
            Name((InvalidOption,), "EINVAL"),
            Name((BadKey, KeyRequired), "EAUTH"),
            Name((RateLimited,), "ERATE"),
            Name((CaptureTimeout, Pending), "EBRWSRTIMEOUT"),
            Name((TooManyRedirects,), "EMAXREDIRECTS"),
            Name((SiteUnreachable,), "EINVALURL"),
        ),
        _body,
        other="EFATAL",
    ),
)
