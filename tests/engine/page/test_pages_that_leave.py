"""Pages that navigate while their picture is taken: the result shows the last document, or is an error."""

import pytest

from tests.engine.page.test_hostile_pages import failure
from tests.engine.page.test_options import BLUE, GREEN, RED, body, colour, picture
from tests.support.engine import Engine
from tests.support.site import Site

# The page is so tall that its picture takes longer than a navigation. `hide_selectors` is applied right before the
# picture, and makes this page navigate at that moment, however slow the machine.
TALL = "<div style='height: 16000px'></div><i id=x>x</i>"
ON_HIDING = "new MutationObserver(() => {{ {} }}).observe(document.getElementById('x'), {{attributes: true}})"
TO_RED = 'location = "javascript:`<body style=background:red>`"'


def leaving(script: str) -> str:
    return body("green", TALL, f"<script>onload = () => {{ {ON_HIDING.format(script)} }}</script>")


PNG = {"format": "png", "hide_selectors": "#x", "full_page": True}
PDF = {"format": "pdf", "hide_selectors": "#x"}


@pytest.mark.parametrize("options", [PNG, PDF])
def test_a_navigation_to_a_refused_address_is_a_blocked_url(engine: Engine, site: Site, options: dict[str, object]):
    url = site.add("/to-the-inside", leaving("location = 'http://10.0.0.1/'"))
    assert failure(engine.capture(url, **options))[:2] == (400, "blocked_url")


def test_a_navigation_to_a_closed_port_fails_the_capture(engine: Engine, site: Site, closed_port: int):
    url = site.add("/to-nobody", leaving(f"location = 'http://127.0.0.1:{closed_port}/'"))
    answer = failure(engine.capture(url, **PNG))
    assert answer[:2] == (422, "connection_refused")


@pytest.mark.parametrize(
    ("options", "where", "code", "message"),
    [
        (PNG, "/absent", "page_status", "the page answered 404"),
        (PDF, "/absent", "page_status", "the page answered 404"),
        (PNG, "about:blank", "not_a_page", "the page navigated to a URL that is neither http nor https"),
    ],
)
def test_a_navigation_to_an_error_or_a_blank_page_fails_the_capture(
    engine: Engine, site: Site, options: dict[str, object], where: str, code: str, message: str
):
    url = site.add("/to-nothing", leaving(f"location = '{where}'"))
    assert failure(engine.capture(url, **options)) == (422, code, message)


def test_a_navigation_to_a_good_page_captures_that_page(engine: Engine, site: Site):
    site.add("/blue", body("blue"))
    url = site.add("/to-blue", leaving("location = '/blue'"))
    answer = engine.capture(url, full_page=True, hide_selectors="#x")
    assert colour(answer) == BLUE
    assert picture(answer).size == (1280, 720)


@pytest.mark.parametrize("where", ["/nothing", "/file.bin"])
def test_a_navigation_without_a_document_does_not_change_the_picture(engine: Engine, site: Site, where: str):
    site.add("/nothing", status=204)
    site.add("/file.bin", b"x", content_type="application/octet-stream")
    url = site.add("/stays", leaving(f"location = '{where}'"))
    assert colour(engine.capture(url, full_page=True, hide_selectors="#x")) == GREEN


def test_a_page_that_navigates_during_every_picture_fails_after_three_attempts(engine: Engine, site: Site):
    """On a busy machine, the page may be too busy to draw when asked to: then a page that draws by itself tries again."""
    url = site.add("/restless", leaving("location = '?' + Math.random()"))
    answer = failure(engine.capture(url, full_page=True, hide_selectors="#x", width=400, timeout=40))
    assert answer == (422, "page_failed", "the page navigated during every attempt to take its picture")
    assert 3 <= site.hits("/restless") <= 8


@pytest.mark.parametrize("delay", [400, 800, 1200])
def test_a_navigation_to_a_private_address_never_gives_a_blank_picture(engine: Engine, site: Site, delay: int):
    """At least one of the delays falls into the moment of the picture, depending on the machine."""
    script = f"<script>onload = () => setTimeout(() => location = 'http://10.0.0.1/', {delay})</script>"
    answer = engine.capture(site.add("/sooner-or-later", body("green", TALL + script)), full_page=True)
    assert answer.status_code == 400 or colour(answer) == GREEN
    assert answer.status_code == 200 or failure(answer)[1] == "blocked_url"


def test_a_document_from_a_javascript_url_is_captured(engine: Engine, site: Site):
    """Such a document keeps the address and the loader of the one before it."""
    script = f"<script>onload = () => setTimeout(() => {{ {TO_RED} }})</script>"
    url = site.add("/made-by-script", body("green", TALL + script))
    assert colour(engine.capture(url, full_page=True, wait_for="body[style='background:red']")) == RED
    assert colour(engine.capture(site.add("/made-late", leaving(TO_RED)), full_page=True, hide_selectors="#x")) == RED


@pytest.mark.parametrize("script", ["stop()", "location = '/nothing'"])
def test_a_page_that_stops_loading_before_its_body_fails_at_once_instead_of_an_empty_pdf(
    engine: Engine, site: Site, script: str
):
    site.add("/nothing", status=204)
    url = site.add("/headless", body("green", "text", f"<script>{script}</script>"))
    answer = failure(engine.capture(url, format="pdf"))
    assert answer == (422, "page_failed", "the page stopped before it had anything to show")
