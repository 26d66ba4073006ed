"""A page that asks not to be shown, by a header or a meta tag, is not: docs/capturing.md, Pages that do not want it."""

import pytest

from tests.engine.page.test_failures import told
from tests.engine.page.test_options import GREEN, body, colour
from tests.engine.page.test_pdf_documents import INSTALLED, pdf
from tests.support.engine import Engine
from tests.support.site import Site

META = '<meta name="thumbnails" content="none">'
HEADER = {"X-Thumbnails": "none"}


def answer(engine: Engine, url: str, **options: object) -> tuple[int, str, bool]:
    response = engine.capture(url, **options)
    if response.status_code == 200:
        return 200, "", False
    return told(response)


REFUSED = (422, "opted_out", False)
SHOWN = (200, "", False)


@pytest.mark.parametrize("block_ads", ["true", "false"])
def test_a_page_with_the_header_is_not_shown(engine: Engine, site: Site, block_ads: str):
    assert answer(engine, site.add("/header", body("green"), headers=HEADER), block_ads=block_ads) == REFUSED


@pytest.mark.parametrize("header", ["NONE", "index, none", " none ", "all;none"])
def test_the_header_may_have_other_words_too(engine: Engine, site: Site, header: str):
    assert answer(engine, site.add("/words", body("green"), headers={"x-thumbnails": header})) == REFUSED


@pytest.mark.parametrize(
    "tag", [META, "<META NAME=Thumbnails CONTENT='None'>", '<meta content="noindex, none" name=thumbnails>']
)
def test_a_page_with_the_meta_tag_is_not_shown(engine: Engine, site: Site, tag: str):
    assert answer(engine, site.add("/tag", f"<!doctype html>{tag}{body('green')}")) == REFUSED


def test_a_script_may_set_the_meta_tag(engine: Engine, site: Site):
    script = "<script>document.head.innerHTML += '<meta name=thumbnails content=none>'</script>"
    assert answer(engine, site.add("/by-script", body("green", script))) == REFUSED


@pytest.mark.parametrize(
    ("headers", "head"),
    [
        ({"X-Thumbnails": "all"}, ""),
        ({"X-Thumbnails": "nonesuch"}, ""),
        ({"X-Robots-Tag": "none"}, ""),
        ({}, '<meta name="robots" content="none">'),
        ({}, '<meta name="thumbnails" content="">'),
        ({}, '<meta name="thumbnails">'),
    ],
)
def test_nothing_else_is_taken_for_it(engine: Engine, site: Site, headers: dict[str, str], head: str):
    assert answer(engine, site.add("/shown", f"<!doctype html>{head}{body('green')}", headers=headers)) == SHOWN


def test_only_the_page_that_is_shown_counts(engine: Engine, site: Site):
    """Neither a redirect before it, nor a frame or an image in it, nor the document that a script has left."""
    site.add("/frame", f"{META}{body('red')}", headers=HEADER)
    site.add("/image.png", b"", content_type="image/png", headers=HEADER)
    site.add("/shown-page", body("green", "<iframe hidden src=/frame></iframe><img hidden src=/image.png>"))
    moved = site.add("/moved", status=302, headers=HEADER | {"Location": "/shown-page"})
    left = site.add("/left", f"{META}<script>location = '/shown-page'</script>", headers=HEADER)

    assert [colour(engine.capture(url)) for url in (moved, left)] == [GREEN, GREEN]


def test_where_redirects_and_scripts_lead_counts(engine: Engine, site: Site):
    site.add("/wants-none", body("red"), headers=HEADER)
    moved = site.add("/moves", status=302, headers={"Location": "/wants-none"})
    led = site.add("/leads", "<script>location = '/wants-none'</script>")

    assert [answer(engine, url) for url in (moved, led)] == [REFUSED, REFUSED]


@pytest.mark.parametrize(
    "options", [{"full_page": "true"}, {"format": "pdf"}, {"error_pages": "show"}, {"selector": "h1"}]
)
def test_it_holds_for_each_kind_of_picture(engine: Engine, site: Site, options: dict[str, str]):
    status = 404 if "error_pages" in options else 200
    assert (
        answer(engine, site.add("/kinds", body("green", "<h1>Here</h1>"), headers=HEADER, status=status), **options)
        == REFUSED
    )


def test_it_holds_for_pictures(engine: Engine, site: Site):
    svg = '<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>'
    picture = site.add("/drawn.svg", svg, content_type="image/svg+xml", headers=HEADER)

    assert answer(engine, picture) == REFUSED


@pytest.mark.skipif(not INSTALLED, reason="Debian's libjs-pdf is not installed")
def test_it_holds_for_pdfs(engine: Engine, site: Site):
    url = site.add("/opted-out.pdf", pdf("green"), content_type="application/pdf", headers=HEADER)

    assert answer(engine, url) == REFUSED


def test_a_page_that_never_finishes_counts_too(short_deadline_engine: Engine, site: Site):
    url = site.add("/never", f"<!doctype html>{META}{body('green')}", endless=True)
    assert answer(short_deadline_engine, url) == REFUSED
