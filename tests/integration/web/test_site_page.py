"""A site's page: its picture, its history, and two versions beside each other."""

import re
import shutil
from html import unescape

import pytest

from sites import SiteDraft
from sites.models import VersionRow
from tests.support.site_states import capture, fail


@pytest.fixture
def settings(settings, tmp_path, _migrated_file):
    shutil.copy(_migrated_file, tmp_path / "thumbnails.db")
    return settings | {"gallery_public": True}


@pytest.fixture
def services(client):
    return client.application.extensions["services"]


@pytest.fixture
def site(services):
    return services.catalogue.add(
        SiteDraft("https://a.example/x?y=1", title="A <i>", tags=("news", "कला"), note="Hello")
    )


@pytest.fixture
def show(client, services, site):
    """Give the site one version and `changes` more, and get its page."""

    def show(query="", changes=()):
        capture(services.database, site, *changes)
        return client.get(f"/gallery/{site.id}{query}")

    return show


def pictures(response):
    """The pictures of a page, as paths without their query."""
    assert response.status_code == 200
    return [unescape(src).partition("?")[0] for src in re.findall(r'<img src="([^"]+)"', response.text)]


def bars(response):
    """The addresses of the bars of the strip, and which is the current one."""
    strip = re.search(r'<ol class="timeline">(.*?)</ol>', response.text, flags=re.DOTALL)[1]
    links = [unescape(href) for href in re.findall(r'href="[^"?]*\?([^"]+)"', strip)]
    return links, re.findall(r'title="Version (\d+)[^"]*" aria-current', strip)


def test_a_page_says_what_the_site_is_and_shows_its_picture(show, site):
    page = show()
    assert '<h1 dir="auto">A &lt;i&gt;</h1>' in page.text
    assert 'href="https://a.example/x?y=1" rel="noreferrer"' in page.text
    assert 'href="/gallery?tag=%E0%A4%95%E0%A4%B2%E0%A4%BE"' in page.text
    assert "Hello" not in page.text, "a note is for admins"
    assert pictures(page) == [f"/sites/{site.id}/versions/1/image"]
    assert 'viewBox="0 0 1280 720"' in page.text
    assert '&lt;img src="http://localhost/sites/1/image?w=320&amp;format=webp"' in page.text


def test_the_strip_leads_from_each_version_to_what_it_changed(show):
    links, current = bars(show(changes=(5, 0.01, 100)))
    assert links == ["to=1", "from=1&to=2", "from=2&to=3", "from=3&to=4"]
    assert current == ["4"]


def test_the_taller_a_bar_the_more_has_changed(show):
    page = show(changes=(0.001, 4, 25, 100))
    heights = [int(height) for height in re.findall(r'<rect y="\d+" width="10" height="(\d+)"', page.text)]
    assert heights == [48, 5, 10, 24, 48]
    assert "less than 0.1 % changed" in page.text


def test_a_long_history_comes_in_parts(client, show, site):
    page = show(changes=[1] * 80)
    links, _ = bars(page)
    assert (len(links), links[0], links[-1]) == (36, "from=45&to=46", "from=80&to=81")
    assert f'href="/gallery/{site.id}?older=46"' in page.text
    older, _ = bars(client.get(f"/gallery/{site.id}?older=10"))
    assert (older[0], older[-1]) == ("to=1", "from=8&to=9")


def test_a_bar_is_compared_with_the_version_before_it_that_is_kept(client, services, show):
    show(changes=(1, 2, 3))
    services.database.write(lambda session: session.query(VersionRow).filter_by(number=2).delete())
    links, _ = bars(client.get("/gallery/1"))
    assert links == ["to=1", "from=1&to=3", "from=3&to=4"]


@pytest.mark.parametrize("query", ["?from=2&to=3", "?from=3&to=2"])
def test_two_versions_stand_beside_each_other_with_the_change_marked(show, query):
    page = show(query, changes=(5, 12.34))
    assert pictures(page) == ["/sites/1/versions/2/image", "/sites/1/versions/3/image"]
    assert page.text.count('<rect x="60" y="120" width="660" height="300"/>') == 2
    assert "Changed: 12 % of the picture." in page.text


def test_the_frame_holds_all_changes_between_two_versions(services, client, show):
    show(changes=(5, 5))

    def move(session):
        session.query(VersionRow).filter_by(number=2).one().region_left = 900

    services.database.write(move)
    page = client.get("/gallery/1?from=1&to=3").text
    assert '<rect x="60" y="120" width="1500" height="300"/>' in page
    assert "Changed:" not in page


def test_no_frame_is_drawn_where_nobody_knows_what_changed(services, client, show):
    show(changes=(5, 5, 5))
    services.database.write(lambda session: session.query(VersionRow).filter_by(number=2).delete())
    assert "frame" not in client.get("/gallery/1?from=1&to=3").text


def test_the_difference_is_a_picture_of_its_own(show):
    page = show("?from=1&to=2&view=difference", changes=(5,))
    assert pictures(page) == ["/sites/1/diff"]
    assert "from=1&amp;to=2" in page.text


def test_one_version_is_shown_alone(show):
    assert pictures(show("?to=1", changes=(5,))) == ["/sites/1/versions/1/image"]


def test_a_failure_says_what_happened_since_when_and_what_comes_next(client, services, show, site):
    show()
    fail(services.database, site, "the page did not answer", 7)
    page = client.get(f"/gallery/{site.id}").text
    assert re.search(
        r"The last 7 captures failed</strong>, since \d+ \w+ \d{4}, \d\d:\d\d UTC: the page did not answer\.", page
    )
    assert "The picture below is the last good one." in page
    assert "The next try is in 2 hours." in page


def test_a_site_that_waits_has_a_page_too(client, site):
    page = client.get(f"/gallery/{site.id}").text
    assert "Waiting for its first picture" in page
    assert "History" not in page


@pytest.mark.parametrize(
    "path", ["/gallery/999", "/gallery/1?to=9", "/gallery/1?from=9&to=1", "/gallery/99999999999999999999"]
)
def test_what_is_not_there_is_said_in_words(client, show, path):
    show()
    response = client.get(path)
    assert (response.status_code, response.content_type) == (404, "text/html; charset=utf-8")


@pytest.mark.parametrize("query", ["from=x", "to=0", "to=-1", "from=1&to=2&view=3d", "older=%00", "to=" + "9" * 400])
def test_an_address_that_makes_no_sense_is_refused(client, show, query):
    show()
    response = client.get(f"/gallery/1?{query}")
    assert (response.status_code, response.content_type) == (400, "text/html; charset=utf-8")
