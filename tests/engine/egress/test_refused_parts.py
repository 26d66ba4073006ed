"""A refused or failed part of a page leaves an empty space in the picture, and moves nothing else."""

import pytest

from tests.engine.page.test_options import GREEN, RED, body, colour, picture
from tests.support.engine import Engine
from tests.support.site import Site

SIZED = "width=300 height=200 style='display:block;{}'"
BELOW = "<div style='width:50px;height:50px;background:red'></div>"
ABSENT = f"<div {SIZED.format('width:300px;height:200px')}></div>"


@pytest.mark.parametrize(
    "part",
    [
        "<img {} src='http://10.0.0.1/a.png'>",
        "<img {} src='http://10.0.0.1/a.png' alt='what it shows'>",
        "<img {} srcset='http://10.0.0.1/a.png 1x'>",
        "<picture><source srcset='http://10.0.0.1/b.webp'><img {} src='http://10.0.0.1/a.png'></picture>",
        "<img {} src='/not-there.png'>",
        "<style>img {{ transition: all 9s; visibility: visible !important }}</style><img {} src='http://10.0.0.1/'>",
        "<iframe {} frameborder=0 src='http://10.0.0.1/'></iframe>",
        "<object {} data='http://10.0.0.1/' type=image/png></object>",
        "<embed {} src='http://10.0.0.1/'>",
        "<video {} src='http://10.0.0.1/a.mp4'></video>",
        "<div style=\"height:200px;background:url('http://10.0.0.1/a.png')\"></div>",
    ],
)
def test_a_refused_part_leaves_an_empty_space(engine: Engine, site: Site, part: str):
    with_part = engine.capture(site.add("/with-part", body("green", part.format(SIZED.format("")) + BELOW)))
    without = engine.capture(site.add("/without-part", body("green", ABSENT + BELOW)))
    assert picture(with_part).tobytes() == picture(without).tobytes()


def test_a_late_broken_image_leaves_an_empty_space_too(engine: Engine, site: Site):
    late = (
        "<script>onload = () => document.body.prepend(Object.assign(new Image(), {src: 'http://10.0.0.1/'}))</script>"
    )
    answer = engine.capture(site.add("/late-part", body("green", late)), delay=500)
    assert picture(answer).getcolors() == [(1280 * 720, GREEN)]


@pytest.mark.parametrize("size", ["", "viewBox='0 0 1 1'", "width='100%' height='100%'", "width='50' height='50'"])
def test_an_image_without_a_size_of_its_own_is_shown(engine: Engine, site: Site, size: str):
    drawing = f"<svg xmlns='http://www.w3.org/2000/svg' {size}><rect width='50' height='50' fill='red'/></svg>"
    site.add("/drawing.svg", drawing, content_type="image/svg+xml")
    answer = engine.capture(site.add("/drawn", body("green", "<img src=/drawing.svg>")))
    assert colour(answer) == RED
