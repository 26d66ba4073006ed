"""The pages `/cards`: templates to choose from, a form with a card beside it, and code to copy. tests/e2e/ui looks at them in a browser."""

import html
import re

import pytest

API_KEY, SIGNING_KEY = "correct-horse", "a-signing-key-of-32-characters-xx"
MAKER = "/cards/templates/mine"


def pictures(page):
    """The paths of the pictures in a page."""
    return [html.unescape(each) for each in re.findall(r'<img src="(/[^"]*)"', page.text)]


def code(page, name):
    return html.unescape(re.search(rf'id="snippet-{name}"[^>]*>(.*?)</code>', page.text, re.DOTALL)[1])


def wrong(page):
    return {name: html.unescape(words) for name, words in re.findall(r'id="wrong-([a-z_]+)">([^<]*)<', page.text)}


def image_of(meta):
    return html.unescape(re.search('og:image" content="([^"]*)"', meta)[1])


def local(address):
    return address.removeprefix("http://localhost")


def test_the_gallery_shows_each_template_by_its_example(client, api):
    page = client.get("/cards")
    assert page.status_code == 200
    assert api.calls == []
    shown = pictures(page)
    assert {"mine", "article", "quote"} <= {re.match("/card/([a-z-]+)[.]webp", each)[1] for each in shown}
    assert all(client.get(each).status_code == 200 for each in shown)
    assert f'href="{MAKER}"' in page.text


def test_a_template_is_opened_with_its_example_and_a_link_fills_the_form(client, api):
    assert 'value="Text"' in client.get(MAKER).text
    page = client.get(f"{MAKER}?title=Hello+%26+welcome&count=3&utm_source=mail")
    assert 'value="Hello &amp; welcome"' in page.text
    assert api.calls == []
    assert client.get(pictures(page)[0]).status_code == 200
    assert "Hello &amp; welcome" in api.calls[0].params["html"]


def test_the_code_holds_all_tags_that_networks_read_and_the_picture_that_they_name(client):
    meta = code(client.get(f"{MAKER}?title=Hello"), "meta")
    assert '<meta property="og:image:width" content="1000">\n<meta property="og:image:height" content="500">' in meta
    assert '<meta property="og:image:alt" content="Hello">' in meta
    assert '<meta name="twitter:card" content="summary_large_image">' in meta
    assert client.get(local(image_of(meta))).content_type == "image/png"


def test_what_is_wrong_is_said_at_each_field_and_nothing_is_shown(client):
    page = client.get(f"{MAKER}?title=&count=many&picture=ftp://x")
    assert page.status_code == 400
    assert {"title", "count", "picture"} == set(wrong(page))
    assert wrong(page)["title"] == "Title is missing."
    assert wrong(page)["count"].startswith("Count must be a number")
    assert pictures(page) == []


def test_what_a_person_types_is_text(client):
    page = client.get(MAKER, query_string={"title": '"><script>alert(1)</script>', "note": "</textarea><b>"})
    assert "<script>alert" not in page.text
    assert "</textarea><b>" not in page.text


def test_an_unknown_template_is_a_page_that_names_the_others(client):
    page = client.get("/cards/templates/yours")
    assert page.status_code == 404
    assert "article" in page.text


@pytest.fixture
def signing(make_client):
    return make_client(signing_keys=SIGNING_KEY, api_keys=f"me:{API_KEY}")


def test_examples_are_signed_for_everybody_and_a_card_for_a_person_with_a_key(signing):
    assert all("sig=" in each and signing.get(each).status_code == 200 for each in pictures(signing.get("/cards"))[:2])

    unsigned = signing.get(f"{MAKER}?title=Hello")
    assert (unsigned.status_code, pictures(unsigned)) == (200, [])
    assert "sig=" not in unsigned.text
    assert wrong(signing.post(MAKER, data={"title": "Hello"}))["key"]
    assert wrong(signing.post(MAKER, data={"title": "Hello", "key": "other"}))["key"]

    page = signing.post(MAKER, data={"title": "Hello", "note": "one\r\ntwo", "key": API_KEY})
    assert page.headers["Cache-Control"] == "no-store"
    assert signing.get(pictures(page)[0]).status_code == 200
    assert signing.get(local(image_of(code(page, "meta")))).status_code == 200


def test_pages_of_other_sites_sign_nothing(signing):
    answer = signing.post(MAKER, data={"title": "Hello", "key": API_KEY}, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403


def test_the_pages_are_not_there_without_the_playground(make_client):
    client = make_client(playground=False)
    assert [client.get(path).status_code for path in ("/cards", MAKER, "/cards/check")] == [404] * 3
    assert "/cards" not in client.get("/gallery").text
    assert client.get("/card/mine.png?title=Hello").status_code == 200
