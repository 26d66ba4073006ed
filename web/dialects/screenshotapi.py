"""screenshotapi.net: `/screenshot` and `/v3/screenshot`. https://screenshotapi.net/docs"""

import re
from collections.abc import Mapping

from thumbnails import CacheState
from web.dialects.credentials import Credentials
from web.dialects.dialect import AnswerKind, InboundDialect, Spoken, Told, Values
from web.dialects.faces import JSONFace, Said
from web.dialects.rules import (
    FORMATS,
    MOMENTS,
    Rule,
    choice,
    code,
    flag,
    is_on,
    judged,
    number,
    number_in,
    selector,
    size,
)
from web.dialects.words import words_in

_TABLE: Mapping[str, Rule] = {
    "width": number("width", 1),
    "height": number("height", 1),
    "file_type": choice("format", FORMATS),
    "image_quality": number("quality", 1, 100),
    "full_page": flag("full_page"),
    "fresh": flag("fresh"),
    "ttl": number("ttl", 0, 2_592_000),
    "delay": number("delay", 0),
    "wait_for_event": choice("wait_until", MOMENTS),
    "selector": selector("selector"),
    "thumbnail_width": size("w", 1),
    "block_ads": flag("block_ads"),
    "no_cookie_banners": flag("block_cookie_banners"),
    "block_chat_widgets": flag("block_chats"),
    "dark_mode": flag("dark_mode"),
    "css": code("css"),
    "user_agent": judged("user_agent"),
    "time_zone": judged("timezone"),
}


def _address(_path: str, query: str) -> Spoken | None:
    words = words_in(query)
    wish = AnswerKind.PICTURE if words.get("output", "json").lower() == "image" else AnswerKind.JSON
    return Spoken(words.get("url", "").strip(), words, wish, Credentials(words.get("token", "")))


def _finish(values: Values, words: Mapping[str, str]) -> None:
    if is_on(words.get("retina", "false")):
        values["scale"] = 2.0
    parts = [number_in(words.get(f"clip[{side}]", "")) for side in ("x", "y", "width", "height")]
    if None not in parts:
        values["clip"] = [round(part or 0) for part in parts]


def _body(said: Said) -> dict[str, object]:
    return {"error": said.text, "code": said.code, "status": said.status}


def _tell(told: Told) -> Mapping[str, object]:
    picture = told.served.picture if told.served else None
    return {
        "screenshot": told.link,
        "url": told.wanted.target.url,
        "created_at": picture.captured_at.isoformat() if picture else None,
        "is_fresh": bool(told.served and told.served.cache is CacheState.MISS),
        "file_type": told.wanted.rendition.format,
        "width": picture.width if picture else None,
        "height": picture.height if picture else None,
    }


SCREENSHOTAPI = InboundDialect(
    name="screenshotapi",
    paths=re.compile(r"(/v3)?/screenshot/?"),
    routes=("/screenshot", "/v3/screenshot"),
    address=_address,
    table=_TABLE,
    defaults={"width": 1680, "height": 876, "format": "png"},
    finish=_finish,
    keyed=True,
    tell=_tell,
    face=JSONFace((), _body),
)
