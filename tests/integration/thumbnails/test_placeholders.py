"""A visitor who does not wait gets a placeholder while the capture goes on."""

import io

import pytest
from PIL import Image

from tests.support.processes import wait_until
from tests.support.screenshot_api import running_screenshot_api, sized
from tests.support.visitors import get


def test_with_wait_zero_a_placeholder_is_sent_and_the_capture_continues(make_client, api, held):
    client = make_client()
    pending = get(client, w=64, wait=0)
    image = Image.open(io.BytesIO(get(client, w=64, wait=0, headers={"Accept": "image/*"}).data))
    held.set()

    assert (pending.status_code, pending.json["code"]) == (202, "pending")
    assert pending.headers["Cache-Control"] == "no-store"
    assert int(pending.headers["Retry-After"]) > 0
    assert image.size == (64, 36)
    wait_until(lambda: get(client, w=64, wait=0).headers.get("X-Cache") == "HIT", "the picture")
    assert len(api.calls) == 1


def test_a_pending_placeholder_says_so(make_client, held):
    response = get(make_client(), wait=0, headers={"Accept": "image/*"})

    assert response.headers["X-Thumb-State"] == "pending"
    assert "X-Error-Code" not in response.headers


SIZES = (
    {"scale": "2"},
    {"scale": "1.5", "width": "400", "height": "300"},
    {"device": "iphone-14"},
    {"device": "iphone-14", "w": "195"},
    {"clip": "10,20,400,100"},
    {"clip": "0,0,400,100", "w": "200"},
    {"clip": "0,0,400,100", "scale": "2", "h": "50"},
    {"w": "2000"},
    {"h": "2000"},
    {"w": "2000", "h": "100"},
)


@pytest.mark.parametrize("options", SIZES)
def test_a_placeholder_has_the_size_of_the_picture_that_will_come(make_client, options):
    """As far as it can be told: not how high a whole page is, nor an element."""
    with running_screenshot_api("engine") as engine:
        if "clip" in options:  # which the fake does not draw
            *_, width, height = map(int, options["clip"].split(","))
            scale = int(options.get("scale", "1"))
            engine.behave(sized(width * scale, height * scale))
        client = make_client(capture_api="engine", capture_url=engine.url)
        picture = Image.open(io.BytesIO(get(client, **options).data))
        refused = get(client, "http://10.0.0.1/", headers={"Accept": "image/*"}, **options)

        assert refused.status_code == 400
        assert Image.open(io.BytesIO(refused.data)).size == picture.size


def test_a_placeholder_is_never_larger_than_a_picture_may_be_asked_for(client):
    for options in ({"clip": "0,0,99999,2"}, {"scale": "3", "width": "3840"}, {"clip": "0,0,0,0"}, {"scale": "9"}):
        refused = get(client, "http://10.0.0.1/", headers={"Accept": "image/*"}, **options)
        assert max(Image.open(io.BytesIO(refused.data)).size) <= 3840
