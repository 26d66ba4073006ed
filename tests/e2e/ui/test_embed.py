"""Link cards as people meet them: in a frame of another page, by eye, keyboard and screen reader, in both themes."""

import threading

import pytest
import requests
from werkzeug import Response

import services
from app import create_app
from config import Settings
from tests.integration.metadata.conftest import saying
from tests.support.browser import browser, open_page, serving, violations
from tests.support.screenshot_api import refuse, running_screenshot_api

__all__ = ["browser", "open_page"]

PAGES = {
    "latin": ("en", "The Daily Gazette: all the news of the region, of the country and of the world on one page " * 3),
    "arabic": ("ar", "متجر الكتب القديمة في وسط المدينة حيث تجد كل ما تبحث عنه من روايات ودواوين شعر وكتب تاريخ"),
    "japanese": ("ja", "日本の伝統的な庭園と四季の風景を紹介するウェブサイト：春の桜、夏の緑、秋の紅葉、冬の雪景色"),
    "devanagari": ("hi", "हिन्दी समाचार और साहित्य का घर जहाँ हर दिन नई कहानियाँ, कविताएँ और विचार प्रकाशित होते हैं"),
    "word": ("en", "W" * 300),
}
SIZES = ((600, 190), (320, 312), (320, 120), (240, 267), (500, 300), (700, 399))


@pytest.fixture(scope="module")
def gate():
    """Opens the way for the capture of `slow.example`."""
    return threading.Event()


@pytest.fixture(scope="module")
def served(redis_server, tmp_path_factory, gate):
    """The URL of a service whose screenshot API knows `PAGES`, fails at `failed.example` and waits at `slow.example`."""
    folder = tmp_path_factory.mktemp("embed")
    with running_screenshot_api("engine", key="sesame") as api:
        for name, (language, title) in PAGES.items():
            said = saying(status=200, title=title, description=f"{title} {title}", language=language)
            api.behave(said, url=f"https://{name}.example/")
        failure = refuse(422, "page_status", "the page answered 404", extras={"page_status": 404})
        api.behave(failure, url="https://failed.example/")
        api.hold(gate, url="https://slow.example/")
        settings = Settings.of(
            redis_url=redis_server.url,
            database_url=f"sqlite:///{folder}/thumbnails.db",
            capture_api="engine",
            capture_url=api.url,
            capture_api_key="sesame",
            persist_dir=folder / "media",
            originals="redis",
            request_limit="100000 per minute",
        )
        built = services.build(settings, lambda _name: ["93.184.216.34"])
        # No icon of a page can be fetched here: no test connects beyond loopback.
        with serving(create_app(settings, built)) as url:
            yield url
        built.close()


def card(served, name, wait=20, **options):
    query = "&".join(f"{key}={value}" for key, value in options.items())
    return f"{served}/embed?url=https://{name}.example/&wait={wait}&{query}"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ["latin", "arabic", "failed"])
def test_a_card_is_accessible(served, browser, name, theme):
    """axe-core waits, which no script can in the card's sandbox: it looks at the card without one."""
    page = browser.new_page(viewport={"width": 600, "height": 190}, color_scheme=theme)
    body = requests.get(card(served, name), timeout=30).text
    page.route("**/unboxed", lambda route: route.fulfill(body=body, content_type="text/html; charset=utf-8"))
    page.goto(f"{served}/unboxed")
    assert violations(page) == []
    page.close()


@pytest.mark.parametrize("name", [*PAGES, "failed"])
def test_a_card_fits_its_frame(served, open_page, name):
    page = open_page(card(served, name), scripts=False)
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        assert (width, height, page.evaluate(FITS)) == (width, height, [])


# Nothing scrolls, nothing that a card says lies outside of it, and the host can always be read.
FITS = """() => {
  const root = document.documentElement, found = [];
  if (root.scrollWidth > root.clientWidth) found.push('wide');
  if (root.scrollHeight > root.clientHeight) found.push('high');
  for (const element of document.querySelectorAll('h1, .told, .host, .shot')) {
    const box = element.getBoundingClientRect();
    if (box.height && (box.right > root.clientWidth + 1 || box.bottom > root.clientHeight + 1)) found.push(element.className || 'h1');
  }
  return found;
}"""


@pytest.mark.parametrize("name", ["latin", "devanagari", "failed"])
def test_a_card_in_a_window_of_its_own_keeps_its_shape(served, open_page, name):
    page = open_page(card(served, name), scripts=False)
    for width, height in ((1280, 800), (390, 844), (900, 500), (1600, 420)):
        page.set_viewport_size({"width": width, "height": height})
        whole = page.locator(".card").bounding_box()

        assert page.evaluate(FITS) == []
        assert whole["width"] <= 960
        assert abs(whole["x"] + whole["width"] / 2 - width / 2) <= 1
        assert abs(whole["y"] + whole["height"] / 2 - height / 2) <= 1
        if name != "failed":
            picture = page.locator(".shot").bounding_box()
            assert abs(picture["width"] / picture["height"] - 16 / 9) < 0.05


def test_a_picture_in_a_wide_and_low_frame_is_not_cut_more_than_its_height_asks_for(served, open_page):
    page = open_page(card(served, "latin"), scripts=False)
    page.set_viewport_size({"width": 1280, "height": 190})

    assert page.locator(".card").bounding_box()["width"] == 1280
    assert page.locator(".shot").bounding_box()["width"] < 190 * 16 / 9 + 2


@pytest.mark.parametrize(
    ("asked", "system", "paper"), [("auto", "dark", 25), ("light", "dark", 255), ("dark", "light", 25)]
)
def test_a_card_has_the_theme_that_its_frame_asks_for(served, open_page, asked, system, paper):
    page = open_page(card(served, "latin", theme=asked), theme=system)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor").startswith(f"rgb({paper},")


def test_a_card_works_in_the_strictest_frame_of_another_site(served, browser):
    """It shows its picture, and a click opens the page in a window of its own."""
    context = browser.new_context(viewport={"width": 700, "height": 300})
    page = context.new_page()
    frame = f'<iframe src="{card(served, "latin")}" width=600 height=190 sandbox="allow-popups"></iframe>'
    with serving(Response(frame, content_type="text/html")) as other_site, context.expect_page():
        page.goto(other_site)
        assert page.frames[1].evaluate("document.querySelector('.shot').naturalWidth") > 0
        page.mouse.click(500, 100)
    assert len(context.pages) == 2
    context.close()


def test_a_card_of_an_unknown_page_tries_again_in_its_frame(served, browser, gate):
    """The sandbox allows no script, and without scripts no `<meta http-equiv=refresh>`."""
    page = browser.new_page(viewport={"width": 700, "height": 300})
    frame = f'<iframe src="{card(served, "slow", wait=0)}" width=600 height=190 sandbox="allow-popups"></iframe>'
    with serving(Response(frame, content_type="text/html")) as other_site:
        page.goto(other_site, wait_until="commit")  # the picture is awaited by the browser
        waiting = page.frame_locator("iframe").locator(".card.pending")
        waiting.wait_for()
        gate.set()
        page.frame_locator("iframe").locator(".card.ready").wait_for()
    page.close()
