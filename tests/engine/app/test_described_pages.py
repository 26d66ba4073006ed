"""One visit of a page gives its thumbnail, what it says of itself, its icon, its own picture and its card."""

import io
import re
from base64 import b64encode
from html import unescape

import pytest
from PIL import Image

import services
from app import create_app
from config import Settings
from tests.engine.page.test_options import body
from tests.support import pictures
from tests.support.engine import Engine
from tests.support.site import Site


@pytest.fixture
def client(engine: Engine, site: Site, redis_url, tmp_path):
    settings = Settings.of(
        redis_url=redis_url,
        capture_url=engine.url,
        private_targets=site.address,
        originals_dir=tmp_path / "originals",
        persist_dir=tmp_path / "media",
        database_url=f"sqlite:///{tmp_path}/thumbnails.db",
    )
    built = services.build(settings)
    yield create_app(settings, built).test_client()
    built.close()


@pytest.mark.parametrize("kind", ["PNG", "GIF", "ICO"])
def test_an_icon_that_is_written_in_the_page_is_shown(client, site: Site, kind):
    """Pages write a small icon so, an SVG above all; and some write nothing, against requests for /favicon.ico."""
    blue = io.BytesIO()
    Image.new("RGBA", (32, 32), "blue").save(blue, kind)
    written = b64encode(blue.getvalue()).decode().rstrip("=").replace("+", "%2B")
    links = ("data:,", "data:image/svg+xml;base64,PHN2Zy8+", f"data:image/x-icon;base64,\n{written}")
    head = "".join(f'<link rel=icon href="{each}">' for each in links)
    answer = client.get(
        "/icon", query_string={"url": site.add(f"/written-{kind}", body("green", head=head)), "size": 16}
    )

    assert answer.headers["X-Icon"] == "page"
    assert Image.open(io.BytesIO(answer.data)).convert("RGBA").getpixel((8, 8)) == (0, 0, 255, 255)


@pytest.mark.parametrize("data", ["", "=", "!!!!", "AAAA", "A" * 100_000])
def test_what_is_no_icon_in_the_page_leaves_the_letter(client, site: Site, data):
    head = f'<title>T</title><link rel=icon href="data:image/png;base64,{data}">'
    url = site.add("/unwritten", body("green", head=head))

    assert client.get("/icon", query_string={"url": url}).headers["X-Icon"] == "letter"
    assert client.get("/meta", query_string={"url": url}).json["title"] == "T"


def test_a_page_is_visited_once_for_all_that_is_shown_of_it(client, site: Site):
    head = """<title>庭園 &amp; gardens</title><link rel=icon sizes=32x32 href=/described.png>
        <meta property=og:image content=/described-og.jpg><meta name=theme-color content=green>"""
    url = site.add("/described", body("green", "<h1>A garden</h1>", head))
    site.add("/described.png", pictures.plain(32, 32))
    site.add("/described-og.jpg", pictures.photo(1200, 630, "JPEG"))

    def get(path, **options):
        answer = client.get(path, query_string={"url": url, **options})
        assert answer.status_code == 200, answer.text
        return answer

    told, card = get("/meta").json, get("/embed").text
    assert (told["title"], told["theme_color"], told["palette"][0]) == ("庭園 & gardens", "#008000", "#008000")
    assert (told["favicon"], told["image"]["url"]) == (site.url("/described.png"), site.url("/described-og.jpg"))
    assert Image.open(io.BytesIO(get("/thumb").data)).size == (1280, 720)
    assert Image.open(io.BytesIO(get("/thumb", image="auto").data)).size == (1200, 630)
    assert get("/icon", size=32).headers["X-Icon"] == "page"
    assert "庭園 &amp; gardens" in card
    shown = [unescape(each) for each in re.findall(r'src="(/[^"]*)"', card)]
    assert [client.get(each).status_code for each in shown] == [200, 200]
    assert [site.hits(path) for path in ("/described", "/described.png", "/described-og.jpg")] == [1, 1, 1]
