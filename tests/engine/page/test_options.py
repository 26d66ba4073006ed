"""Every option of a capture, by its effect on the picture."""

from io import BytesIO

import pytest
from PIL import Image

from tests.support.engine import Engine
from tests.support.site import Site

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 128, 0), (0, 0, 255), (255, 255, 255)


def picture(response) -> Image.Image:
    assert response.status_code == 200, response.text
    return Image.open(BytesIO(response.content)).convert("RGB")


def colour(response, at=(10, 10)):
    return picture(response).getpixel(at)


def colour_of(content: bytes, at=(10, 10)):
    return Image.open(BytesIO(content)).convert("RGB").getpixel(at)


def body(background: str, inside: str = "", head: str = "") -> str:
    return f"<!doctype html><head>{head}</head><body style='margin:0;background:{background}'>{inside}</body>"


def png(width: int, height: int, fill: tuple[int, int, int]) -> bytes:
    out = BytesIO()
    Image.new("RGB", (width, height), fill).save(out, "png")
    return out.getvalue()


def test_a_page_is_captured_as_png_of_1280_by_720_by_default(engine: Engine, site: Site):
    answer = engine.capture(site.add("/plain", body("green")))
    assert answer.headers["Content-Type"] == "image/png"
    assert Image.open(BytesIO(answer.content)).format == "PNG"
    assert picture(answer).size == (1280, 720)
    assert colour(answer) == GREEN


def test_a_post_with_a_json_body_does_the_same(engine: Engine, site: Site):
    url = site.add("/posted", body("blue"))
    answer = engine.post("/v1/screenshot", json={"url": url, "width": 400, "height": "300", "full_page": False})
    assert picture(answer).size == (400, 300)
    assert colour(answer) == BLUE


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_the_picture_has_the_requested_format(engine: Engine, site: Site, kind: str):
    answer = engine.capture(site.add("/format", body("green")), format=kind, width=500, height=400)
    assert answer.headers["Content-Type"] == f"image/{kind}"
    assert Image.open(BytesIO(answer.content)).format == kind.upper()
    assert picture(answer).size == (500, 400)


def test_a_page_is_printed_to_pdf(engine: Engine, site: Site):
    answer = engine.capture(site.add("/print", body("green", "<h1>printed</h1>")), format="pdf")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF-")


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_less_quality_makes_a_smaller_file(engine: Engine, site: Site, kind: str):
    stripes = "repeating-linear-gradient(37deg, red, blue 9px, lime 23px)"
    url = site.add("/stripes", body("white", f"<div style='height:100vh;background:{stripes}'></div>"))
    small = {"width": 400, "height": 300}
    low, high = (len(engine.capture(url, format=kind, quality=q, **small).content) for q in (10, 95))
    assert low < high / 2


def test_width_and_height_are_those_of_the_viewport(engine: Engine, site: Site):
    url = site.add(
        "/wide", body("red", head="<style>@media (width: 1000px) {body{background:green!important}}</style>")
    )
    answer = engine.capture(url, width=1000, height=500)
    assert picture(answer).size == (1000, 500)
    assert colour(answer) == GREEN


@pytest.mark.parametrize(
    ("options", "size"),
    [({"retina": "true"}, (800, 600)), ({"scale": "1.5"}, (600, 450)), ({"scale": 3, "retina": 1}, (1200, 900))],
)
def test_scale_multiplies_the_pixels_and_not_the_layout(engine: Engine, site: Site, options: dict, size: tuple):
    url = site.add(
        "/scaled", body("red", head="<style>@media (width: 400px) {body{background:green!important}}</style>")
    )
    answer = engine.capture(url, width=400, height=300, **options)
    assert picture(answer).size == size
    assert colour(answer) == GREEN


def test_dark_mode_sets_the_colour_scheme_that_the_page_sees(engine: Engine, site: Site):
    dark = "<style>@media (prefers-color-scheme: dark) {body{background:blue!important}}</style>"
    url = site.add("/dark", body("white", head=dark))
    assert colour(engine.capture(url)) == WHITE
    assert colour(engine.capture(url, dark_mode="on")) == BLUE


