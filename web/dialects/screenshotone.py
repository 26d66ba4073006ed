"""ScreenshotOne: `GET` and `POST /take`. https://screenshotone.com/docs/options/"""

import json
import re
from collections.abc import Mapping

from errors import (
    BadKey,
    BadRequest,
    BadSignature,
    CaptureFailed,
    CaptureTimeout,
    ErrorStatus,
    ForbiddenHost,
    KeyRequired,
    NoSuchElement,
    OverCapacity,
    Pending,
    RateLimited,
    UpstreamQuota,
    UpstreamUnavailable,
)
from options import DEVICES
from web.dialects.credentials import Credentials
from web.dialects.dialect import AnswerKind, InboundDialect, Spoken, Told, Values
from web.dialects.faces import JSONFace, Name, Said
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
    seconds,
    selector,
    size,
)
from web.dialects.words import words_in

_LISTS = frozenset({"hide_selectors", "wait_until"})


def _headers(text: str) -> object:
    """Read `Name: value`, or a list of such texts."""
    pairs = [each.partition(":") for each in _texts(text)]
    return {name.strip(): value.strip() for name, _, value in pairs if name.strip()} or None


def _cookies(text: str) -> object:
    """Read `name=value; Domain=…; Path=…`, or a list of such texts."""
    return [_cookie(each) for each in _texts(text)] or None


def _cookie(text: str) -> dict[str, str]:
    first, *others = [part.strip() for part in text.split(";")]
    name, _, value = first.partition("=")
    cookie = {"name": name, "value": value}
    for attribute, _, of in (part.partition("=") for part in others):
        if attribute.lower() in ("domain", "path"):
            cookie[attribute.lower()] = of
    return cookie


def _texts(text: str) -> list[str]:
    try:
        decoded = json.loads(text)
    except (ValueError, RecursionError):
        return [text]
    return [str(each) for each in decoded] if isinstance(decoded, list) else [str(decoded)]


_TABLE: Mapping[str, Rule] = {
    "viewport_width": number("width", 1),
    "viewport_height": number("height", 1),
    "viewport_device": judged("device"),
    "device_scale_factor": number("scale", 1, 5),
    "format": choice("format", FORMATS),
    "image_quality": number("quality", 1, 100),
    "image_width": size("w", 1),
    "image_height": size("h", 1),
    "full_page": flag("full_page"),
    "full_page_max_height": size("max_height", 1),
    "selector": selector("selector"),
    "scroll_into_view_adjust_top": number("scroll_y", 0),
    "delay": seconds("delay"),
    "wait_for_selector": selector("wait_for"),
    "block_ads": flag("block_ads"),
    "block_cookie_banners": flag("block_cookie_banners"),
    "block_banners_by_heuristics": flag("block_cookie_banners"),
    "block_chats": flag("block_chats"),
    "hide_selectors": selector("hide"),
    "click": selector("click"),
    "styles": code("css"),
    "scripts": code("js"),
    "dark_mode": flag("dark_mode"),
    "reduced_motion": flag("reduced_motion"),
    "reduce_motion": flag("reduced_motion"),
    "user_agent": judged("user_agent"),
    "headers": Rule("headers", _headers),
    "cookies": Rule("cookies", _cookies),
    "time_zone": judged("timezone"),
    "cache": Rule("fresh", lambda text: True if not is_on(text) else None),
    "cache_ttl": number("ttl", 14_400, 2_592_000),
}
_WISHES = {"json": AnswerKind.JSON, "empty": AnswerKind.NOTHING}


def _address(_path: str, query: str) -> Spoken | None:
    words = words_in(query, _LISTS)
    # What is signed is the query without its signature, which clients put at the end, in the order in which it was sent.
    signed = "&".join(pair for pair in query.split("&") if pair.partition("=")[0] != "signature")
    return _spoken(words, Credentials(words.get("access_key", ""), words.get("signature", ""), signed))


def _body_in(words: Mapping[str, str]) -> Spoken:
    return _spoken(words, Credentials(words.get("access_key", "")))


def _spoken(words: Mapping[str, str], credentials: Credentials) -> Spoken:
    wish = _WISHES.get(words.get("response_type", "").lower(), AnswerKind.PICTURE)
    return Spoken(words.get("url", "").strip(), words, wish, credentials)


def _finish(values: Values, words: Mapping[str, str]) -> None:
    moments = [MOMENTS[each] for each in re.split(r"[,\s]+", words.get("wait_until", "").lower()) if each in MOMENTS]
    if moments:
        values["wait_until"] = max(moments, key=("domcontentloaded", "load", "networkidle").index)
    device = values.get("device")
    if device is not None:
        _turn(values, str(device), landscape=is_on(words.get("viewport_landscape", "false")))
    parts = [number_in(words.get(f"clip_{side}", "")) for side in ("x", "y", "width", "height")]
    if None not in parts:
        values["clip"] = [round(part or 0) for part in parts]
    if "device" not in values:
        values.setdefault("width", 1280)
        values.setdefault("height", 1024)


def _turn(values: Values, name: str, *, landscape: bool) -> None:
    """Use the device that the caller means, on its longer side in `landscape`; ignore one that is not known."""
    known = "-".join(re.split(r"[\s_-]+", name.lower()))
    device = DEVICES.get(known)
    if device is None:
        del values["device"]
        return
    values["device"] = known
    if landscape and device.width < device.height:
        values.setdefault("width", device.height)
        values.setdefault("height", device.width)


_DOCS = "https://screenshotone.com/docs/errors/"


def _body(said: Said) -> dict[str, object]:
    body: dict[str, object] = {
        "is_successful": False,
        "error_code": said.code,
        "error_message": said.text,
        "documentation_url": f"{_DOCS}{said.code.replace('_', '-')}/",
    }
    return body if said.page_status is None else body | {"returned_status_code": said.page_status}


def _tell(told: Told) -> Mapping[str, object]:
    return {"is_successful": True, "screenshot_url": told.link, "cache_url": told.link}


SCREENSHOTONE = InboundDialect(
    name="screenshotone",
    paths=re.compile(r"/take/?"),
    routes=("/take",),
    address=_address,
    table=_TABLE,
    finish=_finish,
    keyed=True,
    posts=_body_in,
    lists=_LISTS,
    tell=_tell,
    face=JSONFace(
        (
            Name((KeyRequired,), "access_key_required", 400),
            Name((BadKey,), "access_key_invalid", 400),
            Name((BadSignature,), "signature_is_not_valid", 400),
            Name((ForbiddenHost, BadRequest), "request_not_valid", 400),
            Name((NoSuchElement,), "selector_not_found", 400),
            Name((RateLimited,), "concurrency_limit_reached", 429),
            Name((ErrorStatus,), "host_returned_error", 500),
            Name((CaptureTimeout, Pending), "timeout_error", 500),
            Name((CaptureFailed,), "network_error", 500),
            Name((OverCapacity, UpstreamQuota, UpstreamUnavailable), "temporary_unavailable", 503),
        ),
        _body,
        other="internal_application_error",
        of_status={413: "request_body_too_large", 415: "request_not_valid"},
    ),
)
