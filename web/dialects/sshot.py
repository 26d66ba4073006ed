"""S-Shot: `/<width>x<height>/<format>/<picture's width>/Z100/?<target>`, each part of which may be missing.

It is at the root of a host. `web.dialects.roots` gives it a prefix.
"""

import re
from collections.abc import Mapping

from web.dialects.dialect import InboundDialect, Spoken, Values
from web.dialects.rules import FORMATS, Rule, choice, size
from web.dialects.words import target_in

PREFIX = "/sshot/"
_WINDOW = re.compile(r"([0-9]{1,5})x([0-9]{1,5})", re.IGNORECASE)
_TABLE: Mapping[str, Rule] = {
    "width": size("width", 1),
    "height": size("height", 1),
    "format": choice("format", FORMATS),
    "w": size("w", 1),
}


def _address(path: str, query: str) -> Spoken | None:
    words: dict[str, str] = {}
    for part in path.removeprefix(PREFIX.rstrip("/")).split("/"):
        if window := _WINDOW.fullmatch(part):
            words |= {"width": window[1], "height": window[2]}
        elif part.lower() in FORMATS:
            words["format"] = part
        elif part.isdecimal():
            words["w"] = part
    return Spoken(target_in(query), words)


def _finish(values: Values, words: Mapping[str, str]) -> None:
    if words.get("height", "").strip("0") == "" and "height" in words:  # 0 is the whole page
        values["full_page"] = True
    values.setdefault("width", 1024)
    values.setdefault("height", 768)


SSHOT = InboundDialect(
    name="sshot",
    paths=re.compile(rf"{PREFIX}.*", re.DOTALL),
    routes=(PREFIX, f"{PREFIX}<path:options>"),
    address=_address,
    table=_TABLE,
    defaults={"format": "jpeg"},
    finish=_finish,
)
