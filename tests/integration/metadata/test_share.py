"""How networks show a shared page: as JSON for programs, and as a page with a form."""

import html
import io
import re

import pytest
from PIL import Image

from tests.integration.metadata.conftest import saying
from tests.support import pictures
from tests.support.visitors import PAGE

API_KEY, SIGNING_KEY = "correct-horse", "a-signing-key-of-32-characters-xx"
TAGS = {
    "title": "Gardens",
    "og:title": "Gardens of the year",
    "og:description": "Twelve gardens.",
    "twitter:card": "summary_large_image",
}


@pytest.fixture
def shares(engine_api, web):
    """Let all pages have some tags, and a picture of the web server with the `body`."""

    def shares(body=None, without=(), **tags):
        web.add("/og", body or pictures.photo(1200, 630), content_type="image/png")
        all_tags = TAGS | {"og:image": f"http://img.example:{web.port}/og"} | tags
        said = {name: text for name, text in all_tags.items() if name not in without}
        engine_api.behave(saying(status=200, url=PAGE, title="Gardens", share=said), times=20)

    return shares


def check(client, **options):
    return client.get("/cards/check.json", query_string={"url": PAGE, **options})


def send(client, **fields):
    return client.post("/cards/check", data={"url": PAGE, **fields})


def cards(answer):
    return {each["network"]: each for each in answer.json["cards"]}


def test_a_program_learns_the_cards_and_what_they_lack_from_one_capture_and_one_fetch(client, shares, engine_api, web):
    shares(**{"og:image:alt": "A pond"})
    first, second = check(client), check(client)

    assert (first.status_code, first.headers["X-Cache"], second.headers["X-Cache"]) == (200, "MISS", "HIT")
    assert first.json["pictures"]["og:image"] == {
        "format": "PNG", "width": 1200, "height": 630, "bytes": len(pictures.photo(1200, 630)), "problem": None
    }  # fmt: skip
    assert cards(first)["Facebook"] | {"title": "Gardens of the year", "layout": "large"} == cards(first)["Facebook"]
    assert "og:image:width" in {each["tag"] for each in first.json["findings"]}
    assert first.json["tags"]["og:image:alt"] == "A pond"
    assert (len(engine_api.calls), web.hits("/og")) == (1, 1)


def test_the_picture_of_a_tag_is_shown_from_here(client, shares):
    shares(pictures.photo(2400, 1260))
    answer = client.get("/cards/picture", query_string={"url": PAGE, "tag": "og:image"})
    assert answer.content_type == "image/webp"
    assert Image.open(io.BytesIO(answer.data)).size == (1040, 546)
    assert client.get("/cards/picture", query_string={"url": PAGE, "tag": "twitter:image"}).status_code == 404
    assert client.get("/cards/picture", query_string={"url": PAGE, "tag": "icon"}).json["detail"].startswith("tag: ")


def test_a_card_of_this_service_is_drawn_before_it_is_fetched(make_client, shares, engine_api, web):
    card = "/card/quote.png?quote=Hello"
    web.add("/card/quote.png", pictures.photo(1200, 630), content_type="image/png")
    base = f"http://img.example:{web.port}"
    shares(**{"og:image": base + card})
    client = make_client(public_url=base)
    engine_api.reset()
    engine_api.behave(saying(status=200, url=PAGE, title="x", share=TAGS | {"og:image": base + card}), url=PAGE)
    assert {each["layout"] for each in check(client).json["cards"]} == {"large"}
    assert [each.params.get("url", "a card") for each in engine_api.calls] == [PAGE, "a card"]
    assert client.get(card).headers["X-Cache"] == "HIT"


@pytest.mark.parametrize(
    ("body", "problem"),
    [(b'<svg xmlns="http://www.w3.org/2000/svg"/>', "is SVG, which no network shows"), (b"words", "is no picture")],
)
def test_a_file_that_is_no_picture_is_named(client, shares, body, problem):
    shares(body)
    answer = check(client)
    assert answer.json["pictures"]["og:image"]["problem"] == problem
    assert {each["layout"] for each in answer.json["cards"]} == {"text"}


def test_a_picture_at_an_internal_address_is_not_fetched(client, shares, web):
    shares(**{"og:image": f"http://127.0.0.1:{web.port}/og"})
    assert check(client).json["pictures"]["og:image"]["problem"] == "could not be fetched"
    assert web.hits("/og") == 0


def test_a_page_that_was_captured_before_its_tags_were_read_is_guessed_and_says_so(client, engine_api):
    engine_api.behave(saying(status=200, url=PAGE, title="Old", description="Before."))
    answer = check(client)
    assert cards(answer)["Facebook"]["title"] == "Old"
    assert [each["text"].endswith("guessed. Check it again.") for each in answer.json["findings"]] == [True]


def test_with_a_hosted_api_no_tag_is_known_and_nothing_is_said_of_them(make_client, api):
    hosted = {"capture_api": "snapsharp", "capture_url": api.url, "capture_api_key": "sk_live_test"}
    answer = check(make_client(**hosted))
    assert [each["text"].endswith("so no tag is known.") for each in answer.json["findings"]] == [True]
    assert cards(answer)["X"]["title"] == "example.com"


def test_a_link_captures_nothing_and_the_form_shows_the_cards(client, shares, engine_api):
    shares()
    assert 'class="network"' not in client.get(f"/cards/check?url={PAGE}").text
    assert engine_api.calls == []

    page = send(client)
    assert page.status_code == 200
    assert page.text.count('class="network"') == 6
    picture = html.unescape(re.search(r'<img src="(/cards/picture[^"]+)"', page.text)[1])
    assert client.get(picture).status_code == 200
    assert 'class="network"' in client.get(f"/cards/check?url={PAGE}").text
    assert len(engine_api.calls) == 1


def test_what_a_page_says_of_itself_is_text(client, shares):
    shares(**{"og:title": "<script>alert(1)</script>", "og:site_name": "<b>"})
    page = send(client)
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert(1)" in page.text


def test_what_is_wrong_is_said_at_the_field(client):
    page = send(client, url="ftp://x")
    assert page.status_code == 400
    assert re.search(r'id="wrong-url">The address [^<]+<', page.text)
    assert send(client, url="http://127.0.0.1/").status_code == 400


def test_where_access_is_restricted_the_form_needs_a_key_and_signs_its_pictures(make_client, shares):
    shares()
    client = make_client(api_keys=f"me:{API_KEY}", signing_keys=SIGNING_KEY)
    assert "wrong-key" in send(client).text
    page = send(client, key=API_KEY)
    picture = html.unescape(re.search(r'<img src="(/cards/picture[^"]+)"', page.text)[1])
    assert "sig=" in picture
    assert client.get(picture).status_code == 200
    assert check(client).status_code == 403
    assert 'class="network"' not in client.get(f"/cards/check?url={PAGE}").text


def test_pages_of_other_sites_cannot_send_the_form(client):
    assert (
        client.post("/cards/check", data={"url": PAGE}, headers={"Origin": "https://evil.example"}).status_code == 403
    )
