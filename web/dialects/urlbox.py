"""urlbox: `/v1/<key>/[<token>/]<format>?url=…`. https://urlbox.com/docs"""

import re
from collections.abc import Mapping

from errors import BadKey, BadRequest, BadSignature, KeyRequired, RateLimited
from web.dialects.credentials import Credentials
from web.dialects.dialect import InboundDialect, Spoken, Values
from web.dialects.faces import JSONFace, Name, Said
from web.dialects.rules import FORMATS, MOMENTS, Rule, choice, code, flag, judged, number, selector, size
from web.dialects.words import words_in
from web.http.request_log import request_id

_FORMATS = "png|jpe?g|webp|avif|pdf"
_PATH = re.compile(rf"/v1/(?P<key>[^/]+)/(?:(?P<token>[^/]+)/)?(?P<format>{_FORMATS})")
_LISTS = frozenset({"hide_selector"})
_FITS = {"cover": "cover", "contain": "contain", "fill": "cover", "inside": "inside", "outside": "cover"}
_MOMENTS = {
    "domloaded": "domcontentloaded", "mostrequestsfinished": "networkidle", "requestsfinished": "networkidle", **MOMENTS,
}  # fmt: skip

_TABLE: Mapping[str, Rule] = {
    "width": number("width", 1),
    "height": number("height", 1),
    "thumb_width": size("w", 1),
    "thumb_height": size("h", 1),
    "img_fit": choice("fit", _FITS),
    "format": choice("format", FORMATS),
    "quality": number("quality", 1, 100),
    "full_page": flag("full_page"),
    "max_height": size("max_height", 1),
    "selector": selector("selector"),
    "clip": judged("clip"),
    "force": flag("fresh"),
    "ttl": number("ttl", 0, 2_592_000),
    "delay": number("delay", 0),
    "wait_for": selector("wait_for"),
    "wait_until": choice("wait_until", _MOMENTS),
    "click": selector("click"),
    "hide_cookie_banners": flag("block_cookie_banners"),
    "click_accept": flag("block_cookie_banners"),
    "accept_cookies": flag("block_cookie_banners"),
    "hide_selector": selector("hide"),
    "block_ads": flag("block_ads"),
    "css": code("css"),
    "dark_mode": flag("dark_mode"),
    "reduced_motion": flag("reduced_motion"),
    "user_agent": judged("user_agent"),
    "accept_lang": Rule("locale", lambda text: text.partition(",")[0].partition(";")[0].strip() or None),
    "tz": judged("timezone"),
}


def _address(path: str, query: str) -> Spoken | None:
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    words = words_in(query, _LISTS) | {"format": found["format"]}
    # The whole query is signed, as it was sent. The format is not: it makes no other capture, unless it is PDF.
    credentials = Credentials(found["key"], found["token"] or "", query, covers_format=False)
    return Spoken(words.get("url", "").strip(), words, credentials=credentials)


def _finish(values: Values, words: Mapping[str, str]) -> None:
    if flag("scale").read(words.get("retina", "false")):
        values["scale"] = 2.0


def _body(said: Said) -> dict[str, object]:
    return {"error": {"message": said.text, "code": said.code}, "requestId": request_id()}


URLBOX = InboundDialect(
    name="urlbox",
    paths=_PATH,
    routes=("/v1/<key>/<word>", "/v1/<key>/<token>/<word>"),
    address=_address,
    table=_TABLE,
    defaults={"width": 1280, "height": 1024, "format": "png"},
    finish=_finish,
    keyed=True,
    face=JSONFace(
        (
            Name((KeyRequired, BadKey), "ApiKeyNotFound", 401),
            Name((BadSignature,), "InvalidToken", 401),
            Name((BadRequest,), "InvalidOptions", 400),
            Name((RateLimited,), "RateLimitExceeded", 429),
        ),
        _body,
        headers=lambda said: {"X-Urlbox-Error-Message": said.text.encode("ascii", "replace").decode()},
    ),
)
