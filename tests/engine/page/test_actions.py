"""What the caller does to a page: css, js, click, scroll_y, bypass_csp."""

import pytest

from tests.engine.page.test_hostile_pages import failure
from tests.engine.page.test_options import BLUE, GREEN, RED, WHITE, body, colour, picture
from tests.support.engine import Engine
from tests.support.site import Site

SMALL = {"width": 400, "height": 300}
NOTE = "X-Thumb-Note"
STRICT = {"Content-Security-Policy": "default-src 'self'"}
BUTTON = "position:absolute;left:150px;top:100px;width:100px;height:40px"


def post(engine: Engine, url: str, **options: object):
    return engine.post("/v1/screenshot", json={"url": url, **SMALL, **options})


def turning(event: str = "click", colour_: str = "green") -> str:
    return f"<script>it.addEventListener('{event}', () => document.body.style.background = '{colour_}')</script>"


def test_a_style_sheet_overrides_the_pages_own_also_under_a_strict_policy(engine: Engine, site: Site):
    url = site.add("/styled", "<!doctype html><link rel=stylesheet href=/own.css><p>text", headers=STRICT)
    site.add("/own.css", "html { background: red } p { position: fixed; inset: 0 }", content_type="text/css")
    assert colour(post(engine, url)) == RED
    assert colour(post(engine, url, css="html { background: blue }")) == BLUE
    assert colour(engine.capture(url, css="html { background: blue }", **SMALL)) == BLUE


def test_a_style_sheet_is_there_before_the_page_measures_itself_and_stays(engine: Engine, site: Site):
    script = """<script>
        document.body.style.background = getComputedStyle(document.body).paddingTop === '7px' ? 'green' : 'red';
        onload = () => { document.adoptedStyleSheets = [] }</script>"""
    url = site.add("/measured", body("red", f"<i>text</i>{script}"))
    answer = post(
        engine, url, css="body { padding-top: 7px } i { position: fixed; inset: 150px 0 0 0; background: blue }"
    )
    assert (colour(answer), colour(answer, (300, 250))) == (GREEN, BLUE)


def test_a_style_sheet_is_for_the_page_and_not_for_its_frames(engine: Engine, site: Site):
    site.add("/framed", body("green"))
    url = site.add("/framing", body("white", "<iframe src=/framed style='position:fixed;inset:0;border:0'></iframe>"))
    assert colour(post(engine, url, css="body { background: red !important }")) == GREEN


def test_a_style_sheet_may_import_another(engine: Engine, site: Site):
    site.add("/imported.css", "body { background: green !important }", content_type="text/css")
    assert colour(post(engine, site.add("/importing", body("red")), css="@import url(/imported.css);")) == GREEN


def test_a_script_runs_in_the_pages_own_world_after_load(engine: Engine, site: Site):
    page = "<i>text</i><script>let state = 'loading'; onload = () => { state = 'green' }</script>"
    url = site.add("/scripted", body("red", page))
    assert colour(post(engine, url, js="document.body.style.background = state")) == GREEN


def test_what_a_script_sets_going_is_waited_for(engine: Engine, site: Site):
    site.add("/colour", "green", late=0.5)
    js = """fetch('/colour').then(answer => answer.text()).then(text =>
        setTimeout(() => { document.body.style.background = text }, 500))"""
    assert colour(post(engine, site.add("/fetching", body("red", "text")), js=js)) == GREEN


def test_a_script_sees_nothing_of_ours(engine: Engine, site: Site):
    """The names of the isolated world, of bindings, and of what automation leaves behind."""
    js = """const own = document.createElement('iframe'); document.body.append(own);
        const known = new Set(Object.getOwnPropertyNames(own.contentWindow));
        const added = Object.getOwnPropertyNames(window).filter(name => !known.has(name) && !/^[0-9]+$/.test(name));
        own.remove();
        const ours = ['banners', 'kept', 'added', 'inner', 'before'].filter(name => name in window);
        document.body.style.background = added.length + ours.length === 0 ? 'green' : 'red';
        document.title = added.join()"""
    assert colour(post(engine, site.add("/looking", body("blue", "text")), js=js, hide_selectors=".x")) == GREEN


