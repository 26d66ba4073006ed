"""With no options, the picture shows what a visitor sees two seconds after the page has loaded.

All pages are captured at the start, two at a time. Each test looks at one picture, at points that have a colour only if
the page came to rest.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image
from requests import Response

from tests.engine.conftest import small_engine
from tests.engine.page.test_options import BLUE, GREEN, RED, WHITE, body, picture
from tests.support.engine import Engine
from tests.support.pages_at_rest import GREEN_NOW, PAGES, POINTS, SIZE, add_page, add_parts, running_greeter, script
from tests.support.site import Site

OPTIONS = {
    "a delay of ten seconds": (script(f"setTimeout(() => {{ {GREEN_NOW} }}, 11_000)"), {"delay": 10_000}),
    "an element that comes late": (
        script(f"setTimeout(() => {{ a.className = 'here'; {GREEN_NOW} }}, 6000)"),
        {"wait_for": ".here"},
    ),
    "load": (script(f"setTimeout(() => {{ {GREEN_NOW} }}, 1500)", "blue"), {"wait_until": "load"}),
    "a scale of two": (script(f"setTimeout(() => {{ {GREEN_NOW} }}, 1500)"), {"scale": 2}),
    "jpeg": (script(f"setTimeout(() => {{ {GREEN_NOW} }}, 1500)"), {"format": "jpeg"}),
    "webp": (script(f"setTimeout(() => {{ {GREEN_NOW} }}, 1500)"), {"format": "webp"}),
}


PULSE = "<style>@keyframes pulse { to { opacity: .5 } } p { animation: pulse 1s infinite }</style>"
NEVER = "<script>fetch('/never')</script>"
NOTED = {  # pages with little to show, and their notes
    "a word that stays": (body("white", "<p>Loading…</p>"), "unfinished=1"),
    "a motion beside a request without an answer": (body("white", f"<p>Shop</p>{NEVER}", PULSE), "unfinished=1"),
    "a motion beside no request": (body("white", "<p>Coming soon</p>", PULSE), None),
    "a few words beside a request without an answer": (body("white", f"<p>Shop</p>{NEVER}"), None),
}


@pytest.fixture(scope="module")
def socket() -> Iterator[int]:
    with running_greeter() as port:
        yield port


@pytest.fixture(scope="module")
def engine(site: Site, socket: int) -> Iterator[Engine]:
    exempt = f"{site.address},localhost:{site.port},127.0.0.1:{socket}"
    with small_engine(site, PRIVATE_TARGETS=exempt, ENGINE_CONCURRENCY=2) as running:
        yield running


@pytest.fixture(scope="module")
def answers(engine: Engine, site: Site, socket: int) -> dict[str, Response]:
    add_parts(site)
    wanted = {name: (content, {}) for name, content in PAGES.items()} | OPTIONS
    wanted |= {name: (content, {}) for name, (content, _) in NOTED.items()}

    def capture(numbered: tuple[int, tuple[str, dict]]) -> Response:
        number, (content, options) = numbered
        url = add_page(site, f"/settled-{number}", content, socket)
        return engine.capture(url, **SIZE | options)

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(wanted, pool.map(capture, enumerate(wanted.values())), strict=True))


@pytest.fixture(scope="module")
def pictures(answers: dict[str, Response]) -> dict[str, Image.Image]:
    return {name: picture(answer) for name, answer in answers.items()}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_captured_at_rest(pictures: dict[str, Image.Image], name: str):
    assert pictures[name].size == (400, 300)
    assert {pictures[name].getpixel(point) for point in POINTS} == {GREEN}


def test_a_delay_is_page_time(pictures: dict[str, Image.Image]):
    assert pictures["a delay of ten seconds"].getpixel((200, 150)) == GREEN


def test_an_element_is_waited_for_in_page_time(pictures: dict[str, Image.Image]):
    assert pictures["an element that comes late"].getpixel((200, 150)) == GREEN


def test_load_does_not_wait_for_timers(pictures: dict[str, Image.Image]):
    assert pictures["load"].getpixel((200, 150)) == BLUE


@pytest.mark.parametrize(("name", "size"), [("a scale of two", (800, 600)), ("jpeg", (400, 300)), ("webp", (400, 300))])
def test_scales_and_formats_settle_too(pictures: dict[str, Image.Image], name: str, size: tuple[int, int]):
    assert pictures[name].size == size
    assert pictures[name].getpixel((200, 150))[0] < 10
    assert pictures[name].getpixel((200, 150)) not in (RED, WHITE)


@pytest.mark.parametrize(("name", "note"), [(name, note) for name, (_, note) in NOTED.items()])
def test_a_page_that_still_loads_is_noted(answers: dict[str, Response], name: str, note: str | None):
    assert answers[name].headers.get("X-Thumb-Note") == note


def test_a_page_at_rest_is_not_noted_as_unfinished(answers: dict[str, Response]):
    notes = {name: answers[name].headers.get("X-Thumb-Note", "") for name in PAGES}
    assert [name for name, note in notes.items() if "unfinished" in note] == []
