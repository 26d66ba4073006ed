"""`format=lqip`: a blurred first look as a data URL, which a page holds in its HTML."""

import base64
import io

import pytest
from PIL import Image

from tests.support.screenshot_api import sized
from tests.support.visitors import PAGE, get


def decoded(response):
    head, _, data = response.text.partition(",")
    assert head == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(data, validate=True)))


def test_a_known_page_gives_its_first_look_without_a_capture(client, api):
    get(client, w=320)
    look = get(client, format="lqip")
    again = get(client, format="lqip", headers={"If-None-Match": look.headers["ETag"]})

    assert (look.status_code, look.content_type, look.headers["X-Cache"]) == (200, "text/plain", "HIT")
    assert len(look.data) <= 200
    assert decoded(look).size == (16, 9)
    assert again.status_code == 304
    assert len(api.calls) == 1


def test_an_unknown_page_is_captured_for_it_as_for_any_format(client, api):
    look = get(client, format="lqip", w=90, h=120)
    assert look.headers["X-Cache"] == "MISS"
    assert decoded(look).size == (12, 16)
    assert get(client, w=90, h=120).headers["X-Cache"] == "HIT"
    assert len(api.calls) == 1


@pytest.mark.parametrize("size", [(320, 16000), (3840, 240)])
def test_its_length_is_bounded_whatever_the_size_of_the_page(client, api, size):
    api.behave(sized(*size))
    assert len(get(client, format="lqip").data) <= 200


def test_a_program_gets_it_by_post_too(client):
    answer = client.post("/thumb", json={"url": PAGE, "format": "lqip"})
    assert len(answer.data) <= 200
    assert decoded(answer).size == (16, 9)


def test_it_takes_no_quality(client, api):
    refused = get(client, format="lqip", quality=50)
    assert (refused.status_code, refused.json["detail"]) == (
        400,
        "quality: cannot be combined with format=lqip; remove it",
    )
    assert api.calls == []


@pytest.mark.parametrize("path", ["/persist", "/screenshots"])
def test_it_is_no_picture_to_store(client, api, path):
    refused = client.post(path, json={"url": PAGE, "format": "lqip"})
    assert (refused.status_code, refused.json["detail"]) == (
        400,
        "format: must be png, webp, jpeg, avif or pdf",
    )
    assert api.calls == []