@pytest.mark.parametrize(
    "js", ["throw new Error('s3cret')", "const s3cret = ;", "throw 'x'.repeat(9e6)", "while (true) {}"]
)
def test_a_script_that_fails_does_not_fail_the_capture_and_is_noted(short_deadline_engine: Engine, site: Site, js: str):
    answer = post(short_deadline_engine, site.add("/failing", body("green", "text")), js=js)
    assert (colour(answer), answer.headers[NOTE]) == (GREEN, "script-failed=1")


def test_a_script_that_works_is_not_noted(engine: Engine, site: Site):
    url = site.add("/working", body("green", "text"))
    for js in ("1", "'x'.repeat(9e6) // its value is not needed", "new Promise(() => {})", "'use strict'; let a = 1"):
        answer = post(engine, url, js=js)
        assert (colour(answer), NOTE in answer.headers) == (GREEN, False), js


def test_a_script_may_lead_to_another_page_and_runs_there_no_more(engine: Engine, site: Site):
    site.add("/led-to", body("green", "text"))
    url, before = site.add("/leading", body("red", "text")), site.hits("/led-to")
    assert colour(post(engine, url, js="location = '/led-to'")) == GREEN
    assert site.hits("/led-to") == before + 1


def test_a_script_runs_in_the_page_that_a_redirect_by_script_leads_to(engine: Engine, site: Site):
    site.add("/target", body("red", "text"))
    url = site.add(
        "/splash", body("blue", "<script>onload = () => setTimeout(() => location = '/target', 400)</script>")
    )
    assert colour(post(engine, url, js="document.body.style.background = 'green'")) == GREEN


def test_a_policy_against_inline_scripts_is_lifted_on_request(engine: Engine, site: Site):
    url = site.add("/strict", body("red", "text"), headers=STRICT)
    js = """const script = document.createElement('script');
        script.textContent = "document.body.style.background = 'green'"; document.body.append(script)"""
    assert colour(post(engine, url, js=js)) == WHITE  # its own inline style is refused too
    assert colour(post(engine, url, js=js, bypass_csp=True)) == GREEN


def test_a_click_is_one_of_a_mouse_at_the_middle_of_the_element(engine: Engine, site: Site):
    script = """<script>const seen = [];
        for (const kind of ['mousedown', 'mouseup', 'click']) it.addEventListener(kind, event => {
          seen.push(kind); const good = event.isTrusted && event.clientX === 200 && event.clientY === 120;
          document.body.style.background = good && seen.join() === 'mousedown,mouseup,click' ? 'green' : 'blue' })
        </script>"""
    url = site.add("/button", body("red", f"<button id=it style='{BUTTON}'>x</button>{script}"))
    assert colour(engine.capture(url, click="#it", **SMALL)) == GREEN
    assert colour(engine.capture(url, click="#it", scale=2, **SMALL)) == GREEN
    assert colour(engine.capture(url, click="#it", full_page=1, **SMALL)) == GREEN


def test_the_mouse_stays_where_it_has_clicked(engine: Engine, site: Site):
    style = "<style>body:has(#it:hover) { background: green !important }</style>"
    url = site.add("/hovered", body("red", f"<button id=it style='{BUTTON}'>x</button>", style))
    assert colour(engine.capture(url, click="#it", **SMALL)) == GREEN


def test_an_element_is_scrolled_into_view_to_be_clicked(engine: Engine, site: Site):
    page = f"<div style='height:3000px'></div><button id=it>x</button>{turning()}"
    url = site.add("/far-button", body("red", page))
    assert colour(engine.capture(url, click="#it", **SMALL)) == GREEN


def test_a_click_comes_when_the_page_is_at_rest(engine: Engine, site: Site):
    """An application attaches its handlers after load, and what the click sets going is waited for."""
    site.add("/answer", "green", late=0.3)
    script = """<script>onload = () => setTimeout(() => {
        const button = document.createElement('button'); button.id = 'late'; button.textContent = 'x';
        document.body.append(button);
        button.onclick = async () => { document.body.style.background = await (await fetch('/answer')).text() } }, 500)
        </script>"""
    url = site.add("/hydrated", body("red", script))
    assert colour(engine.capture(url, click="#late", **SMALL), (300, 200)) == GREEN


