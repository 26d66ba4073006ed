"""What all pages for people share: their files, headers, theme and errors. tests/e2e/ui looks at them in a browser."""

import re
import shutil

import pytest


@pytest.fixture
def settings(settings, tmp_path, _migrated_file):
    shutil.copy(_migrated_file, tmp_path / "thumbnails.db")
    return settings | {"gallery_public": True}


def linked(page, ending):
    return re.search(rf'(?:href|src)="([^"]+\.{ending})"', page.text)[1]


@pytest.mark.parametrize("ending", ["css", "js", "svg"])
def test_a_file_of_a_page_is_kept_by_browsers_for_a_year(client, ending):
    response = client.get(linked(client.get("/gallery"), ending))
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_a_file_of_another_version_is_served_but_not_kept(client):
    response = client.get("/static/style.000000000000.css")
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-cache"
    again = client.get("/static/style.000000000000.css", headers={"If-None-Match": response.headers["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize("name", ["style", "style.css.py", "..%2fpages.py", "other.000000000000.css", "%00.css"])
def test_no_other_file_is_served(client, name):
    assert client.get(f"/static/{name}").status_code == 404


def test_a_page_runs_nothing_inline_and_loads_nothing_from_elsewhere(client):
    response = client.get("/gallery")
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert re.findall(r"<style|<script(?![^>]* src=)|\sstyle=|\son\w+=", response.text) == []
    assert re.findall(r'(?:src|href|action)="(?:https?:)?//', response.text) == []


def test_pages_stay_small(client):
    page = client.get("/gallery")
    assert len(client.get(linked(page, "css")).data) < 15_000
    assert len(client.get(linked(page, "js")).data) < 10_000


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_a_chosen_theme_stays(client, theme):
    response = client.post("/theme", data={"theme": theme, "back": "/gallery?tag=a"})
    assert (response.status_code, response.headers["Location"]) == (303, "/gallery?tag=a")
    assert f'data-theme="{theme}"' in client.get("/gallery").text


@pytest.mark.parametrize("headers", [{"Origin": "https://other.example"}, {"Origin": "null"}])
def test_a_page_of_another_web_site_does_not_switch_the_theme(client, headers):
    response = client.post("/theme", data={"theme": "dark"}, headers=headers | {"Sec-Fetch-Site": "cross-site"})
    assert (response.status_code, response.headers.get("Set-Cookie")) == (403, None)
    ours = client.post("/theme", data={"theme": "dark"}, headers={"Origin": "http://localhost"})
    assert ours.status_code == 303


@pytest.mark.parametrize("theme", ["", "blue", '"><script>'])
def test_an_unknown_theme_is_refused(client, theme):
    assert client.post("/theme", data={"theme": theme}).status_code == 400
    assert 'data-theme="system"' in client.get("/gallery").text


@pytest.mark.parametrize(
    "back",
    [
        "https://evil.example/",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
        "http://[",
    ],
)
def test_the_theme_switch_leads_to_no_other_site(client, back):
    assert client.post("/theme", data={"theme": "dark", "back": back}).headers["Location"] == "/gallery"


def test_links_work_below_a_path_of_another_site(make_client):
    page = make_client(public_url="https://example.com/shots").get("/gallery").text
    assert 'href="/shots/gallery"' in page
    assert 'action="/shots/theme"' in page
    assert not re.search(r'(?:src|href|action)="/(?!shots/)', page)


def test_a_private_gallery_is_refused_in_words(make_client):
    response = make_client(gallery_public=False).get("/gallery")
    assert response.status_code == 403
    assert "This page is not public" in response.text
    assert response.headers["Cache-Control"] == "no-store"


def test_a_person_who_follows_a_link_to_nowhere_gets_a_page_and_a_program_a_problem(client):
    person = client.get("/galery", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert (person.status_code, person.content_type) == (404, "text/html; charset=utf-8")
    assert "Nothing is here" in person.text
    program = client.get("/galery")
    assert (program.status_code, program.content_type) == (404, "application/problem+json")
    assert client.get("/gallery/no/such/page").content_type == "text/html; charset=utf-8"
