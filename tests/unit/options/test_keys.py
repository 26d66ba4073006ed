"""Two requests have the same key exactly if they request the same picture, and a new option changes no known key."""

import json
from dataclasses import dataclass

import pytest

from model import SCHEMA, ThumbnailRequest
from netguard import Guard
from options import Boolean, CaptureOptions, Cookie, Rendition, chosen, options_of
from options.option import option
from thumbnails import Ask
from urls import locate, read_capture
from validation import Validator

TARGET = locate("https://example.com/")


@dataclass(frozen=True, slots=True)
class WiderOptions(CaptureOptions):
    """The options after another one was added."""

    upside_down: bool = option(False, Boolean(), "a new option")


def request(query: str, **settings: object) -> ThumbnailRequest:
    return Validator(Guard(), **settings).parse_query(f"url=https://example.com/&{query}".encode())


def test_a_new_option_changes_no_key_of_a_request_that_does_not_use_it():
    old = ThumbnailRequest(CaptureOptions(TARGET, width=800), Rendition(w=320))
    new = ThumbnailRequest(WiderOptions(TARGET, width=800), Rendition(w=320))
    assert (new.capture_key, new.rendition_key) == (old.capture_key, old.rendition_key)


def test_a_request_that_uses_the_new_option_has_keys_of_its_own():
    old = ThumbnailRequest(WiderOptions(TARGET))
    new = ThumbnailRequest(WiderOptions(TARGET, upside_down=True))
    assert new.capture_key != old.capture_key
    assert new.rendition_key != old.rendition_key


def test_an_option_at_its_default_is_the_same_as_one_left_out():
    assert request("width=1280&scale=1&w=320&fit=cover").rendition_key == request("w=320").rendition_key


def test_the_canonical_text_has_the_schema_the_kind_and_the_changed_options():
    wanted = request("dark_mode&w=320&ttl=60")
    assert json.loads(wanted.rendition_key.canonical) == {
        "schema": SCHEMA,
        "kind": "rendition",
        "capture": {"url": "https://example.com/", "dark_mode": True},
        "rendition": {"w": 320},
    }


def test_a_private_request_has_keys_of_its_callers_own_that_show_no_secret():
    wanted = ThumbnailRequest(CaptureOptions(TARGET, js="secret()"))
    mine, yours = wanted.owned_by("key:mine"), wanted.owned_by("key:yours")
    assert len({each.capture_key for each in (mine, yours, ThumbnailRequest(CaptureOptions(TARGET)))}) == 3
    assert "secret" not in mine.rendition_key.canonical


def test_a_private_request_without_its_owner_is_never_served():
    wanted = ThumbnailRequest(CaptureOptions(TARGET, js="secret()"))
    assert Ask(wanted.owned_by("key:mine"))
    with pytest.raises(ValueError, match="a private request needs its owner"):
        Ask(wanted)


def test_a_public_request_has_no_owner():
    wanted = ThumbnailRequest(CaptureOptions(TARGET, css="i{}"))
    assert wanted.owned_by("key:mine") is wanted


def test_a_rendition_without_options_is_not_taken_for_its_original():
    wanted = request("")
    assert wanted.capture_key != wanted.rendition_key


@pytest.mark.parametrize("beside", ["width=1280", "height=720", "scale=1", "user_agent=x", "locale=de"])
def test_an_option_beside_a_device_has_a_key_of_its_own_even_at_its_default(beside):
    assert request(f"device=iphone-14&{beside}").capture_key != request("device=iphone-14").capture_key


def test_a_printed_page_is_another_capture_and_other_formats_are_not():
    png, webp, pdf = (request(f"format={name}") for name in ("png", "webp", "pdf"))
    assert (png.capture.format, webp.capture.format, pdf.capture.format) == ("png", "png", "pdf")
    assert png.capture_key == webp.capture_key != pdf.capture_key


def test_a_default_that_the_operator_sets_is_in_the_key_by_its_value():
    default, asked = request("", block_ads=False), request("block_ads=0&block_cookie_banners=0&block_chats=0")
    assert default.capture_key == asked.capture_key != request("").capture_key
    on = request("block_ads=1&block_cookie_banners=1&block_chats=1", block_ads=False)
    assert on.capture_key == request("").capture_key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("color_scheme=dark", "dark_mode"),
        ("device=iPhone%2014", "device=iphone-14"),
        ("device=iphone-14&width=390&scale=3", "device=iphone-14"),
        ("color_scheme=light", ""),
        ("color_scheme=dark&dark_mode=1", "dark_mode"),
        ("locale=de-de", "locale=de-DE"),
        ("locale=ZH-hant-tw", "locale=zh-Hant-TW"),
    ],
)
def test_two_spellings_of_one_wish_have_one_key(one, other):
    assert request(one).capture_key == request(other).capture_key


@pytest.mark.parametrize(
    "query",
    [
        "device=pixel-8&scale=1&width=1280",
        "locale=de&timezone=Asia/Tokyo&user_agent=x&reduced_motion",
        "",
        "format=pdf&full_page",
        "scale=1.5&hide=.a,%20.b&block_ads=0&delay=10",
        "clip=0,10,200,100&css=a%7B%7D&click=b&scroll_y=9",
    ],
)
def test_a_capture_that_was_stored_is_read_back_as_it_was(query):
    capture = request(query).capture
    assert read_capture(json.loads(json.dumps(chosen(capture)))) == capture


def test_a_clip_has_one_key_however_it_is_written():
    parse = Validator(Guard()).parse_json
    objects = {"x": 0, "y": 10, "width": 200, "height": 100}, [0, 10, 200, 100]
    keys = {parse({"url": "https://example.com/", "clip": each}).capture_key.digest for each in objects}
    assert keys == {request("clip=0,10,200,100").capture_key.digest}


def test_headers_and_cookies_that_were_stored_are_read_back_as_they_were():
    capture = CaptureOptions(TARGET, headers=(("X-A", "1"),), cookies=(Cookie("a", "b"),), js="1")
    assert read_capture(json.loads(json.dumps(chosen(capture)))) == capture


def test_a_record_of_the_schema_before_is_read_too():
    record = {"url": "https://example.com/", "full_page": True, "medium": "print"}
    assert read_capture(record) == CaptureOptions(TARGET, full_page=True, format="pdf")


CAPTURE = {
    "device": None, "width": 1280, "height": 720, "full_page": False, "scale": 1, "delay": 0, "wait_until": "settled", "wait_for": None,
    "selector": None, "hide": None, "block_ads": True, "block_cookie_banners": True, "block_chats": True,
    "dark_mode": False, "color_scheme": None, "reduced_motion": False, "locale": None, "timezone": None,
    "user_agent": None, "format": "png", "quality": 90,
}  # fmt: skip
RENDITION = {"w": None, "h": None, "fit": "cover", "format": "png", "quality": 80}


@pytest.mark.parametrize(("group", "known"), [(CaptureOptions, CAPTURE), (Rendition, RENDITION)])
def test_a_changed_default_needs_a_new_schema(group, known):
    """Keys hold no defaults: change one here only together with `model.SCHEMA`."""
    defaults = {each.name: each.default for each in options_of(group)}
    assert (SCHEMA, {name: defaults.get(name) for name in known}) == (3, known)
