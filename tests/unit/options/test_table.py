"""The service, the engine, the dialects and the docs follow the table of options."""

import io
from datetime import UTC, datetime

import pytest
from PIL import Image

from capture import DIALECTS
from engine import parsing
from engine.errors import InvalidParams
from errors import InvalidOption
from images import identify, make_rendition
from model import Picture
from netguard import Guard
from options import (
    FILES,
    FORMATS,
    LEFT_OUT,
    THUMBNAIL_OPTIONS,
    CaptureOptions,
    Rendition,
    Whole,
    callers_options,
    options_of,
)
from scripts.option_tables import PAGES, with_tables
from storage import content_type_of, permanent_key
from validation import Validator

WHOLE = {name: each for name, each in THUMBNAIL_OPTIONS.items() if isinstance(each.kind, Whole)}
ENGINES = {each.param("engine").name: each for each in options_of(CaptureOptions)[1:] if isinstance(each.kind, Whole)}
VALIDATOR = Validator(Guard())


def parse(name: str, value: object):
    return VALIDATOR.parse_query(f"url=https://example.com/&{name}={value}".encode())


@pytest.mark.parametrize("name", WHOLE)
def test_the_service_takes_a_number_up_to_its_limits(name):
    kind = WHOLE[name].kind
    for value in (kind.low, kind.high):
        parse(name, value)
    for value in (kind.low - 1, kind.high + 1):
        with pytest.raises(InvalidOption) as refused:
            parse(name, value)
        assert refused.value.detail.startswith(f"{name}: must be {kind.words}")


@pytest.mark.parametrize("name", ENGINES)
def test_the_engine_takes_the_same_numbers(name):
    kind = ENGINES[name].kind
    for value in (kind.low, kind.high):
        parsing.parse({"url": "https://example.com/", name: value})
    for value in (kind.low - 1, kind.high + 1):
        with pytest.raises(InvalidParams, match=f"{name}: must be {kind.words}"):
            parsing.parse({"url": "https://example.com/", name: value})


OF_THE_SERVICE = {"image"}  # the engine takes screenshots alone


@pytest.mark.parametrize(
    "option",
    [each for each in callers_options(CaptureOptions)[1:] if each.name not in OF_THE_SERVICE],
    ids=lambda option: option.name,
)
def test_our_own_engine_has_every_capture_option(option):
    assert option.param("engine") not in (None, LEFT_OUT)
    assert set(option.apis) <= set(DIALECTS)


@pytest.mark.parametrize("name", [name for name in FILES if FORMATS[name].pillow])
def test_a_format_matches_its_row(name):
    original = io.BytesIO()
    Image.effect_noise((64, 48), 60).convert("RGBA").save(original, "PNG")
    body, identity = make_rendition(original.getvalue(), Rendition(format=name))
    image = Image.open(io.BytesIO(body))
    assert (image.format, image.size) == (FORMATS[name].pillow, (64, 48))
    assert identity.content_type == FORMATS[name].content_type
    if FORMATS[name].from_api:
        assert identify(body) == identity


@pytest.mark.parametrize("name", FORMATS)
def test_a_stored_picture_is_handed_out_as_its_format(name):
    picture = Picture(b"", FORMATS[name].content_type, 1, 1, datetime.now(UTC))
    key, _ = permanent_key(picture)
    assert key.endswith(f".{FORMATS[name].ending}")
    assert content_type_of(key) == FORMATS[name].content_type


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_the_docs_show_the_table(page):
    assert page.read_text(encoding="utf-8") == with_tables(page), "run `make docs`"
