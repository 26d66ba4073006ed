"""What a page says of itself comes with its picture, whatever the page does to prevent or to misuse that."""

import json

import pytest

from tests.engine.page.test_options import GREEN, body, colour
from tests.engine.page.test_pdf_documents import INSTALLED, pdf
from tests.support.engine import Engine
from tests.support.pictures import photo
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
<link rel=alternate type='application/rss+xml; charset=utf-8' title="News" href=/feed.xml>
<link rel=alternate type=application/rss+xml href="feed://elsewhere.example/">
<link rel=alternate hreflang=de href=/de>"""


def said(engine: Engine, url: str, **params) -> dict:
    """What the page says, without the tags as it writes them."""
    told = all_said(engine, url, **params)
    told.pop("share", None)
    return told


def all_said(engine: Engine, url: str, **params) -> dict:
    answer = engine.capture(url, **SMALL, **params)
    assert answer.status_code == 200, answer.text
    return json.loads(answer.headers["X-Page-Metadata"])


def test_the_tags_that_networks_read_come_as_the_page_writes_them(engine: Engine, site: Site):
    url = site.add(
        "/tags",
        body("green", head=RICH + '<meta property="twitter:image:src" content="/x.jpg"><meta name=title content=T>'),
    )
    assert all_said(engine, url)["share"] == {
        "title": "Plain title",
        "description": "Plain description",
        "og:title": "Garden of the year",
        "og:description": "A garden, described.",
        "og:site_name": "Gardens",
        "og:image": "/preview.jpg?w=1200&h=630",
        "og:image:width": "1200",
        "og:image:height": "630",
        "og:image:alt": "A pond",
        "twitter:image": "/x.jpg",
    }
    assert all_said(engine, site.add("/no-tags", body("green")))["share"] == {"title": ""}


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

    known.pop("icon_data", "")  # which no program fetches
    assert known == {"url": site.url("/bad-links"), "status": 200, "title": "T"}


OG = "<meta property='og:image{}' content='{}'>"


@pytest.mark.parametrize(
    ("head", "image"),
    [
        (OG.format("", "data:image/png;base64,AAAA") + OG.format("", "/b.png"), {"url": "/b.png"}),
        (OG.format("", "javascript:x") + "<meta name=twitter:image content=/t.png>", {"url": "/t.png"}),
        (
            OG.format("", "blob:x") + OG.format(":width", "9") + OG.format("", "/b.png") + OG.format(":width", "1200"),
            {"url": "/b.png", "width": 1200},
        ),
        (
            OG.format("", "/a.png") + OG.format(":alt", "A") + OG.format("", "/b.png") + OG.format(":width", "1200"),
            {"url": "/a.png", "alt": "A"},
        ),
        (OG.format(":url", "/u.png") + OG.format(":height", "5"), {"url": "/u.png", "height": 5}),
        (OG.format("", "/a.png") + OG.format(":secure_url", "/s.png"), {"url": "/s.png"}),
        ("<meta itemprop=image content=/i.png>", {"url": "/i.png"}),
    ],
)
def test_the_first_picture_that_can_be_fetched_is_named_with_what_is_said_of_it(engine, site, head, image):
    known = said(engine, site.add("/pictures", body("green", head=head)))

    assert known["image"] == {"width": 0, "height": 0, "alt": ""} | image | {"url": site.url(image["url"])}


def test_a_picture_shows_itself(engine, site):
    url = site.add("/photo", photo(800, 500), content_type="image/png")

    assert said(engine, url)["image"]["url"] == url


@pytest.mark.parametrize(
    ("html", "head", "language"),
    [
        ("<html lang=pt_BR>", "", "pt-BR"),
        ("<html lang=deutsch1>", "<meta property=og:locale content=de_AT>", "de-AT"),
        ("<html lang='' xml:lang=fr>", "", "fr"),
        ("<html>", "<meta http-equiv=Content-Language content=it>", "it"),
    ],
)
def test_the_first_language_that_is_one_counts(engine, site, html, head, language):
    known = said(engine, site.add("/spoken", f"<!doctype html>{html}{body('green', head=head)}"))

    assert known["language"] == language


@pytest.mark.parametrize(
    ("head", "published"),
    [
        (
            "<meta property=article:published_time content=2026-02-30><meta name=date content=2026-02-03>",
            "2026-02-03T00:00:00",
        ),
        ("<meta name=pubdate content='Mon, 02 Feb 2026 10:00:00 GMT'>", "2026-02-02T10:00:00+00:00"),
        ("<meta itemprop=datePublished content='2026-02-03T04:05:06+01:00'>", "2026-02-03T04:05:06+01:00"),
    ],
)
def test_the_first_date_that_is_one_counts(engine, site, head, published):
    assert said(engine, site.add("/dated", body("green", head=head)))["published"] == published


@pytest.mark.parametrize(("dark", "icon"), [("false", "/light.png"), ("true", "/dark.png")])
def test_an_icon_is_the_one_for_such_a_window(engine, site, dark, icon):
    head = "".join(
        f"<link rel=icon media='(prefers-color-scheme: {name})' href=/{name}.png>" for name in ("dark", "light")
    )
    known = said(engine, site.add("/two-icons", body("green", head=head)), dark_mode=dark)

    assert [each["url"] for each in known["icons"]] == [site.url(icon)]


def test_what_is_said_of_a_comment_is_not_said_of_the_page(engine, site):
    comment = (
        "<div itemprop=review itemscope><meta itemprop=author content=Guest><meta itemprop=datePublished content=2019-01-01>"
        "<meta itemprop=description content=Bad><meta itemprop=image content=/guest.png></div>"
    )
    url = site.add("/commented", body("green", comment, head="<title>T</title>"))

    assert said(engine, url) == {"url": url, "status": 200, "title": "T"}


def linked_data(*things: object) -> str:
    return "".join(f"<script type='application/ld+json'>{json.dumps(each)}</script>" for each in things)


ARTICLE = {
    "@type": ["Thing", "NewsArticle"],
    "headline": "Head",
    "description": "Described",
    "image": [{"@type": "ImageObject", "url": "/ld.png"}, "/other.png"],
    "author": [{"@type": "Person", "name": "Ada"}],
    "publisher": {"@type": "Organization", "name": "Gazette"},
    "datePublished": "2026-03-01T10:00:00+01:00",
}


@pytest.mark.parametrize(
    "data",
    [
        linked_data(ARTICLE),
        linked_data({"@type": "Organization", "description": "No"}, {"@graph": [{"@type": "WebSite"}, ARTICLE]}),
        linked_data({"@type": "WebPage", "mainEntity": ARTICLE}) + "<script type=application/ld+json>{broken</script>",
    ],
)
def test_linked_data_fill_what_the_head_leaves_out(engine, site, data):
    url = site.add("/linked", f"<html lang=en>{body('green', head=data)}")

    assert said(engine, url) == {
        "url": url,
        "status": 200,
        "title": "Head",
        "description": "Described",
        "site_name": "Gazette",
        "author": "Ada",
        "published": "2026-03-01T10:00:00+01:00",
        "language": "en",
        "image": {"url": site.url("/ld.png"), "width": 0, "height": 0, "alt": ""},
    }


@pytest.mark.parametrize(
    "data",
    [
        '<script type=application/ld+json>{"@type":"Article","image":' + "[" * 50_000 + "]" * 50_000 + "}</script>",
        linked_data(
            {"@type": "Article", "headline": {"name": 5}, "author": {"name": {"name": {}}}, "image": [[[[[1]]]]]}
        ),
        linked_data(None, 5, "text", [], {"@type": {"a": 1}, "@graph": {"@graph": {"@graph": {"@graph": {}}}}}),
        linked_data({"@type": "Article", "headline": "x" * (1 << 18)}),
    ],
)
def test_odd_linked_data_say_nothing(engine, site, data):
    url = site.add("/odd-data", body("green", head=f"<title>T</title>{data}"))

    assert said(engine, url) == {"url": url, "status": 200, "title": "T"}


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
