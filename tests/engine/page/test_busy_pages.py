"""Pages whose scripts never return from what the engine does to them, or from their own timers."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.engine.conftest import small_engine
from tests.engine.page.test_options import GREEN, body, colour, picture
from tests.support.site import Site

OBSERVER = """<script>new MutationObserver(() => { while (true); })
    .observe(document, {attributes: true, subtree: true})</script>"""
# Its callback runs before the engine's script goes on, so that one is terminated as well.
ELEMENT = """<script>customElements.define('x-busy', class extends HTMLElement {
    static observedAttributes = ['style'];
    attributeChangedCallback() { while (true); } })</script>"""
TALL = "<div style='height:3000px'></div>"
BAR = "<div style='position:absolute;inset:0 0 auto;height:50px;background:red'></div>"

PAGES = {
    "an observer of an unlocked page": (
        f"<style>body {{ overflow: hidden }}</style>{TALL}{OBSERVER}",
        {"full_page": 1},
    ),
    "an element that is hidden": (
        f"<script>onload = () => document.body.append(document.createElement('x-busy'))</script>{ELEMENT}",
        {"hide_selectors": "x-busy"},
    ),
    "an element whose height is kept": (
        f"<style>x-busy {{ display: block; height: 100vh }}</style><x-busy></x-busy>{TALL}{ELEMENT}",
        {"full_page": 1},
    ),
    "a timer after load": (
        f"{BAR}<script>setTimeout(() => {{ while (true); }}, 500)</script>",
        {"clip": "10,50,600,600"},
    ),
}


@pytest.fixture(scope="module")
def answers(site: Site):
    """All pages, two at a time. Each costs some of its deadline until its scripts are terminated."""
    urls = {name: site.add(f"/busy-{number}", body("green", PAGES[name][0])) for number, name in enumerate(PAGES)}
    with small_engine(site, ENGINE_DEADLINE=8, ENGINE_CONCURRENCY=2) as engine, ThreadPoolExecutor(2) as pool:
        captures = {name: pool.submit(engine.capture, url, **PAGES[name][1]) for name, url in urls.items()}
        return {name: capture.result() for name, capture in captures.items()}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_that_never_returns_from_a_script_is_shown(answers, name: str):
    assert colour(answers[name], (500, 500)) == GREEN


def test_what_could_be_unfolded_of_such_a_page_is_shown(answers):
    assert picture(answers["an element whose height is kept"]).height > 3000


def test_such_a_page_is_clipped_too(answers):
    answer = answers["a timer after load"]
    assert (picture(answer).size, colour(answer, (0, 0))) == ((600, 600), GREEN)
