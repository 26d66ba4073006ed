"""Answers that are objects about a picture, and requests with a body."""

import json

import pytest
from werkzeug.test import create_environ

from access import sign
from tests.integration.dialects.conftest import size_of
from tests.support.screenshot_api import drawn
from web.dialects import DIALECTS, DialectReader

SIGNING = "signing-key-0123456789"


def test_microlink_tells_where_the_screenshot_is(speak):
    answer = speak.get("/?url=https%3A%2F%2Fo1.example&screenshot&meta=false&viewport.width=1000&viewport.height=500")

    assert (answer.status_code, answer.json["status"]) == (200, "success")
    assert answer.headers["X-Cache-Status"] == "MISS"
    screenshot = answer.json["data"]["screenshot"]
    assert (screenshot["type"], screenshot["width"], screenshot["height"]) == ("png", 1000, 500)
    picture = speak.get(screenshot["url"])
    assert (picture.status_code, picture.headers["X-Cache"], len(picture.data)) == (200, "HIT", screenshot["size"])


def test_microlink_has_every_name_of_its_metadata(speak):
    data = speak.get("/?url=https%3A%2F%2Fo2.example&screenshot=true").json["data"]

    assert {"title", "description", "lang", "author", "publisher", "image", "date", "url", "logo", "screenshot"} == {
        *data
    }
    assert data["url"] == "https://o2.example/"


def describing(said):
    """Draw the page, and tell what it says of itself as the engine does."""

    def behaviour(answer):
        body, content_type = drawn(answer)
        answer.reply(200, body, {"Content-Type": content_type, "X-Page-Metadata": json.dumps(said)})

    return behaviour


def test_microlink_tells_what_the_page_says_of_itself_for_the_same_capture(speak, engine):
    url = "https://described.example/"
    said = {
        "url": url, "status": 200, "title": "A garden", "description": "Described.", "site_name": "Gardens",
        "author": "Ada", "published": "2026-01-02T03:04:05+00:00", "language": "en", "canonical": f"{url}garden",
        "image": {"url": f"{url}preview.jpg", "width": 1200, "height": 630}, "icons": [{"url": f"{url}icon.png", "side": 32}],
    }  # fmt: skip
    engine.behave(describing(said), url=url)

    data = speak.get(f"/?url={url}&screenshot&data.unused=x").json["data"]

    assert (data["title"], data["description"], data["lang"]) == ("A garden", "Described.", "en")
    assert (data["author"], data["publisher"], data["date"]) == ("Ada", "Gardens", "2026-01-02T03:04:05+00:00")
    assert data["url"] == f"{url}garden"
    assert data["image"] == {"url": f"{url}preview.jpg", "width": 1200, "height": 630}
    assert data["logo"] == {"url": f"{url}icon.png"}
    assert data["screenshot"]["width"] == 1280
    assert sum(call.params["url"] == url for call in engine.calls) == 1


def test_microlink_tells_of_the_page_alone_if_no_screenshot_is_asked_for(speak):
    data = speak.get("/microlink/?url=https://alone.example/").json["data"]

    assert ("screenshot" in data, data["title"], data["url"]) == (False, None, "https://alone.example/")


@pytest.mark.parametrize(
    ("name", "path", "query"),
    [
        ("microlink", "/microlink/", "url=https://preview.example/&embed=image.url"),
        ("thumio", "/get/ogImage/width/300/https://preview.example/", ""),
        ("thumio", "/get/image/width/300/https://preview.example/picture.jpg", ""),
    ],
)
def test_the_pages_own_preview_picture_can_be_asked_for(speak, name, path, query):
    reader = DialectReader(DIALECTS[name], speak.application.extensions["services"])

    assert reader.read(create_environ(path, query_string=query)).capture.image == "auto"


def test_microlink_shows_the_icon_of_a_page(speak, engine):
    address = "/?url=https://logo.example/&embed=logo.url"
    logo = speak.get(address, headers={"Accept": "image/avif,image/*,*/*;q=0.8"})

    assert (logo.status_code, logo.content_type, size_of(logo)) == (200, "image/png", (128, 128))
    assert logo.headers["X-Icon"] == "letter"  # no icon can be fetched here
    assert sum(call.params["url"] == "https://logo.example/" for call in engine.calls) == 1
    refused = speak.get("/?url=http://127.0.0.1/&embed=logo.url")
    assert (refused.status_code, refused.json["code"]) == (400, "EFORBIDDENURL")


def test_microlink_prints_a_page(speak):
    printed = speak.get("/?url=https://print.example/&pdf&embed=pdf.url&screenshot.type=jpeg")

    assert (printed.status_code, printed.content_type, printed.data[:5]) == (200, "application/pdf", b"%PDF-")


def test_the_front_page_stays_what_it_is_without_a_question_to_microlink(speak):
    assert speak.get("/?url=https%3A%2F%2Fo3.example").mimetype == "text/html"


def test_screenshotapi_tells_the_picture_by_default(speak):
    answer = speak.get("/screenshot?token=t&url=https%3A%2F%2Fo4.example&width=800&height=600")

    assert answer.json["url"] == "https://o4.example/"
    assert size_of(speak.get(answer.json["screenshot"])) == (800, 600)


def test_apiflash_tells_the_picture_and_what_is_left(speak):
    answer = speak.get("/v1/urltoimage?url=https%3A%2F%2Fo5.example&response_type=json&thumbnail_width=320")
    usage = speak.get("/v1/urltoimage/quota?access_key=k").json

    assert size_of(speak.get(answer.json["url"])) == (320, 180)
    assert usage["limit"] == 1000
    assert 0 < usage["remaining"] < 1000


