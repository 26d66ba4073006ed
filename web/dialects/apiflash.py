"""ApiFlash: `/v1/urltoimage`. https://apiflash.com/documentation.md"""

import re
from collections.abc import Mapping

from web.dialects.credentials import Credentials
from web.dialects.dialect import AnswerKind, InboundDialect, Spoken, Values
from web.dialects.faces import JSONFace, Said
from web.dialects.rules import FORMATS, Rule, choice, code, flag, is_on, judged, number, seconds, selector, size
from web.dialects.words import words_in

_PATH = "/v1/urltoimage"
_MOMENTS = {"dom_loaded": "domcontentloaded", "page_loaded": "load", "network_idle": "networkidle"}
_TABLE: Mapping[str, Rule] = {
    "format": choice("format", FORMATS),
    "width": number("width", 1),
    "height": number("height", 1),
    "scale_factor": number("scale"),
    "quality": number("quality", 1, 100),
    "fresh": flag("fresh"),
    "ttl": number("ttl", 0, 2_592_000),
    "full_page": flag("full_page"),
    "element": selector("selector"),
    "crop": judged("clip"),
    "thumbnail_width": size("w", 1),
    "delay": seconds("delay"),
    "wait_until": choice("wait_until", _MOMENTS),
    "wait_for": selector("wait_for"),
    "no_ads": flag("block_ads"),
    "no_cookie_banners": flag("block_cookie_banners"),
    "css": code("css"),
    "js": code("js"),
    "user_agent": judged("user_agent"),
    "time_zone": judged("timezone"),
    "accept_language": Rule("locale", lambda text: text.partition(",")[0].partition(";")[0].strip() or None),
}


def _address(path: str, query: str) -> Spoken | None:
    spoken = _spoken(words_in(query))
    return Spoken("", wish=AnswerKind.USAGE, credentials=spoken.credentials) if path.endswith("/quota") else spoken


def _spoken(words: Mapping[str, str]) -> Spoken:
    wish = AnswerKind.JSON if words.get("response_type", "").lower() == "json" else AnswerKind.PICTURE
    return Spoken(words.get("url", "").strip(), words, wish, Credentials(words.get("access_key", "")))


def _finish(values: Values, words: Mapping[str, str]) -> None:
    if is_on(words.get("no_tracking", "false")):
        values.setdefault("block_ads", True)  # which blocks trackers too


def _body(said: Said) -> dict[str, object]:
    return {"error_message": said.text}


APIFLASH = InboundDialect(
    name="apiflash",
    paths=re.compile(rf"{_PATH}(/quota)?/?"),
    routes=(_PATH, f"{_PATH}/quota"),
    address=_address,
    table=_TABLE,
    defaults={"width": 1920, "height": 1080, "format": "jpeg"},
    finish=_finish,
    keyed=True,
    posts=_spoken,
    tell=lambda told: {"url": told.link, "extracted_html": None, "extracted_text": None},
    face=JSONFace((), _body),
)
