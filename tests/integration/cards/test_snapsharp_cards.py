"""`POST /v1/og-image` and `GET /v1/templates`, as SnapSharp's clients ask: `og_image(template, data)`."""

import io

import pytest
from PIL import Image

from tests.support.snapsharp_clients import CARDS


def og_image(client, template="blog-post", data=None, headers=None, **more):
    return client.post("/v1/og-image", json={"template": template, "data": data or {}, **more}, headers=headers)


def size(answer):
    assert answer.status_code == 200, answer.data
    return Image.open(io.BytesIO(answer.data)).size


@pytest.mark.parametrize("sent", CARDS, ids=lambda sent: f"{sent.client.split('/')[0]} {sent.call}")
def test_what_each_client_sends_is_drawn(client, sent):
    headers = {"User-Agent": sent.client, "Authorization": "Bearer sk_live_test", "Content-Type": "application/json"}
    assert size(client.post("/v1/og-image", data=sent.body, headers=headers)) == sent.size


def test_a_template_of_snapsharps_is_drawn_with_its_own_variables(client, api):
    answer = og_image(client, data={"title": "Hello", "author": "Ada", "bg_color": "#102030"})
    assert size(answer) == (1200, 630)
    assert (answer.content_type, answer.headers["X-Cache"]) == ("image/png", "MISS")
    assert "Ada" in api.calls[0].params["html"]
    assert og_image(client, data={"author": "Ada", "bg_color": "#102030", "title": "Hello"}).headers["X-Cache"] == "HIT"


def test_size_format_and_our_own_templates_are_served(client):
    answer = og_image(
        client, "mine", {"title": "Hello", "count": 3}, width=800, height=418, format="webp", cache_ttl=60
    )
    assert (size(answer), answer.content_type) == ((800, 418), "image/webp")
    assert (
        og_image(client, "mine", {"title": "Hello", "count": 3}, width=800, height=418, cache=False).headers["X-Cache"]
        == "MISS"
    )


def test_a_known_card_is_tagged_so_that_a_purge_finds_it_in_shared_caches(make_client):
    client = make_client(cache_tags=True)
    answers = [og_image(client, data={"title": "Hello"}) for _ in range(2)]
    assert "Surrogate-Key" in answers[1].headers


def test_a_card_of_a_page_shows_its_thumbnail(client, api):
    assert size(og_image(client, "page", {"url": "https://example.com/"})) == (1200, 630)
    assert "data:image/jpeg" in api.calls[-1].params["html"]
    assert og_image(client, "page", {"url": "http://127.0.0.1/"}).json["error"] == "blocked_url"


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"template": "mine", "data": {"titel": "x"}}, 400, "unknown: titel"),
        ({"template": "blog-post", "data": {"headline": "x"}}, 400, "unknown: headline"),
        ({"template": "none", "data": {}}, 404, "blog-post"),
        ({"data": {}}, 400, "template"),
        ({"template": "mine", "data": ["title"]}, 400, "data"),
        ({"template": "mine", "data": {"title": {"a": 1}}}, 400, "title"),
        ({"template": "mine", "variables": {"title": "x"}}, 400, "variables"),
        ({"template": "mine", "data": {"title": "x"}, "width": 9}, 400, "width"),
        ([], 400, "JSON object"),
    ],
)
def test_what_is_wrong_is_said_in_snapsharps_envelope(client, api, body, status, words):
    answer = client.post("/v1/og-image", json=body)
    assert (answer.status_code, answer.json["status"]) == (status, status)
    assert words in answer.json["message"]
    assert api.calls == []


def test_the_templates_are_listed_for_everybody(make_client):
    client = make_client(api_keys="me:correct-horse")
    answer = client.get("/v1/templates")
    listed = {each["id"]: each for each in answer.json["templates"]}
    assert {"blog-post", "social-card", "product-card", "github-readme", "quote-card", "mine", "article"} <= set(listed)
    assert "bg_color" in listed["blog-post"]["variables"]
    assert client.get("/v1/templates", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
    assert og_image(client, data={"title": "Hello"}).json["error"] == "unauthorized"
    assert size(og_image(client, data={"title": "Hello"}, headers={"Authorization": "Bearer correct-horse"}))
