"""thum.io: `/get/<options>/<target>`. https://www.thum.io/documentation/api/url"""

import re
from collections.abc import Mapping

from web.dialects.credentials import Credentials
from web.dialects.dialect import InboundDialect, Spoken, Values
from web.dialects.rules import Rule, choice, flag, number, number_in, seconds, size
from web.dialects.words import target_in, words_in

_WINDOW = 1200
_WIDEST_JPEG = 320  # pixels: up to this width the service sends a JPEG unless it is told otherwise
_NEARLY = 1.1  # a picture that is so little wider than its window gets a wider window instead of larger pixels
_HOUR = 3600

# Options whose value is the next part of the path.
_WITH_VALUE = frozenset({"width", "crop", "maxage", "wait", "viewportwidth", "auth", "page", "rotate", "timeout"})
_TARGET = re.compile(r"https?(:|%3a)|[^/]*\.", re.IGNORECASE)
_DEVICES = {
    "iphone5": "iphone-se", "iphone6": "iphone-se", "iphone6plus": "iphone-15-pro-max", "iphone7": "iphone-se",
    "iphone8": "iphone-se", "iphonex": "iphone-14", "galaxys5": "samsung-galaxy-s24", "ipad": "ipad",
}  # fmt: skip

_TABLE: Mapping[str, Rule] = {
    "viewportWidth": number("width", 1, 2400),
    "crop": size("height", 1),
    "width": size("w", 1),
    "fullpage": flag("full_page"),
    "wait": seconds("delay"),
    "maxAge": number("ttl", times=_HOUR),
    "refresh": flag("fresh"),
    "ogImage": choice("image", {"": "auto"}),
    "image": choice("image", {"": "auto"}),  # the target is a picture, which is its own preview
    "device": choice("device", {name: name for name in _DEVICES.values()}),
}


_NAMES = {name.lower(): name for name in _TABLE}


def _address(path: str, query: str) -> Spoken | None:
    parts = path.removeprefix("/get").lstrip("/").split("/")
    words: dict[str, str] = {}
    while parts and not _TARGET.match(parts[0]):
        name = parts.pop(0).lower()
        if name in _WITH_VALUE:
            words[_NAMES.get(name, name)] = parts.pop(0) if parts else ""
        elif name in _DEVICES:
            words["device"] = _DEVICES[name]
        elif name:
            words[_NAMES.get(name, name)] = ""
    rest = "/".join(parts)
    if rest:
        was_encoded = "://" not in rest and "%2f" in rest.lower()  # then a query is not the target's
        target = target_in(rest, "" if was_encoded else query)
    else:
        asked = {_NAMES.get(name.lower(), name.lower()): value for name, value in words_in(query).items()}
        target = asked.pop("url", "")
        words |= asked
    return Spoken(target, words, credentials=Credentials(words.get("auth", ""), signed=target))


def _finish(values: Values, words: Mapping[str, str]) -> None:
    """Make the picture as wide as `width` says: half the window's width unless it is said. `crop` is in the page's pixels."""
    if "device" in values:
        values.pop("height", None)
    else:
        window = values.setdefault("width", _WINDOW)
        wide = values.setdefault("w", window // 2)
        if window < wide <= window * _NEARLY:
            values["width"] = wide
        elif wide > window:
            values["scale"] = min(wide / window, 3.0)
        values.setdefault("height", _WINDOW)
    if "full_page" in values and "height" in values and number_in(words.get("crop", "")):
        values["max_height"] = values["height"]
    small = values.get("w", _WINDOW) <= _WIDEST_JPEG
    values["format"] = "png" if "png" in words or not ("allowjpg" in words or small) else "jpeg"


THUMIO = InboundDialect(
    name="thumio",
    paths=re.compile(r"/get/.*", re.DOTALL),
    routes=("/get/", "/get/<path:target>"),
    address=_address,
    table=_TABLE,
    finish=_finish,
)
