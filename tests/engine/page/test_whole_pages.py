"""Whole pages, elements and PDFs show what a visitor sees who scrolls through the page.

All pages are captured at the start, two at a time. Each test looks at the colours of one picture from top to bottom.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from tests.engine.page.test_options import BLUE, GREEN, RED, WHITE, body, picture, png
from tests.support.engine import Engine
from tests.support.site import Site

SIZE = {"width": 400, "height": 300}
LATE = "/below.png"  # green, 400 × 300, and 0.2 s late
GAP = "<div style='height:900px'></div>"


def part(colour: str, height: str = "300px", more: str = "") -> str:
    return f"<div style='height:{height};background:{colour};{more}'></div>"


def styled(css: str, inside: str) -> str:
    return body("white", inside, f"<style>img {{display: block; width: 400px; height: 300px}} {css}</style>")


def revealed(what: str) -> str:
    """Do `what` with the element `e`, 900 px below the top, when it comes into view."""
    seen = f"new IntersectionObserver(found => {{ if (found[0].isIntersecting) {{ {what} }} }}).observe(e)"
    return styled("", f"{GAP}<div id=e style='height:300px'></div><script>{seen}</script>")


REVEAL = (
    "@keyframes k { from { opacity: 0 } to { opacity: 1 } } .v { animation: k linear both; animation-timeline: view();"
)
# name → page, and the colours at points of its picture: y → colour
PAGES = {
    "an image that is loaded lazily": (
        styled("", f"{GAP}{GAP}<img loading=lazy src={LATE}>"), {10: WHITE, 1950: GREEN}, 2100),
    "a part that is fetched when it is seen": (
        revealed(f"fetch('{LATE}').then(() => e.style.background = 'green')"), {1000: GREEN}, 1200),
    "a loader that waits until scrolling stops": (
        styled("", f"{GAP}<div id=e style='height:300px'></div><script>let t; addEventListener('scroll', () => {{ clearTimeout(t);"
        " t = setTimeout(() => { if (scrollY > 300) e.style.background = 'green' }, 250) })</script>"), {1000: GREEN}, 1200),
    "lengths that follow the window": (
        styled(".a {padding: 20vh 0; margin-top: 10vh; background: blue} .b {position: absolute; top: 100vh; width: 100%}",
        f"<div class=a><div style='height:80px'></div></div><div class=b>{part('green')}{part('red', '600px')}</div>"),
        {20: WHITE, 60: BLUE, 310: GREEN, 590: GREEN, 610: RED}, 1200),
    "a margin at the end": (
        styled("", f"{part('green', '600px', 'margin-bottom: 200px')}<footer style='margin-bottom:100px;height:1px'></footer>"),
        {590: GREEN, 850: WHITE}, 901),
    "an image in a shadow root": (
        styled("", f"{GAP}<div id=h></div><script>h.attachShadow({{mode: 'open'}}).innerHTML = '<img loading=lazy src={LATE}"
        " width=400 height=300 style=display:block>'</script>"), {1000: GREEN}, 1200),
    "a frame that is loaded lazily": (
        styled("", f"{GAP}<iframe loading=lazy src=/below style='width:400px;height:300px;border:0;display:block'></iframe>"),
        {1000: GREEN}, 1200),
    "a page in a scroller": (
        styled("html, body {height: 100%; margin: 0; overflow: hidden} main {height: 100%; overflow: auto}",
        f"<main>{part('blue')}{part('white', '900px')}{part('green')}</main>"), {10: BLUE, 1400: GREEN}, 1500),
    "a scroller beside a column and below a bar": (
        styled("body {margin: 0; height: 100vh; display: grid; grid-template: 40px 1fr / 100px 1fr; overflow: hidden}"
        " header {grid-column: span 2; background: blue} nav {background: red} main {overflow-y: scroll}",
        f"<header></header><nav></nav><main>{part('white', '900px')}{part('green')}</main>"),
        {10: BLUE, 1230: GREEN}, 1240),
    "a scroller of a fixed height": (
        styled("main {height: 290px; overflow: auto}", f"<main>{part('blue')}{part('white', '900px')}{part('green')}</main>"),
        {10: BLUE, 1400: GREEN}, 1500),
    "a scroller in a scroller, with more below it": (
        styled("html, body {height: 100%; margin: 0} main {height: 100vh; overflow: auto} div {height: 100%; overflow: auto}",
        "<main><p style='height:50px;margin:0;background:blue'></p><div><p style='height:900px;margin:0;background:green'></p></div>"
        "<p style='height:50px;margin:0;background:red'></p></main>"), {40: BLUE, 60: GREEN, 940: GREEN, 960: RED}, 1000),
    "scrollers in scrollers": (
        styled("html, body {height: 100%; margin: 0} main, main section {height: 100%; overflow-y: auto}",
        f"<main><section><section>{part('blue')}{part('white', '900px')}{part('green')}</section></section></main>"),
        {10: BLUE, 1400: GREEN}, 1500),
    "layers at different depths": (
        styled("html, body {height: 100%; margin: 0; overflow: hidden} main {height: 100vh; overflow: hidden auto; perspective: 2px}"
        " section {position: relative; height: 300px; transform-style: preserve-3d} section div {position: absolute; inset: 0;"
        " height: auto !important; transform: translateZ(-1px) scale(1.5); z-index: -1}",
        f"<main><section>{part('blue')}<p style='margin:0;height:20px;background:red'></p></section>{part('green', '900px')}"
        f"<section>{part('red')}</section></main>"), {10: RED, 30: BLUE, 290: BLUE, 310: GREEN, 1190: GREEN, 1210: RED, 1490: RED}, 1500),
    "a body that scrolls in itself": (
        styled("html, body {height: 100%; overflow-x: hidden}", f"{part('blue')}{part('white', '900px')}{part('green')}"),
        {10: BLUE, 1400: GREEN}, 1500),
    "a lock of scrolling": (
        styled("html {overflow: hidden; height: 100%} body {overflow: hidden; height: 100%; position: fixed; width: 100%}",
        f"{part('blue')}{part('white', '900px')}{part('green')}"), {10: BLUE, 1400: GREEN}, 1500),
    "a background that is fixed": (
        styled("", f"{part('blue')}{part('linear-gradient(green, green)', '600px', 'background-attachment: fixed')}"),
        {10: BLUE, 320: GREEN, 880: GREEN}, 900),
    "content that is skipped out of view": (
        styled("section {content-visibility: auto; contain-intrinsic-size: auto 300px}",
        f"{part('blue')}{GAP}<section>{part('green')}</section>"), {1400: GREEN}, 1500),
    "a chart that is drawn again when the window changes": (
        styled("", "<canvas id=c width=400 height=300 style='display:block'></canvas>" + GAP + "<script>const g = c.getContext('2d');"
        " let w; const draw = () => { g.fillStyle = 'green'; g.fillRect(0, 0, w += 40, 300); if (w < 420) requestAnimationFrame(draw) };"
        " onresize = () => { w = 0; g.clearRect(0, 0, 400, 300); draw() }; onresize()</script>"), {150: GREEN}, 1200),
    "sections as high as the window": (
        styled("", f"{part('blue', '100vh')}{part('green', '50vh')}{part('red', 'calc(100vh - 100px)')}{part('green')}"),
        {290: BLUE, 310: GREEN, 440: GREEN, 460: RED, 640: RED, 660: GREEN}, 950),
    "a section at least as high as the window": (
        styled("", f"<div style='min-height:100vh;background:blue'>x</div>{part('green', '600px')}"),
        {290: BLUE, 310: GREEN}, 900),
    "a section whose height a script takes from the window": (
        styled("", f"<div id=e style='background:blue'></div>{part('green', '600px')}<script>(onresize = () => {{"
        " e.style.height = innerHeight + 'px' })()</script>"), {290: BLUE, 310: GREEN}, 900),
    "bars at the top and at the bottom of the window": (
        styled("header {position: sticky; top: 0; height: 40px; background: blue} footer {position: fixed; bottom: 0;"
        " width: 100%; height: 40px; background: red}", f"<header></header>{part('green', '1160px')}<footer></footer>"),
        {20: BLUE, 60: GREEN, 320: GREEN, 620: GREEN, 1150: GREEN, 1180: RED}, 1200),
    "an animation that scrolling drives": (
        styled(REVEAL + "animation-range: entry 0% cover 40%}", f"{part('blue')}{GAP}<div class=v>{part('green')}</div>"),
        {1400: GREEN}, 1500),
    "an animation that ends as the page leaves": (
        styled("@keyframes out { to { background: red } } .v { height: 300px; background: green; animation: out linear both;"
        " animation-timeline: view(); animation-range: exit }", f"<div class=v></div>{GAP}<div class=v></div>"),
        {150: GREEN, 1350: GREEN}, 1500),
    "sections as high as a body that is as high as the window": (
        styled("html, body {height: 100%; margin: 0} header, .min {background: blue} header {height: 100%} .min {min-height: 100%}",
        f"<header>x</header>{part('green', '400px')}<div class=min>x</div>{part('red', '100px')}"),
        {290: BLUE, 310: GREEN, 690: GREEN, 710: BLUE, 990: BLUE, 1010: RED}, 1100),
    "parts whose height is known only when they are drawn": (
        styled("section {content-visibility: auto; contain-intrinsic-size: 300px}",
        f"{part('blue')}{GAP}<section>{part('green', '800px')}</section><section>{part('red', '700px')}</section>"),
        {1210: GREEN, 1990: GREEN, 2010: RED, 2690: RED}, 2700),
    "a list that is filled when it is seen": (
        revealed("e.style.height = 'auto'; e.innerHTML = '<p style=\"height:700px;margin:0;background:green\">'"),
        {1000: GREEN, 1590: GREEN}, 1600),
    "a style for windows that are wider than high": (
        styled("@media (orientation: portrait) {div {background: red !important}} @media (min-height: 500px)"
        " {div {border-top: 200px solid red}}", f"{part('green')}{part('green', '900px')}"), {100: GREEN, 1100: GREEN}, 1200),
    "pictures for windows that are wider than high": (
        styled("", f"<picture><source media='(orientation: portrait)' srcset=/upright.png><img src={LATE}></picture>{GAP}"
        "<link rel=stylesheet href=/upright.css media='(max-aspect-ratio: 1/1)'>"), {100: GREEN, 310: WHITE}, 1200),
    "a variable that a script takes from the window": (
        styled(".hero {height: calc(var(--vh) * 100); background: blue}", f"<div class=hero></div>{part('green', '900px')}<script>"
        "(onresize = () => document.documentElement.style.setProperty('--vh', innerHeight / 100 + 'px'))()</script>"),
        {290: BLUE, 310: GREEN}, 1200),
    "a list that is longer in a taller window": (
        styled("p {height: 58px; margin: 0 0 2px; background: green}", f"{part('blue', '600px')}<div id=l><p></div>{part('red', '100px')}"
        "<script>new IntersectionObserver(([e]) => { if (e.isIntersecting && innerHeight > 600) l.innerHTML += '<p><p><p><p><p>' })"
        ".observe(l)</script>"), {590: BLUE, 610: GREEN, 670: GREEN, 910: GREEN, 970: RED}, 1060),
    "a page as high as the window that loads more": (
        styled("html, body {height: 100%; margin: 0} main {min-height: 100%; background: blue} p {height: 300px; margin: 0; background: green}",
        f"<main><p></p><p></p><div id=l><p></p></div></main><main></main>{part('red', '100px')}<script>new IntersectionObserver(([e]) => {{"
        " if (e.isIntersecting && innerHeight > 600) l.innerHTML = '<p><p>' }).observe(l)</script>"),
        {890: GREEN, 1190: GREEN, 1210: BLUE, 1490: BLUE, 1510: RED}, 1600),
    "as many rows as fit into the window": (
        styled("p {height: 58px; margin: 0 0 2px; background: green}", f"<div id=l></div>{part('red', '400px', 'opacity: .5')}<script>"
        "(onresize = () => { l.innerHTML = '<p>'.repeat(innerHeight / 60) })()</script>"),
        {290: GREEN, 310: (255, 127, 127), 370: (255, 127, 127)}, 700),
    "a list that loads more whenever its end is seen": (
        styled("p {height: 90px; margin: 0 0 10px; background: green}", f"<div id=l></div><i id=e style='display:block'></i>{part('red', '50px')}<script>"
        "new IntersectionObserver(([at], seen) => { if (!at.isIntersecting || l.childElementCount === 60) return;"
        " l.insertAdjacentHTML('beforeend', '<p><p>'); seen.unobserve(e); setTimeout(() => seen.observe(e), 200) }).observe(e)</script>"),
        {5980: GREEN, 6010: RED}, 6050),
    "a section that fades in when it is seen": (
        revealed("e.style.background = 'green'; e.animate({opacity: [0, 1]}, 3000)"), {1000: GREEN}, 1200),
}  # fmt: skip


def strip(image: Image.Image) -> dict[int, tuple[int, ...]]:
    return {y: image.getpixel((200, y)) for y in range(image.height)}


def add_parts(site: Site) -> None:
    site.add(LATE, png(400, 300, GREEN), content_type="image/png", late=0.2)
    site.add("/below", body("green"))
    site.add("/upright.png", png(400, 300, RED), content_type="image/png")
    site.add("/upright.css", "body {background: red !important}", content_type="text/css")


@pytest.fixture(scope="module")
def pictures(engine: Engine, site: Site) -> dict[str, Image.Image]:
    add_parts(site)

    def capture(numbered: tuple[int, tuple]) -> Image.Image:
        number, (content, *_) = numbered
        return picture(engine.capture(site.add(f"/whole-{number}", content), full_page=True, **SIZE))

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(PAGES, pool.map(capture, enumerate(PAGES.values())), strict=True))


@pytest.mark.parametrize("name", PAGES)
def test_a_whole_page_shows_all_of_it(pictures: dict[str, Image.Image], name: str):
    _, points, height = PAGES[name]
    assert pictures[name].size == (400, height)
    assert {y: pictures[name].getpixel((200, y)) for y in points} == points


def test_a_pdf_holds_what_is_loaded_lazily(engine: Engine, site: Site, pictures: dict[str, Image.Image]):
    url = site.add("/printed", styled("", f"{GAP}{GAP}<img loading=lazy src={LATE}>"))
    assert b"/Subtype /Image" in engine.capture(url, format="pdf", **SIZE).content


def test_a_page_that_grows_for_ever_ends(engine: Engine, site: Site):
    more = "new IntersectionObserver(() => e.insertAdjacentHTML('beforebegin', '<p style=height:500px>x')).observe(e)"
    url = site.add("/endless", body("green", f"{GAP}<i id=e>x</i><script>{more}</script>"))
    image = picture(engine.capture(url, full_page=True, **SIZE))
    assert 1200 < image.height <= 16384
    assert image.getpixel((200, 800)) == GREEN


FADE = "new IntersectionObserver(f => { if (f[0].isIntersecting) e.style.opacity = 1 }).observe(e)"
LATER = """new IntersectionObserver(found => { if (found[0].isIntersecting) setTimeout(() => {
    e.style.height = '900px' }, 300) }).observe(e)"""
ELEMENTS = {
    "below the window": (f"{part('red')}{GAP}<div id=e style='height:600px;background:green'></div>", 600),
    "larger than the scroller it lies in": (
        "<div style='height:200px;overflow:auto;background:red'><div id=e style='height:700px;background:green'></div></div>"
        + part("red"),
        700,
    ),
    "under a bar that is fixed to the window": (
        f"<header style='position:fixed;inset:0 0 auto;height:50px;background:red'></header>{part('green', '280px', '').replace('<div', '<div id=e')}",
        280,
    ),
    "in a page that is locked": (
        f"<style>html, body {{height: 100%; overflow: hidden}}</style>{GAP}<div id=e style='height:400px;background:green'></div>",
        400,
    ),
    "far below all that can be drawn at once": (
        f"<div style='height:17000px;background:red'></div><div id=e style='height:500px;background:green'></div>{part('red')}",
        500,
    ),
    "at the end of a long page": (
        "<div style='height:17000px;background:red'></div><div id=e style='height:100px;background:green'></div>",
        100,
    ),
    "that grows when it is seen": (
        f"{GAP}<div id=e style='height:200px;background:green'></div><script>{LATER}</script>",
        900,
    ),
    "in closed details": (
        "<details><summary>More</summary><div id=e style='height:200px;background:green'></div></details>",
        200,
    ),
    "that is hidden until it is found": (
        f"{GAP}<div hidden=until-found><div id=e style='height:200px;background:green'></div></div>",
        200,
    ),
    "that fades in when it is seen": (
        f"{GAP}<div id=e style='height:300px;background:green;opacity:0'></div><script>{FADE}</script>",
        300,
    ),
}


@pytest.mark.parametrize("where", ELEMENTS)
def test_an_element_is_shown_whole_and_alone(engine: Engine, site: Site, where: str):
    inside, height = ELEMENTS[where]
    image = picture(engine.capture(site.add("/element", body("white", inside)), selector="#e", **SIZE))
    assert image.height == height
    assert set(strip(image).values()) == {GREEN}


def test_an_element_that_goes_away_meanwhile_is_a_page_failure(engine: Engine, site: Site):
    inside = f"{GAP}<div id=e style='height:300px'></div><script>onresize = () => e.remove()</script>"
    answer = engine.capture(site.add("/fleeting", body("white", inside)), selector="#e", **SIZE)
    assert (answer.status_code, answer.json()["message"]) == (422, 'selector: no element matched "#e"')
