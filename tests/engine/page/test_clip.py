"""The option `clip`: a part of the page, in the page's own coordinates."""

import json

import pytest

from tests.engine.page.test_hostile_pages import failure
from tests.engine.page.test_options import BLUE, GREEN, RED, body, colour, picture
from tests.support.engine import Engine
from tests.support.site import Site

SMALL = {"width": 400, "height": 300}
NOTE = "X-Thumb-Note"
# Red to 600, green to 1000, with a blue square of 20 at (100, 700).
PAGE = """<div style='height:600px;background:red'></div><div style='height:400px;background:green'></div>
    <div style='position:absolute;left:100px;top:700px;width:20px;height:20px;background:blue'></div>"""
SQUARE = {"x": 100, "y": 700, "width": 20, "height": 20}


@pytest.fixture
def url(site: Site) -> str:
    return site.add("/clipped", body("white", PAGE))


@pytest.mark.parametrize(
    "clip",
    [
        "10,20,200,100",
        str({"x": 10, "y": 20, "width": 200, "height": 100}),
        json.dumps({"x": 10, "y": 20, "width": 200, "height": 100}),
    ],
)
def test_a_clip_is_a_part_of_the_picture_however_it_is_written(engine: Engine, url: str, clip: str):
    answer = engine.capture(url, clip=clip, **SMALL)
    assert picture(answer).size == (200, 100)
    assert colour(answer) == RED
    assert NOTE not in answer.headers


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"full_page": True},
        {"scroll_y": 650},
        {"scroll_y": 200},
        {"scale": 2},
        {"click": "div"},
        {"wait_until": "load"},
    ],
)
def test_a_clip_may_lie_anywhere_in_the_page(engine: Engine, url: str, options: dict):
    answer = engine.post("/v1/screenshot", json={"url": url, "clip": SQUARE, **SMALL, **options})
    scale = options.get("scale", 1)
    assert picture(answer).size == (20 * scale, 20 * scale)
    assert {colour(answer, at) for at in ((1, 1), (18 * scale, 18 * scale))} == {BLUE}


@pytest.mark.parametrize(
    ("clip", "size", "at_end"),
    [("350,250,100,100", (50, 100), RED), ("-10,-10,50,40", (40, 30), RED), ("0,900,9999,9999", (400, 100), GREEN)],
)
def test_a_clip_is_cut_at_the_edges_of_the_page_and_that_is_noted(
    engine: Engine, url: str, clip: str, size: tuple[int, int], at_end: tuple[int, int, int]
):
    answer = engine.capture(url, clip=clip, **SMALL)
    assert (picture(answer).size, answer.headers[NOTE]) == (size, "clipped=1")
    assert colour(answer, (size[0] - 1, size[1] - 1)) == at_end


@pytest.mark.parametrize("clip", ["400,0,10,10", "0,1000,10,10", "-10,0,10,10"])
def test_a_clip_outside_of_the_page_fails_the_capture(engine: Engine, url: str, clip: str):
    refused = engine.capture(url, clip=clip, **SMALL)
    answer = failure(refused)
    assert answer[:2] == (400, "clip_outside")
    assert (refused.json()["field"], refused.json()["retryable"]) == ("clip", False)
    assert answer[2].startswith("clip: lies outside the page, which is 400 × ")


def test_a_page_that_is_shown_from_another_page_on_is_clipped_there(engine: Engine, site: Site):
    site.add("/after-clip", body("green"))
    url = site.add(
        "/before-clip",
        body("red", f"{PAGE}<script>onload = () => setTimeout(() => location = '/after-clip', 300)</script>"),
    )
    answer = engine.capture(url, clip="0,0,50,50", **SMALL)
    assert (picture(answer).size, colour(answer)) == ((50, 50), GREEN)
