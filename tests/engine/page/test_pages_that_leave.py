"""Pages that go elsewhere while their picture is taken: what comes out is what is there in the end, or an error."""

import pytest

from tests.engine.page.test_hostile_pages import failure
from tests.engine.page.test_options import BLUE, GREEN, RED, body, colour, picture
from tests.support.engine import Engine
from tests.support.site import Site

# Tall enough that its picture takes longer than to leave it. `hide_selectors` is done right before the picture: that
# is when this page leaves, on however slow a machine.
TALL = "<div style='height: 16000px'></div><i id=x>x</i>"
ON_HIDING = "new MutationObserver(() => {{ {} }}).observe(document.getElementById('x'), {{attributes: true}})"
TO_RED = 'location = "javascript:`<body style=background:red>`"'


def leaving(script: str) -> str:
    return body("green", TALL, f"<script>onload = () => {{ {ON_HIDING.format(script)} }}</script>")


@pytest.fixture(params=["png", "pdf"])
def options(request) -> dict[str, object]:
    whole = {"full_page": True} if request.param == "png" else {}
    return {"format": request.param, "hide_selectors": "#x"} | whole


def test_a_refused_address_is_a_blocked_url(engine: Engine, site: Site, options):
    url = site.add("/to-the-inside", leaving("location = 'http://10.0.0.1/'"))
    assert failure(engine.capture(url, **options))[:2] == (400, "blocked_url")


def test_a_closed_port_is_no_picture(engine: Engine, site: Site, closed_port: int, options):
    url = site.add("/to-nobody", leaving(f"location = 'http://127.0.0.1:{closed_port}/'"))
    answer = failure(engine.capture(url, **options))
    assert answer == (422, "page_failed", "the page could not be loaded: ERR_CONNECTION_REFUSED")


@pytest.mark.parametrize(
    ("where", "code", "message"),
    [
        ("/absent", "page_refused", "the page answered 404"),
        ("about:blank", "page_failed", "the page navigated to a URL that is neither http nor https"),
    ],
)
def test_what_is_no_page_is_no_picture(engine: Engine, site: Site, options, where: str, code: str, message: str):
    url = site.add("/to-nothing", leaving(f"location = '{where}'"))
    assert failure(engine.capture(url, **options)) == (422, code, message)


def test_a_good_page_is_captured_instead(engine: Engine, site: Site):
    site.add("/blue", body("blue"))
    url = site.add("/to-blue", leaving("location = '/blue'"))
    answer = engine.capture(url, full_page=True, hide_selectors="#x")
    assert colour(answer) == BLUE
    assert picture(answer).size == (1280, 720)


@pytest.mark.parametrize("where", ["/nothing", "/file.bin"])
def test_a_navigation_that_comes_to_nothing_leaves_the_page_as_it_was(engine: Engine, site: Site, where: str):
    site.add("/nothing", status=204)
    site.add("/file.bin", b"x", content_type="application/octet-stream")
    url = site.add("/stays", leaving(f"location = '{where}'"))
    assert colour(engine.capture(url, full_page=True, hide_selectors="#x")) == GREEN


def test_one_that_leaves_under_each_picture_is_given_up(engine: Engine, site: Site):
    url = site.add("/restless", leaving("location = '?' + Math.random()"))
    answer = failure(engine.capture(url, full_page=True, hide_selectors="#x"))
    assert answer == (422, "page_failed", "the page navigated during every attempt to take its picture")
    assert site.hits("/restless") in (3, 4)


@pytest.mark.parametrize("delay", [400, 800, 1200])
def test_whenever_a_page_leaves_for_the_inside_there_is_no_blank_picture(engine: Engine, site: Site, delay: int):
    """At one of these moments or another, the machine being as fast as it is."""
    script = f"<script>onload = () => setTimeout(() => location = 'http://10.0.0.1/', {delay})</script>"
    answer = engine.capture(site.add("/sooner-or-later", body("green", TALL + script)), full_page=True)
    assert answer.status_code == 400 or colour(answer) == GREEN
    assert answer.status_code == 200 or failure(answer)[1] == "blocked_url"


def test_a_document_that_a_script_url_makes_is_the_page(engine: Engine, site: Site):
    """It keeps the address and the loader of the one before it."""
    script = f"<script>onload = () => setTimeout(() => {{ {TO_RED} }})</script>"
    url = site.add("/made-by-script", body("green", TALL + script))
    assert colour(engine.capture(url, full_page=True, wait_for="body[style='background:red']")) == RED
    assert colour(engine.capture(site.add("/made-late", leaving(TO_RED)), full_page=True, hide_selectors="#x")) == RED


@pytest.mark.parametrize("script", ["stop()", "location = '/nothing'"])
def test_a_page_that_stops_itself_before_its_body_is_no_empty_sheet(hasty_engine: Engine, site: Site, script: str):
    site.add("/nothing", status=204)
    url = site.add("/headless", body("green", "text", f"<script>{script}</script>"))
    answer = failure(hasty_engine.capture(url, format="pdf"))
    assert answer == (504, "timeout", "the page had nothing to show in time")
