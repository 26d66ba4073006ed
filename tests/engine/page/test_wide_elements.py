"""An element that is wider than the window is shown whole, with the layout that it has in that window."""

import pytest

from options.notes import NOTE_HEADER
from tests.engine.page.test_options import BLUE, GREEN, RED, body, picture
from tests.support.engine import Engine
from tests.support.site import Site

SIZE = {"width": 400, "height": 300, "selector": "#e"}
BOARD = (
    "<div id=e style='display:flex;width:1000px'>"
    + "".join(f"<p style='margin:0;flex:0 0 200px;height:100px;background:{c}'></p>" for c in ("green", "blue") * 2)
    + "<p style='margin:0;flex:1;background:red'></p></div>"
)
AS_ONE_SCROLLS = [GREEN, BLUE, GREEN, BLUE, RED]
# name → styles and page, and the colours in the middle of each 200 px of its picture
WIDE = {
    "the page": (BOARD, AS_ONE_SCROLLS),
    "a scroller": (f"<main style='overflow-x:auto'>{BOARD}</main>", AS_ONE_SCROLLS),
    "a scroller far down": (f"<div style='height:900px'></div><main style='overflow-x:auto'>{BOARD}</main>", AS_ONE_SCROLLS),
    "a page that hides what is beside it": (f"<style>html, body {{overflow-x: hidden}}</style>{BOARD}", AS_ONE_SCROLLS),
    "a column that scrolls": (
        f"<div style='display:flex'><nav style='flex:0 0 100px'></nav><main style='flex:1;overflow:auto'>{BOARD}</main></div>",
        AS_ONE_SCROLLS,
    ),
    "an application that fills the window": (
        ("<style>html, body {height: 100%; overflow: hidden} main {height: 100vh; overflow: auto}</style>"
        f"<main><section style='overflow-x:auto'>{BOARD}</section></main>"),
        AS_ONE_SCROLLS,
    ),
    "a page from right to left": (f"<main dir=rtl style='overflow-x:auto'>{BOARD}</main><script>document.dir = 'rtl'</script>", AS_ONE_SCROLLS[::-1]),
    "a body from right to left": (f"<script>document.body.dir = 'rtl'</script>{BOARD}", AS_ONE_SCROLLS[::-1]),
    "sizes and styles that follow the window": (
        ("<style>p {height: 100px; margin: 0; flex: 0 0 50vw; background: green} @media (min-width: 500px) {p {background: red}}"
        " @media (max-width: 400px) {p + p {background: blue}}</style><main style='overflow-x:auto'>"
        "<div id=e style='display:flex;width:max-content'><p></p><p></p><p></p></div></main>"),
        [GREEN, BLUE, BLUE],
    ),
}  # fmt: skip


@pytest.mark.parametrize("where", WIDE)
def test_an_element_wider_than_the_window_is_shown_whole_in(engine: Engine, site: Site, where: str):
    inside, colours = WIDE[where]
    answer = engine.capture(site.add("/wide", body("white", inside)), **SIZE)
    image = picture(answer)
    assert image.size == (200 * len(colours), 100)
    assert [image.getpixel((x, 50)) for x in range(100, image.width, 200)] == colours
    assert NOTE_HEADER not in answer.headers


def test_a_phone_shows_it_too(engine: Engine, site: Site):
    head = "<meta name=viewport content='width=device-width, initial-scale=1'>"
    url = site.add("/wide", body("white", f"<main style='overflow-x:auto'>{BOARD}</main>", head))
    assert picture(engine.capture(url, device="iphone-se", scale=1, selector="#e")).size == (1000, 100)


def test_one_that_shows_but_its_edge_in_a_slider_is_shown_whole(engine: Engine, site: Site):
    slides = "<p style='margin:0;flex:0 0 300px;background:red'></p><p id=e style='margin:0;flex:0 0 300px;height:100px;background:green'></p>"
    url = site.add("/wide", body("white", f"<div style='display:flex;overflow:hidden;width:350px'>{slides}</div>"))
    image = picture(engine.capture(url, **SIZE))
    assert image.size == (300, 100)
    assert [image.getpixel((x, 50)) for x in (10, 290)] == [GREEN, GREEN]


CLIPPED = {
    "that is wider than a picture can be": ("<p id=e style='width:20000px;height:20px;background:green'>", (16384, 20)),
    "that begins at the left of the page": (
        "<p id=e style='margin:0 0 0 -100px;width:300px;height:20px;background:green'>",
        (200, 20),
    ),
    "that is wider than any window": (
        (
            "<p id=e style='width:800px;height:20px;background:green'><script>onresize = () => {"
            " document.getElementById('e').style.width = 2 * innerWidth + 'px' }</script>"
        ),
        (800, 20),
    ),
}


@pytest.mark.parametrize("what", CLIPPED)
def test_an_element_is_noted_as_clipped(engine: Engine, site: Site, what: str):
    inside, size = CLIPPED[what]
    answer = engine.capture(site.add("/wide", body("white", inside)), **SIZE)
    assert (picture(answer).size, answer.headers[NOTE_HEADER]) == (size, "clipped=1")