def test_delay_is_counted_after_load(engine: Engine, site: Site):
    script = "<script>onload = () => setTimeout(() => document.body.style.background = 'green', 300)</script>"
    assert colour(engine.capture(site.add("/delayed", body("red", script)), delay=1500)) == GREEN


def test_wait_for_waits_until_an_element_matches(engine: Engine, site: Site):
    script = """<script>onload = () => setTimeout(() => {
        document.body.style.background = 'green'; document.body.className = 'done' }, 400)</script>"""
    assert colour(engine.capture(site.add("/awaited", body("red", script)), wait_for="body.done")) == GREEN


def test_domcontentloaded_does_not_wait_for_images(engine: Engine, site: Site):
    site.add("/stuck.png", png(9, 9, RED), content_type="image/png", endless=True)
    url = site.add("/impatient", body("green", "<img src=/stuck.png>"))
    assert colour(engine.capture(url, wait_until="domcontentloaded", timeout=10)) == GREEN


def test_networkidle_waits_for_requests_that_scripts_make_after_load(engine: Engine, site: Site):
    site.add("/part", "part")
    script = """<script>onload = async () => {
        for (let n = 0; n < 5; n++) { await fetch('/part?' + n); await new Promise(r => setTimeout(r, 60)) }
        document.body.style.background = 'green' }</script>"""
    assert colour(engine.capture(site.add("/chatty", body("red", script)), wait_until="networkidle")) == GREEN


def test_hide_selectors_overrides_an_important_inline_style(engine: Engine, site: Site):
    cover = "position:fixed;inset:0;background:red;display:block !important"
    url = site.add("/covered", body("green", f"<div id=a style='{cover}'></div><div class=b style='{cover}'></div>"))
    assert colour(engine.capture(url)) == RED
    assert colour(engine.capture(url, hide_selectors="#a, .b")) == GREEN
    as_list = engine.post("/v1/screenshot", json={"url": url, "hide_selectors": ["#a", ".b"]})
    assert colour(as_list) == GREEN


def test_cookie_banners_are_hidden_under_a_strict_content_security_policy(engine: Engine, site: Site):
    page = """<!doctype html><link rel=stylesheet href=/banner.css><body>
        <div id=onetrust-banner-sdk></div><script src=/banner.js></script>"""
    site.add(
        "/banner.css",
        "body{background:green} div{position:fixed;inset:0;background:red;display:block}",
        content_type="text/css",
    )
    # Some component libraries remove all other sheets.
    site.add("/banner.js", "onload = () => { document.adoptedStyleSheets = [] }", content_type="text/javascript")
    url = site.add("/banner", page, headers={"Content-Security-Policy": "default-src 'self'"})
    assert colour(engine.capture(url)) == RED
    assert colour(engine.capture(url, block_cookie_banners=1)) == GREEN


def test_a_selector_captures_its_element_alone(engine: Engine, site: Site):
    site.add("/inner.png", png(50, 45, BLUE), content_type="image/png")
    element = """<div style='height:2000px'></div><div id=it style='margin-left:400px;width:123px;height:45px;
        background:green'><img src=/inner.png loading=lazy style='display:block'></div><div style='height:3000px'></div>"""
    url = site.add("/element", body("red", element))
    answer = engine.capture(url, selector="#it")
    assert picture(answer).size == (123, 45)
    assert (colour(answer, (2, 2)), colour(answer, (120, 40))) == (BLUE, GREEN)
    assert picture(engine.capture(url, selector="#it", scale=2)).size == (246, 90)


def test_a_full_page_shows_its_lazy_images_and_keeps_viewport_units(engine: Engine, site: Site):
    for number in range(6):
        site.add(f"/lazy/{number}.png", png(40, 40, (0, 40 * number, 200)), content_type="image/png")
    images = "".join(
        f"<img src=/lazy/{number}.png loading=lazy style='display:block;width:100%;height:600px'>"
        for number in range(6)
    )
    url = site.add("/lazy", body("white", f"<div style='height:100vh;background:red'></div>{images}"))
    answer = engine.capture(url, full_page="true", width=640, height=400)
    assert picture(answer).size == (640, 400 + 6 * 600)
    assert colour(answer, (10, 399)) == RED
    assert [colour(answer, (10, 700 + 600 * n)) for n in range(6)] == [(0, 40 * n, 200) for n in range(6)]