def test_a_navigation_by_a_click_is_followed_and_judged(engine: Engine, site: Site):
    site.add("/clicked", body("green", f"<a id=it style='{BUTTON}' href=/nowhere>back</a>"))
    link = "<a id=it style='{}' href={}>x</a>".format
    urls = {
        where: site.add(f"/link-to{n}", body("red", link(BUTTON, where)))
        for n, where in enumerate(
            ["/clicked", "/absent-page", "http://10.0.0.1/", "javascript:location='http://10.0.0.1/'"]
        )
    }
    assert colour(engine.capture(urls["/clicked"], click="#it", **SMALL)) == GREEN
    assert failure(engine.capture(urls["/absent-page"], click="#it", **SMALL))[:2] == (422, "page_status")
    for inside in ("http://10.0.0.1/", "javascript:location='http://10.0.0.1/'"):
        assert failure(engine.capture(urls[inside], click="#it", **SMALL))[:2] == (400, "blocked_url")


def test_a_page_that_asks_whether_to_leave_is_left(engine: Engine, site: Site):
    site.add("/left-for", body("green", "text"))
    page = f"<a id=it style='{BUTTON}' href=/left-for>x</a><script>onbeforeunload = () => 'stay'</script>"
    assert colour(engine.capture(site.add("/asking", body("red", page)), click="#it", **SMALL)) == GREEN


def test_a_click_that_opens_a_window_or_a_file_leaves_the_page_as_it_is(engine: Engine, site: Site):
    site.add("/file.bin", b"x", content_type="application/octet-stream")
    for name, link in {"window": "href=/other target=_blank", "file": "href=/file.bin"}.items():
        url = site.add(f"/opening-{name}", body("red", f"<a id=it style='{BUTTON}' {link}>x</a>{turning('mousedown')}"))
        assert colour(engine.capture(url, click="#it", timeout=12, **SMALL)) == GREEN, name


def test_a_click_that_never_returns_does_not_hold_the_picture_up(engine: Engine, site: Site):
    page = f"<button id=it style='{BUTTON}'>x</button><script>it.onclick = () => {{ while (true) ; }}</script>"
    assert picture(engine.capture(site.add("/hanging", body("red", page)), click="#it", **SMALL)).size == (400, 300)


def test_an_element_to_click_that_is_not_there_fails_the_capture(engine: Engine, site: Site):
    url = site.add("/no-button", body("red", "<b id=hidden hidden></b>"))
    assert failure(engine.capture(url, click="#none", **SMALL)) == (
        422,
        "selector_not_found",
        'click: no element matched "#none"',
    )
    no_size = 'click: the element that matched "#hidden" has no size'
    assert failure(engine.capture(url, click="#hidden", **SMALL)) == (422, "selector_not_found", no_size)
    answer = failure(engine.capture(url, click="a[", **SMALL))
    assert answer == (400, "validation_error", "click: must be a valid CSS selector")


TALL = "<div style='height:600px;background:red'></div><div style='height:2000px;background:green'>text</div>"


@pytest.mark.parametrize("scale", [1, 2])
def test_the_window_is_scrolled_before_the_picture(engine: Engine, site: Site, scale: int):
    url = site.add("/scrolled", body("white", TALL))
    answer = engine.capture(url, scroll_y=550, scale=scale, **SMALL)
    assert [colour(answer, (300, y * scale)) for y in (40, 60)] == [RED, GREEN]


def test_what_scrolling_brings_is_in_the_picture(engine: Engine, site: Site):
    page = f"""{TALL}<script>onscroll = () =>
        setTimeout(() => {{ document.querySelector('div + div').style.background = 'blue' }}, 400)</script>"""
    assert colour(engine.capture(site.add("/on-scroll", body("white", page)), scroll_y=650, **SMALL)) == BLUE


def test_an_application_that_scrolls_inside_is_scrolled_there(engine: Engine, site: Site):
    url = site.add("/app", body("white", f"<main style='height:100vh;overflow:auto'>{TALL}</main>"))
    assert colour(engine.capture(url, scroll_y=650, **SMALL)) == GREEN
