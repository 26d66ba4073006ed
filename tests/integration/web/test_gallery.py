"""The gallery over HTTP, on both databases. tests/e2e/ui looks at it in a browser."""

import re
import shutil
from datetime import timedelta
from html import unescape

import pytest

from sites import SiteDraft
from tests.support.admin import KEY, log_in
from tests.support.site_states import capture, fail


@pytest.fixture
def settings(settings, request, tmp_path, _migrated_file):
    """A test that names `database_url` runs on both databases."""
    if "database_url" in request.fixturenames:
        return settings | {"gallery_public": True, "database_url": request.getfixturevalue("database_url")}
    shutil.copy(_migrated_file, tmp_path / "thumbnails.db")
    return settings | {"gallery_public": True}


@pytest.fixture
def services(client):
    return client.application.extensions["services"]


@pytest.fixture
def add(services):
    def add(host, **more):
        return services.catalogue.add(SiteDraft(f"https://{host}/", **more))

    return add


def titles(response):
    assert response.status_code == 200
    return [unescape(title) for title in re.findall(r"<h2><a [^>]*>([^<]*)</a></h2>", response.text)]


def links(response, words):
    """The addresses of all links with these words."""
    found = re.findall(rf'<a [^>]*href="([^"]*)"[^>]*>{re.escape(words)}', response.text)
    return [unescape(address) for address in found]


@pytest.mark.usefixtures("database_url")
def test_a_site_has_a_card_with_picture_title_host_and_age(client, services, add):
    capture(services.database, add("www.a.example", title="A & <b>B</b>"), 12, age=timedelta(hours=3))

    page = client.get("/gallery")

    assert titles(page) == ["A & <b>B</b>"]
    assert "a.example</span>" in page.text
    assert "changed 3 hours ago" in page.text
    assert 'alt="Screenshot of a.example, captured 3 hours ago"' in page.text
    assert 'src="/sites/1/image?w=320&amp;h=180&amp;format=webp"' in page.text
    assert "/sites/1/image?w=960&amp;h=540&amp;format=webp 960w" in page.text
    assert 'width="320" height="180"' in page.text
    assert 'fill="#8899aa"' in page.text


def test_a_site_without_a_title_is_called_by_its_host(client, add):
    add("www.b.example:8443")
    assert titles(client.get("/gallery")) == ["b.example:8443"]


def test_a_site_that_was_never_captured_says_so_and_asks_for_no_picture(client, add):
    add("a.example")
    page = client.get("/gallery").text
    assert "Waiting for its first picture" in page
    assert "<img" not in page


def test_a_site_that_fails_says_since_when_and_keeps_its_picture(client, services, add):
    site = add("a.example")
    capture(services.database, site)
    fail(services.database, site, "the page did not answer")
    page = client.get("/gallery").text
    assert "failing for 3 days" in page
    assert "<img" in page


def test_pictures_below_the_first_rows_are_loaded_when_they_come_into_view(client, services, add):
    for number in range(12):
        capture(services.database, add(f"{number}.example"))
    page = client.get("/gallery").text
    assert page.count("<img") == 12
    assert page.count('loading="lazy"') == 4


@pytest.mark.usefixtures("database_url")
def test_a_page_has_24_sites_and_plain_links_to_its_neighbours(client, add):
    for number in range(60):
        add(f"{number:02}.example")

    first = client.get("/gallery?sort=title")
    second = client.get(*links(first, "Next"))
    third = client.get(*links(second, "Next"))

    assert titles(first)[::23] == ["00.example", "23.example"]
    assert titles(second)[::23] == ["24.example", "47.example"]
    assert titles(third) == [f"{number}.example" for number in range(48, 60)]
    assert links(first, "Previous") == links(third, "Next") == []
    assert titles(client.get(*links(second, "Previous"))) == titles(first)
    assert "60 sites" in first.text


def test_a_full_page_is_small(client, services, add):
    for number in range(30):
        capture(services.database, add(f"{number}.example", title="A title of usual length", tags=("news",)), 5)
    assert len(client.get("/gallery").data) < 30_000


@pytest.mark.usefixtures("database_url")
def test_a_search_looks_at_titles_and_addresses_and_keeps_tags_and_order(client, add):
    add("a.example", title="Bäckerei", tags=("shop",))
    add("b.example", title="BÄCKEREI zwei")
    add("baeckerei.example", title="Other", tags=("shop",))

    assert titles(client.get("/gallery?q=bäckerei&sort=title")) == ["Bäckerei", "BÄCKEREI zwei"]
    page = client.get("/gallery?q=bäckerei&tag=shop&sort=title")
    assert titles(page) == ["Bäckerei"]
    assert links(page, "last added") == ["/gallery?q=b%C3%A4ckerei&tag=shop&sort=added"]
    assert links(page, "clear the search") == ["/gallery?tag=shop&sort=title"]
    assert '<input type="hidden" name="tag" value="shop">' in page.text