def test_screenshotone_answers_with_a_link_or_with_nothing(speak):
    query = "url=https%3A%2F%2Fo6.example&clip_x=0&clip_y=0&clip_width=300&clip_height=200&delay=1"
    link = speak.get(f"/take?{query}&response_type=json").json["screenshot_url"]
    empty = speak.get(f"/take?{query}&response_type=empty")

    assert speak.get(link).headers["X-Cache"] == "HIT"
    assert (empty.status_code, empty.data) == (200, b"")


def test_a_link_is_signed_where_pictures_need_it(speak_with):
    sealed = speak_with(signing_keys=SIGNING, api_keys="blog:secret-of-blog", dialects="screenshotapi")

    link = sealed.get("/screenshot?token=secret-of-blog&url=https%3A%2F%2Fo7.example&full_page=true").json["screenshot"]

    assert (
        f"sig={sign(SIGNING, [('url', 'https://o7.example/'), ('width', '1680'), ('height', '876'), ('full_page', 'true')])}"
        in link
    )
    assert sealed.get(link).status_code == 200


def test_screenshotone_takes_a_body(speak, engine):
    answer = speak.post(
        "/take",
        json={
            "url": "https://o8.example/",
            "viewport_width": 1000,
            "full_page": True,
            "hide_selectors": [".a", ".b"],
            "headers": ["X-A: 1"],
            "cookies": ["a=b; Path=/"],
            "scripts": "1 + 1",
            "nonsense": {"a": 1},
        },
    )

    assert (answer.status_code, answer.content_type) == (200, "image/png"), answer.data
    assert answer.headers["Cache-Control"].startswith("private")
    sent = next(call for call in engine.calls if call.params["url"] == "https://o8.example/").params
    assert sent["hide_selectors"] == ".a, .b"
    assert (sent["headers"], sent["js"]) == ({"X-A": "1"}, "1 + 1")
    assert sent["cookies"][0]["name"] == "a"


def test_what_may_be_secret_is_not_taken_from_an_address(speak, engine):
    speak.get("/take?url=https://o9.example/&cookies=a%3Db&headers=X-A%3A1&scripts=alert()")

    sent = next(call for call in engine.calls if call.params["url"] == "https://o9.example/").params
    assert {"cookies", "headers", "js"}.isdisjoint(sent)


@pytest.mark.parametrize("name", ["hide_selectors", "hide_selectors[]", "hide_selectors[1]"])
def test_a_list_in_a_form_is_a_list(speak, engine, name):
    url = f"https://form-{len(name)}.example/"
    answer = speak.post("/take", data={"url": f" {url}", "wait_until": "load", name: [".a", ".ä", ".b+.c"]})

    assert answer.status_code == 200
    call = next(call for call in engine.calls if call.params["url"] == url)
    assert call.params["hide_selectors"] == ".a, .ä, .b+.c"


def test_a_body_that_cannot_be_read_has_the_code_of_its_service(speak):
    large = speak.post("/take", data={"url": "https://example.com/", "styles": "a" * 100_000})
    text = speak.post("/take", data="x", content_type="text/plain")

    assert (large.status_code, large.json["error_code"]) == (413, "request_body_too_large")
    assert (text.status_code, text.json["error_code"]) == (415, "request_not_valid")


def test_apiflash_takes_a_form(speak):
    answer = speak.post("/v1/urltoimage", data={"access_key": "k", "url": "https://o10.example/", "width": "1000"})

    assert (answer.status_code, answer.content_type, size_of(answer)) == (200, "image/jpeg", (1000, 1080))


@pytest.mark.parametrize("path", ["/v1/screenshot", "/snapapi/v1/screenshot"])
def test_snapapi_has_the_path_of_snapsharp_and_its_own(speak, engine, path):
    url = f"https://o11.example{path}"
    answer = speak.post(
        path,
        json={
            "url": url,
            "width": 9000,
            "fullPage": True,
            "hideSelectors": [".a", ".b"],
            "format": "jpeg",
            "deviceScaleFactor": 2,
        },
        headers={"X-Api-Key": "k"},
    )

    assert (answer.status_code, answer.content_type) == (200, "image/jpeg"), answer.data
    sent = next(call for call in engine.calls if call.params["url"] == url).params
    assert (sent["width"], sent["scale"], sent["full_page"], sent["hide_selectors"]) == ("3840", "2", "true", ".a, .b")


def test_snapapi_has_errors_of_its_own(speak):
    answer = speak.post("/v1/screenshot", json={"url": "http://127.0.0.1/"}, headers={"X-Api-Key": "k"})

    assert answer.status_code == 400
    assert answer.json["statusCode"] == 400
    assert answer.json["error"] == "INVALID_URL"


def test_snapsharps_clients_are_served_as_before(speak):
    answer = speak.post("/v1/screenshot", json={"url": "https://o12.example/"}, headers={"Authorization": "Bearer k"})
    refused = speak.post("/v1/screenshot", json={"url": "http://127.0.0.1/"}, headers={"Authorization": "Bearer k"})

    assert (answer.status_code, "X-RateLimit-Limit" in answer.headers) == (200, True)
    assert refused.json["error"] == "blocked_url"


def test_the_openapi_document_is_of_this_services_own_routes(speak):
    paths = speak.get("/openapi.json").json["paths"]

    assert "/thumb" in paths
    assert not any(path.startswith(("/mshots", "/take", "/get")) for path in paths)