def test_a_full_page_that_is_short_is_as_high_as_the_viewport(engine: Engine, site: Site):
    assert picture(engine.capture(site.add("/short", body("green", "short")), full_page="1")).size == (1280, 720)


def test_the_height_of_a_full_page_is_capped_lower_for_webp(engine: Engine, site: Site):
    """test_limits.py has the other formats."""
    url = site.add("/tall", body("green", "<div style='height:30000px;background:linear-gradient(red, blue)'></div>"))
    answer = engine.capture(url, full_page="yes", width=320, format="webp")
    assert picture(answer).size == (320, 16383)
    assert colour(answer, (10, 16381)) != WHITE


def test_the_area_of_a_full_page_is_capped(engine: Engine, site: Site):
    url = site.add("/vast", body("green", "<div style='height:30000px'></div>"))
    answer = engine.capture(url, full_page="yes", width=3840, scale=2, format="jpeg", quality=10)
    width, height = picture(answer).size
    assert width == 7680
    assert width * height <= 64 << 20


def test_a_redirect_by_script_or_refresh_is_followed_to_its_end(engine: Engine, site: Site):
    site.add("/end", body("green"))
    for name, head in {
        "replace": "<script>location.replace('/end')</script>",
        "onload": "<script>onload = () => { location.href = '/end' }</script>",
        "meta": "<meta http-equiv=refresh content='0;url=/end'>",
    }.items():
        assert colour(engine.capture(site.add(f"/from-{name}", body("red", head=head)))) == GREEN, name


def test_an_http_redirect_is_followed(engine: Engine, site: Site):
    site.add("/landing", body("blue"))
    assert colour(engine.capture(site.add("/moved", status=302, headers={"Location": "/landing"}))) == BLUE


NOW, LATER = "(look => look())", "(look => requestAnimationFrame(() => requestAnimationFrame(look)))"


@pytest.mark.parametrize(
    ("begin", "options", "at"),
    [
        (NOW, {}, (10, 10)),
        (NOW, {"full_page": 1}, (10, 1700)),
        (LATER, {"full_page": 1}, (10, 1700)),
        (LATER, {"selector": "#b"}, (10, 10)),
    ],
)
def test_an_element_that_fades_in_on_scroll_is_fully_visible(
    engine: Engine, site: Site, begin: str, options: dict[str, object], at: tuple[int, int]
):
    page = f"""<style>div{{height:900px;background:green;opacity:0;transition:opacity 9s}} .in{{opacity:1}}</style>
        <div></div><div id=b></div><script>
        const seen = new IntersectionObserver(all => all.forEach(e => e.isIntersecting && (e.target.className = 'in')));
        const look = () => document.querySelectorAll('div').forEach(div => seen.observe(div));
        onload = () => {begin}(look)</script>"""
    assert colour(engine.capture(site.add("/fading", body("white", page)), **options), at) == GREEN


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("image/png", png(2000, 2000, GREEN)),
        (
            "image/svg+xml",
            b"<svg xmlns='http://www.w3.org/2000/svg'><rect width='100%' height='100%' fill='green'/></svg>",
        ),
        ("text/plain; charset=utf-8", "plain text, Grüße".encode()),
        ("application/xml", b"<?xml version='1.0'?><a><b>text</b></a>"),
        ("application/json", b'{"a": 1}'),
    ],
)
def test_a_document_other_than_html_is_captured_too(engine: Engine, site: Site, kind: str, content: bytes):
    url = site.add("/document", content, content_type=kind)
    options = {"full_page": 1, "hide_selectors": ".none", "block_cookie_banners": 1, "wait_until": "networkidle"}
    assert len(picture(engine.capture(url, **options)).getcolors(1 << 20)) >= 1
