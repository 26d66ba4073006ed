"""What a capture may cost in real time, as docs/capturing.md promises, against the same page with less to do."""

from collections.abc import Callable, Iterator

import pytest

from tests.engine.conftest import small_engine
from tests.engine.page.test_options import BLUE, GREEN, body, colour
from tests.support.pages_at_rest import SIZE
from tests.support.site import Site

Colour = tuple[int, int, int]
Timed = Callable[..., tuple[Colour, float]]

ALLOWANCE = 3  # seconds, for a loaded machine: idle, all of the pages below stay within what is promised
TEXT = "<p>" + "Prices of today, and more. " * 12  # with less, it may be a page that has yet to load
POLLS = "<script>const poll = () => fetch('/poll').then(poll); onload = poll</script>"
# Two seconds of its time are 120 frames, which take some 5 s of real time.
WORKS = """<i id=i style='position:fixed'>x</i><script>let n = 0; onload = function draw() {
    for (let k = 0; k < 3e7; k++) n += k % 7;
    i.style.left = n % 300 + 'px'; requestAnimationFrame(draw) }</script>"""
TURNS_BLUE = "<script>onload = () => setTimeout(() => { document.body.style.background = 'blue' }, 6000)</script>"


@pytest.fixture(scope="module")
def timed(site: Site) -> Iterator[Timed]:
    """Captures a page alone, and returns its colour and the seconds by the engine's own measure."""
    site.add("/poll", "x", late=0.1)
    with small_engine(site, ENGINE_CONCURRENCY=1) as engine:

        def capture(url: str, **options: object) -> tuple[Colour, float]:
            answer = engine.capture(url, **SIZE | options)
            return colour(answer, (390, 290)), engine.seconds(answer)

        capture(site.add("/first", body("green")))  # the first page of a browser takes longer
        yield capture


@pytest.mark.parametrize(
    ("content", "promised"),
    [(TEXT + POLLS, 3), (TEXT + WORKS, 3), (POLLS, 6)],
    ids=["polls", "works without end", "polls, and shows nothing yet"],
)
def test_a_page_that_is_never_at_rest_gets_a_few_seconds_after_load(
    timed: Timed, site: Site, content: str, promised: float
):
    _, at_rest = timed(site.add("/restful-page", body("green", TEXT)))
    shown, restless = timed(site.add("/restless-page", body("green", content)))
    assert shown == GREEN
    assert restless - at_rest < promised + ALLOWANCE


def test_a_delay_of_an_idle_page_is_not_real_time(timed: Timed, site: Site):
    url = site.add("/idle-page", body("green", TEXT + TURNS_BLUE))
    before, without_delay = timed(url)
    after, with_delay = timed(url, delay=5000)
    assert (before, after) == (GREEN, BLUE)
    assert with_delay - without_delay < ALLOWANCE  # real time would be 5 s
