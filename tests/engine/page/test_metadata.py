"""What a page says of itself comes with its picture, whatever the page does to prevent or to misuse that."""

import json

import pytest

from tests.engine.page.test_options import GREEN, body, colour
from tests.engine.page.test_pdf_documents import INSTALLED, pdf
from tests.support.engine import Engine
from tests.support.site import Site

SMALL = {"width": 400, "height": 300}
RICH = """<title>Plain title</title>
<meta charset=utf-8>
<meta name=description content="Plain description">
<meta property="og:title" content="  Garden
   of  the year ">
<meta property="og:description" content="A garden, described.">
<meta property="og:site_name" content="Gardens">
<meta property="og:image" content="/preview.jpg?w=1200&amp;h=630">
<meta property="og:image:width" content=1200><meta property="og:image:height" content=630>
<meta property="og:image:alt" content="A pond">
<meta name=author content="Ada Writer"><meta property="article:published_time" content="2026-01-02T03:04:05Z">
<meta name=theme-color media="(prefers-color-scheme: dark)" content=black>
<meta name=theme-color content="hsl(120 100% 25%)">
<link rel=canonical href="/garden">
<link rel="apple-touch-icon" href=/touch.png>
<link rel="shortcut icon" sizes="16x16 32x32" href=/icon.ico>
<link rel=alternate type=application/rss+xml title="News" href=/feed.xml>
<link rel=alternate type=application/rss+xml href="feed://elsewhere.example/">
<link rel=alternate hreflang=de href=/de>"""


def said(engine: Engine, url: str, **params) -> dict:
    answer = engine.capture(url, **SMALL, **params)
    assert answer.status_code == 200, answer.text
    return json.loads(answer.headers["X-Page-Metadata"])


def test_a_page_is_described_by_what_its_head_says(engine: Engine, site: Site):
    url = site.add("/rich", f"<html lang=en-GB>{body('green', head=RICH)}")

    assert said(engine, url) == {
        "url": url,
        "status": 200,
        "title": "Garden of the year",
        "description": "A garden, described.",
        "site_name": "Gardens",
        "author": "Ada Writer",
        "published": "2026-01-02T03:04:05+00:00",
        "language": "en-GB",
        "theme_color": "#008000",
        "canonical": site.url("/garden"),
        "image": {"url": site.url("/preview.jpg?w=1200&h=630"), "width": 1200, "height": 630, "alt": "A pond"},
        "icons": [{"url": site.url("/icon.ico"), "side": 32}, {"url": site.url("/touch.png"), "side": 180}],
        "feeds": [{"url": site.url("/feed.xml"), "type": "application/rss+xml", "title": "News"}],
    }


def test_it_is_read_where_redirects_and_scripts_have_led(engine: Engine, site: Site):
    script = (
        "document.title = 'Late'; history.replaceState(0, '', '/final?x=1'); document.body.style.background = 'green'"
    )
    site.add("/landing", body("red", f"<script>setTimeout(() => {{ {script} }}, 100)</script>"))
    known = said(engine, site.add("/moved", status=302, headers={"Location": "/landing"}))

    assert (known["url"], known["title"]) == (site.url("/final?x=1"), "Late")


def test_links_are_resolved_against_the_base_of_the_document(engine: Engine, site: Site):
    head = "<base href=https://cdn.example/deep/><link rel=icon href=../icon.png><meta name=twitter:image content=//img.example/a>"
    known = said(engine, site.add("/based", body("green", head=head)))

    assert known["icons"][0]["url"] == "https://cdn.example/icon.png"
    assert known["image"]["url"] == "https://img.example/a"


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "data:image/png;base64,AAAA", "file:///etc/passwd", "blob:x", "x" * 9999]
)
def test_only_links_of_the_web_leave_the_page(engine: Engine, site: Site, link: str):
    head = f"<title>T</title><meta property=og:image content='{link}'><link rel='icon canonical' href='{link}'>"
    known = said(engine, site.add("/bad-links", body("green", head=head)))

    assert known == {"url": site.url("/bad-links"), "status": 200, "title": "T"}


FAKES = """<script>
  for (const type of [Document, Element, Node, HTMLTitleElement])
    for (const name of Object.getOwnPropertyNames(type.prototype))
      try { Object.defineProperty(type.prototype, name, {get() { throw 1 }, configurable: true}) } catch {}
  for (const name of ['querySelector', 'getElementsByTagName', 'title', 'baseURI'])
    Object.defineProperty(document, name, {get: () => { throw 1 }});
  URL = Map = Array = Object = String = matchMedia = null;
</script>"""
CLOBBERS = "".join(
    f"<img name={name}>"
    for name in ("getElementsByTagName", "title", "baseURI", "documentElement", "querySelector", "head")
)


@pytest.mark.parametrize("trick", [FAKES, CLOBBERS, FAKES + CLOBBERS])
def test_a_page_cannot_keep_the_engine_from_reading_it(engine: Engine, site: Site, trick: str):
    page = (
        f"<!doctype html><title>True</title><meta name=description content=told><body style='background:green'>{trick}"
    )
    known = said(engine, site.add("/trick", page))

    assert (known["title"], known["description"]) == ("True", "told")


def test_a_title_of_a_megabyte_is_cut(engine: Engine, site: Site):
    answer = engine.capture(site.add("/long", body("green", head=f"<title>{'word ' * 200_000}</title>")), **SMALL)

    assert colour(answer) == GREEN
    assert len(json.loads(answer.headers["X-Page-Metadata"])["title"]) <= 300


def test_ten_thousand_links_are_bounded(engine: Engine, site: Site):
    links = "".join(
        f"<link rel=icon href=/{'i' * 1000}{n}><link rel=alternate type=application/atom+xml href=/{'f' * 1000}{n}>"
        for n in range(10_000)
    )
    answer = engine.capture(site.add("/links", body("green", head=f"<title>T</title>{links}")), **SMALL)
    known = json.loads(answer.headers["X-Page-Metadata"])

    assert known["title"] == "T"
    assert (len(known["icons"]), len(known["feeds"])) == (8, 5)
    assert len(answer.headers["X-Page-Metadata"]) <= 16384


def test_characters_that_nobody_sees_are_removed(engine: Engine, site: Site):
    head = "<meta charset=utf-8><title>a\u202egnp.exe\u2066\u200b\x07 \u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 👩\u200d💻</title>"
    known = said(engine, site.add("/bidi", f"<!doctype html>{head}<body style='background:green'>"))

    assert known["title"] == "agnp.exe \u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 👩\u200d💻"


def test_a_lone_half_of_a_character_is_no_text(engine: Engine, site: Site):
    page = body("green", "<script>document.title = 'x \\ud83d y'</script>")

    assert said(engine, site.add("/half", page))["title"] == "x y"


def test_a_page_without_a_head_says_where_it_is(engine: Engine, site: Site):
    assert said(engine, site.add("/bare", body("green"))) == {"url": site.url("/bare"), "status": 200}


def test_an_error_page_that_is_shown_is_described_with_its_status(engine: Engine, site: Site):
    url = site.add("/gone", body("green", head="<title>Gone</title>"), status=410)
    known = said(engine, url, error_pages="show")

    assert (known["status"], known["title"]) == (410, "Gone")


@pytest.mark.skipif(not INSTALLED, reason="Debian's libjs-pdf is not installed")
def test_a_pdf_is_known_by_its_url_alone(engine: Engine, site: Site):
    url = site.add("/file.pdf", pdf("red"), content_type="application/pdf")

    assert said(engine, url) == {"url": url, "status": 200}
