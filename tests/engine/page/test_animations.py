"""Animations are at their end, paused ones where the page has put them, and no mouse is near the page."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from tests.engine.page.test_options import BLUE, GREEN, body, picture
from tests.support.engine import Engine
from tests.support.site import Site

GREEN_NOW = "a.style.background = 'green'"
VEIL = "position: fixed; inset: 0; background: red"
GAUGE = """<style>@keyframes k { from { width: 0 } to { width: 100% } }
    #g { height: 300px; background: green; animation: k 100s linear -42s paused both }</style><div id=g></div>"""
CARD = """<style>@keyframes k { to { background: red } }
    #g { height: 300px; background: green; animation: k 1s both paused }
    #g:hover { animation-play-state: running }</style><div id=g></div>"""
FADING = f"""<div id=v style='{VEIL}'></div><script>{GREEN_NOW};
    v.animate({{opacity: [1, 0]}}, {{duration: 3000, fill: 'forwards'}})</script>"""
FADES_LATER = """<div id=v style='position: fixed; inset: 0; background: green'></div><script>
    v.animate({opacity: [1, 0]}, {duration: 1000, delay: 5000, fill: 'both'})</script>"""
EXIT_POP_UP = f"""<script>{GREEN_NOW}; for (const type of ['mouseout', 'mouseleave'])
    document.addEventListener(type, event => {{
        if (!event.relatedTarget && event.clientY < 10) a.style.background = 'red' }})</script>"""
MENU = f"""<style>#m {{ position: fixed; left: 0; top: 0; width: 90px; height: 40px }} body.open {{ background: red !important }}
    </style><nav id=m>Menu</nav><script>{GREEN_NOW}; m.onmouseenter = () => a.classList.add('open')</script>"""
NOTICES = """<script>for (const type of ['mousemove', 'mouseover', 'mouseout', 'pointermove', 'pointerover', 'pointerenter',
    'pointerrawupdate', 'pointerout', 'mouseleave', 'wheel', 'touchstart'])
    window.addEventListener(type, () => { document.body.style.background = 'red' }, true)</script>"""
# name → what the page holds, and the colours of its picture at some points
PAGES = {
    "a gauge that is paused at its value": (GAUGE, {(160, 150): GREEN, (180, 150): BLUE}),
    "a card that turns under a mouse": (CARD, {(200, 150): GREEN}),
    "a veil that fades for longer than the visitor looks": (FADING, {(200, 150): GREEN}),
    "a note that fades later": (FADES_LATER, {(200, 150): GREEN}),
    "a menu at the top left that a mouse opens for good": (MENU, {(200, 150): GREEN}),
    "a pop-up for visitors who leave": (EXIT_POP_UP, {(200, 150): GREEN}),
}


@pytest.fixture(scope="module")
def pictures(engine: Engine, site: Site) -> dict[str, Image.Image]:
    def capture(numbered: tuple[int, tuple]) -> Image.Image:
        number, (inside, _) = numbered
        url = site.add(f"/animation-{number}", body("blue", inside).replace("<body", "<body id=a"))
        return picture(engine.capture(url, width=400, height=300))

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(PAGES, pool.map(capture, enumerate(PAGES.values())), strict=True))


@pytest.mark.parametrize("name", PAGES)
def test_a_page_shows_what_a_visitor_sees_at_rest(pictures: dict[str, Image.Image], name: str):
    points = PAGES[name][1]
    assert {point: pictures[name].getpixel(point) for point in points} == points


def test_no_page_and_no_frame_notices_a_mouse(engine: Engine, site: Site):
    inside = site.add("/noticing-frame", body("green", NOTICES), headers={"Origin-Agent-Cluster": "?1"})
    frames = "".join(
        f"<iframe src='{url}' style='position: fixed; left: {left}px; top: 0; width: 150px; height: 100px; border: 0'></iframe>"
        for left, url in ((0, inside), (200, inside.replace("127.0.0.1", "localhost")))
    )
    for number, content in enumerate((body("green", NOTICES), body("green", NOTICES + frames))):
        url = site.add(f"/noticing-{number}", content.replace("</body>", "<div style='height: 900px'></div></body>"))
        for options in ({}, {"full_page": 1}, {"scroll_y": 200}):
            seen = picture(engine.capture(url, width=400, height=300, **options)).getcolors()
            assert [colour for _, colour in seen] == [GREEN], (number, options)