@pytest.mark.usefixtures("database_url")
def test_a_tag_is_a_link_that_adds_it_or_takes_it_away(client, add):
    add("a.example", tags=("news", "कला"))
    add("b.example", tags=("news",))

    page = client.get("/gallery?tag=news")
    assert len(titles(page)) == 2
    assert links(page, "news") == ["/gallery"]
    (both,) = links(page, "कला")
    assert titles(client.get(both)) == ["a.example"]


def test_a_search_that_finds_nothing_shows_the_way_back(client, add):
    add("a.example")
    page = client.get('/gallery?q=<script>"')
    assert "No site matches" in page.text
    assert '“<span dir="auto">&lt;script&gt;&#34;</span>”' in page.text
    assert links(page, "Show all sites") == ["/gallery"]


def test_a_page_whose_sites_were_removed_says_so(client, services, add):
    for number in range(25):
        add(f"{number:02}.example")
    (following,) = links(client.get("/gallery?sort=title"), "Next")
    services.catalogue.remove(25)
    page = client.get(following)
    assert "The sites of this page have been removed." in page.text
    assert links(page, "Show all sites") == ["/gallery"]


def test_an_empty_gallery_says_how_to_put_a_site_in(client):
    page = client.get("/gallery").text
    assert "No sites yet" in page
    assert "POST /sites" in page
    assert 'type="search"' not in page


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("sort=age", "Sort: must be changed, title or added."),
        ("cursor=nonsense", "Cursor: must be"),
    ],
)
def test_an_address_that_makes_no_sense_is_refused_in_words(client, query, text):
    response = client.get(f"/gallery?{query}")
    assert (response.status_code, response.content_type) == (400, "text/html; charset=utf-8")
    assert text in response.text


ODD = ("q=%00", "q=%ff%fe", "q=%25_", "q=" + "a" * 5000, "tag=%00", "tag=" + "&tag=".join("abcdefghijklmnop"))


@pytest.mark.usefixtures("database_url")
def test_odd_searches_break_nothing(client):
    assert [client.get(f"/gallery?{query}").status_code for query in ODD] == [200] * len(ODD)


def test_cards_are_served_by_themselves_for_the_script_that_waits(client, services, add):
    waiting, captured = add("a.example"), add("b.example")
    capture(services.database, captured)
    cards = client.get(f"/gallery/cards?site={captured.id}&site={waiting.id}&site=999&site=x&site={captured.id}")
    assert titles(cards) == ["b.example", "a.example"]
    assert re.findall(r'data-state="(\w+)"', cards.text) == ["ready", "pending"]


def test_a_database_that_is_away_is_said_in_words(make_client, tmp_path):
    client = make_client(database_url=f"sqlite:///{tmp_path}/nowhere/thumbnails.db")
    response = client.get("/gallery?tag=a")
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "10"
    assert "The catalogue cannot be reached" in response.text
    assert links(response, "Try again") == ["/gallery?tag=a"]


def test_pictures_are_asked_for_in_sizes_that_are_allowed(make_client):
    client = make_client(allowed_sizes="480x270,100")
    services = client.application.extensions["services"]
    capture(services.database, services.catalogue.add(SiteDraft("https://a.example/")))
    page = client.get("/gallery").text
    assert 'src="/sites/1/image?w=480&amp;h=270&amp;format=webp"' in page
    assert "320w" not in page
    assert 'src="/sites/1/versions/1/image?format=webp"' in client.get("/gallery/1").text


def test_a_document_is_named_instead_of_drawn(client, services, add):
    capture(services.database, add("a.example"), 100, size=(0, 0))
    assert "A PDF document" in client.get("/gallery").text
    page = client.get("/gallery/1?from=1&to=2").text
    assert "A PDF document" in page
    assert "<img src" not in page


@pytest.mark.usefixtures("database_url")
def test_notes_are_for_admins(make_client):
    client = make_client(admin_key=KEY)
    catalogue = client.application.extensions["services"].catalogue
    site = catalogue.add(SiteDraft("https://a.example/", "Apples", "owes us money", ("fruit",)))
    for words in ("apples", "a.example", "fruit"):
        assert titles(client.get(f"/gallery?q={words}")) == ["Apples"]
    assert titles(client.get("/gallery?q=money")) == []
    assert "money" not in client.get(f"/gallery/{site.id}").text

    log_in(client)
    assert titles(client.get("/gallery?q=money")) == ["Apples"]
    assert "owes us money" in client.get(f"/gallery/{site.id}").text
