"""`GET /thumb` over a real Redis and a screenshot API on a real socket."""

import io

import pytest
from PIL import Image
from werkzeug.test import create_environ, run_wsgi_app

PAGE = "https://example.com/"
BROWSER_IMG = {"Accept": "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"}


def picture(response):
    return Image.open(io.BytesIO(response.data))


def test_the_first_request_captures_and_the_second_is_a_hit(client, api):
    first = client.get("/thumb", query_string={"url": PAGE})
    second = client.get("/thumb", query_string={"url": PAGE})

    assert (first.status_code, first.headers["X-Cache"]) == (200, "MISS")
    assert (second.status_code, second.headers["X-Cache"]) == (200, "HIT")
    assert second.data == first.data
    assert len(api.calls) == 1


def test_a_picture_has_the_headers_that_clients_rely_on(client):
    response = client.get("/thumb", query_string={"url": PAGE, "ttl": 3600})

    assert response.content_type == "image/png"
    assert response.headers["ETag"].startswith('"')
    assert response.last_modified is not None
    assert response.headers["X-Thumb-State"] == "fresh"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Security-Policy"] == "default-src 'none'"
    assert len(response.headers["X-Request-ID"]) == 32
    assert response.cache_control.public
    assert 3590 <= response.cache_control.max_age <= 3600
    assert "stale-while-revalidate=604800, stale-if-error=604800" in response.headers["Cache-Control"]


def test_a_matching_etag_gets_a_304_without_a_body(client):
    etag = client.get("/thumb", query_string={"url": PAGE}).headers["ETag"]
    again = client.get("/thumb", query_string={"url": PAGE}, headers={"If-None-Match": etag})

    assert again.status_code == 304
    assert again.data == b""
    assert again.headers["X-Cache"] == "HIT"


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*", "{}, *"])
def test_every_form_of_a_matching_etag_gets_a_304(client, form):
    etag = client.get("/thumb", query_string={"url": PAGE}).headers["ETag"]
    again = client.get("/thumb", query_string={"url": PAGE}, headers={"If-None-Match": form.format(etag)})

    assert (again.status_code, again.data) == (304, b"")


def test_the_etag_of_another_picture_gets_the_picture(client):
    etag = client.get("/thumb", query_string={"url": PAGE}).headers["ETag"]
    again = client.get("/thumb", query_string={"url": PAGE}, headers={"If-None-Match": f'"aa{etag}"'})

    assert again.status_code == 200


def test_a_failed_precondition_gets_an_error_without_the_picture(client):
    response = client.get("/thumb", query_string={"url": PAGE}, headers={"If-Match": '"another"'})

    assert (response.status_code, response.headers["Cache-Control"]) == (412, "no-store")
    assert response.content_type == "application/problem+json"


def test_head_gets_the_headers_of_get_without_a_body(client):
    response = client.head("/thumb", query_string={"url": PAGE})

    assert response.status_code == 200
    assert response.content_type == "image/png"
    assert response.data == b""


def test_the_application_itself_sends_no_body_for_a_hit_by_head(client):
    """Servers and test clients drop such a body, so the test calls the application itself."""
    known = client.get("/thumb", query_string={"url": PAGE})
    asked = create_environ("/thumb", query_string={"url": PAGE}, method="HEAD")
    body, status, headers = run_wsgi_app(client.application, asked)

    assert (status, headers["X-Cache"]) == ("200 OK", "HIT")
    assert headers["Content-Length"] == str(len(known.data))
    assert b"".join(body) == b""


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ("PNG", (1280, 720))),
        ({"w": 320}, ("PNG", (320, 180))),
        ({"h": 90}, ("PNG", (160, 90))),
        ({"w": 200, "h": 200}, ("PNG", (200, 200))),
        ({"w": 200, "h": 200, "fit": "contain"}, ("PNG", (200, 200))),
        ({"w": 200, "h": 200, "fit": "inside"}, ("PNG", (200, 112))),
        ({"w": 64, "format": "webp"}, ("WEBP", (64, 36))),
        ({"w": 64, "format": "jpeg", "quality": 40}, ("JPEG", (64, 36))),
        ({"w": 64, "format": "avif"}, ("AVIF", (64, 36))),
        ({"width": 800, "height": 600}, ("PNG", (800, 600))),
        ({"scale": 2}, ("PNG", (2560, 1440))),
    ],
)
def test_the_picture_has_the_requested_size_and_format(client, options, expected):
    response = client.get("/thumb", query_string={"url": PAGE, **options})

    image = picture(response)
    assert (image.format, image.size) == expected
    assert response.content_type == Image.MIME[image.format]


def test_sizes_and_formats_of_a_captured_page_cost_no_further_capture(client, api):
    for options in ({}, {"w": 320}, {"w": 640, "format": "webp"}, {"w": 640, "format": "jpeg", "quality": 50}):
        assert client.get("/thumb", query_string={"url": PAGE, **options}).status_code == 200

    assert len(api.calls) == 1


def test_spellings_of_one_page_are_one_capture(client, api):
    for url in ("https://example.com", "HTTPS://EXAMPLE.com:443/", "https://example.com./#top", "https:example.com"):
        client.get("/thumb", query_string={"url": url, "width": "1280", "full_page": "NO"})

    assert len(api.calls) == 1


def test_a_pdf_is_a_capture_of_its_own(client, api):
    client.get("/thumb", query_string={"url": PAGE})
    response = client.get("/thumb", query_string={"url": PAGE, "format": "pdf"})

    assert response.content_type == "application/pdf"
    assert response.data.startswith(b"%PDF-")
    assert [call.params["format"] for call in api.calls] == ["png", "pdf"]


def test_every_capture_option_reaches_the_api_under_its_name_there(make_client, api):
    client = make_client()
    options = {
        "width": 1024, "height": 768, "full_page": "true", "scale": 2, "delay": 100, "wait_until": "networkidle",
        "wait_for": "#main", "hide": ".ad", "block_ads": "off", "block_cookie_banners": "1", "block_chats": "on",
        "dark_mode": "yes", "user_agent": "Reader/2.0 (a; b)",
    }  # fmt: skip
    assert client.get("/thumb", query_string={"url": PAGE, **options}).status_code == 200

    sent = api.calls[0].params
    assert sent["url"] == PAGE
    assert (
        sent["full_page"]
        == sent["retina"]
        == sent["dark_mode"]
        == sent["block_cookie_banners"]
        == sent["block_chats"]
        == "true"
    )
    assert (sent["width"], sent["height"], sent["delay"]) == ("1024", "768", "100")
    assert (sent["wait_until"], sent["wait_for"], sent["hide_selectors"]) == ("networkidle", "#main", ".ad")
    assert sent["user_agent"] == "Reader/2.0 (a; b)"
    assert "block_ads" not in sent


def test_an_option_that_the_api_does_not_support_is_refused_free_of_charge(client, api):
    response = client.get("/thumb", query_string={"url": PAGE, "selector": "#main"})

    assert response.status_code == 400
    assert response.json["code"] == "invalid_option"
    assert "selector" in response.json["detail"]
    assert api.calls == []


def test_fresh_captures_again(client, api):
    client.get("/thumb", query_string={"url": PAGE})
    again = client.get("/thumb", query_string={"url": PAGE, "fresh": "1"})

    assert again.headers["X-Cache"] == "MISS"
    assert len(api.calls) == 2


def test_the_request_id_of_the_caller_is_kept_and_sent_upstream(client, api):
    response = client.get("/thumb", query_string={"url": PAGE}, headers={"X-Request-ID": "caller-0815"})

    assert response.headers["X-Request-ID"] == "caller-0815"
    assert api.calls[0].headers["X-Request-ID"] == "caller-0815"


def test_an_invalid_request_id_is_replaced(client):
    response = client.get("/health", headers={"X-Request-ID": "a b\tc"})

    assert len(response.headers["X-Request-ID"]) == 32


@pytest.mark.parametrize(
    ("query", "code", "says"),
    [
        ("", "invalid_url", "url: is missing"),
        ("url=", "invalid_url", "url: is missing"),
        ("url=https://example.com/" + "a" * 3000, "invalid_url", "at most 2048"),
        ("url=https://example.com/&width=99999", "invalid_option", "width: must be a whole number of CSS pixels from 320 to 3840"),
        ("url=https://example.com/&width=abc", "invalid_option", "width: must be a whole number of CSS pixels from 320 to 3840"),
        ("url=https://example.com/&widht=100", "invalid_option", "did you mean width?"),
        ("url=https://example.com/&format=bmp", "invalid_option", "format: must be png, webp, "),
        ("url=https://example.com/&url=https://example.org/", "invalid_url|invalid_option", "url: is set 2 times"),
        ("url=https://example.com/&full_page=perhaps", "invalid_option", "full_page: must be true or false"),
        ("url=https://example.com/&w=5", "invalid_option", "w: must be a whole number of pixels from 16 to 3840"),
        ("url=https://example.com/&wait_for=%00", "invalid_option", "wait_for: must be a CSS selector of 1 to 256"),
        ("url=https://example.com/&selector=%20", "invalid_option", "selector: must be a CSS selector"),
        ("url=https://example.com/&wait=121", "invalid_option", "wait: must be a whole number of seconds from 0 to 120"),
        ("url=https://example.com/&ttl=5", "invalid_option", "ttl: must be a whole number of seconds from 60"),
        ("url=https://example.com/&device=nokia", "invalid_option", "device: must be iphone-se, iphone-14, "),
        ("url=https://example.com/&locale=de_DE", "invalid_option", "locale: must be a BCP 47 language tag such as de-DE"),
        ("url=https://example.com/&locale=d%0ae", "invalid_option", "locale: must be a BCP 47 language tag such as de-DE"),
        ("url=https://example.com/&timezone=Berlin", "invalid_option", "timezone: must be an IANA time zone such as Europe/Berlin"),
        ("url=https://example.com/&timezone=../passwd", "invalid_option", "timezone: must be an IANA time zone"),
        ("url=https://example.com/&user_agent=", "invalid_option", "user_agent: must be 1 to 512 printable ASCII characters"),
        ("url=https://example.com/&user_agent=a%0d%0ab", "invalid_option", "user_agent: must be 1 to 512 printable ASCII"),
        ("url=https://example.com/&user_agent=" + "a" * 513, "invalid_option", "user_agent: must be 1 to 512 printable ASCII"),
        ("url=https://example.com/&color_scheme=blue", "invalid_option", "color_scheme: must be light or dark"),
        ("url=https://example.com/&color_scheme=light&dark_mode", "invalid_option", "color_scheme: contradicts dark_mode=true"),
        ("url=https://example.com/&color_scheme=dark&dark_mode=0", "invalid_option", "color_scheme: contradicts dark_mode=false"),
        ("url=https://example.com/&reduced_motion=some", "invalid_option", "reduced_motion: must be true or false"),
        ("url=https://example.com/&format=pdf&w=100", "invalid_option", "w: cannot be combined with format=pdf"),
        ("url=https://example.com/a b", "invalid_url", "percent-encode"),
        ("url=ftp://example.com/", "invalid_url", "http://"),
        ("url=/etc/passwd", "invalid_url", "absolute"),
        ("url=http://127.0.0.1/", "blocked_url", "not a public web address"),
        ("url=http://private.example.net/", "blocked_url", "not a public web address"),
        ("url=http://nowhere.example.net/", "blocked_url", "not a public web address"),
        ("url=https://example.com:8080/", "blocked_url", "the port must be 80 or 443"),
        ("url=https://example.com/&" + "&".join(f"a{i}=1" for i in range(80)), "invalid_option", "send at most 64"),
    ],
)  # fmt: skip
def test_invalid_input_gets_an_explanation_free_of_charge(make_client, api, resolver, query, code, says):
    resolver.answers = {"private.example.net": ["10.0.0.1"], "nowhere.example.net": []}
    client = make_client(thumb_limit="1 per hour")
    response = client.get(f"/thumb?{query}")

    assert response.status_code == 400
    assert response.content_type == "application/problem+json"
    assert response.json["code"] in code.split("|")
    assert says in response.json["detail"]
    assert response.json["request_id"] == response.headers["X-Request-ID"]
    assert response.headers["Cache-Control"] == "no-store"
    assert api.calls == []
    assert client.get("/thumb", query_string={"url": PAGE}).status_code == 200, "the one capture was still there"


def test_a_device_sets_the_size_of_a_picture_unless_it_is_given(client, api):
    whole = client.get("/thumb", query_string={"url": PAGE, "device": "iPhone SE"})
    lying = client.get("/thumb", query_string={"url": PAGE, "device": "iphone-se", "width": 667, "height": 375})

    assert [whole.status_code, lying.status_code] == [200, 200]
    assert [call.params["device"] for call in api.calls] == ["iPhone SE", "iPhone SE"]
    assert "width" not in api.calls[0].params
    assert (api.calls[1].params["width"], api.calls[1].params["height"]) == ("667", "375")


@pytest.mark.parametrize(("device", "size"), [("ipad", (1640, 2360)), ("nokia", (1280, 720))])
def test_a_placeholder_is_as_large_as_a_picture_of_the_device(client, device, size):
    query = {"url": "http://127.0.0.1/", "device": device}
    assert picture(client.get("/thumb", query_string=query, headers=BROWSER_IMG)).size == size


def test_an_image_tag_gets_a_placeholder_of_the_requested_size(client):
    query = {"url": "http://127.0.0.1/", "w": 320, "h": 180, "format": "webp"}
    response = client.get("/thumb", query_string=query, headers=BROWSER_IMG)

    image = picture(response)
    assert (response.status_code, image.format, image.size) == (400, "PNG", (320, 180)), "a PNG is cheap to draw"
    assert response.headers["X-Thumb-State"] == "error"
    assert response.headers["X-Error-Code"] == "blocked_url"
    assert response.headers["Cache-Control"] == "no-store"


def test_private_and_unresolvable_targets_get_the_same_response(client, resolver):
    resolver.answers = {"private.example.net": ["192.168.0.1"], "nowhere.example.net": []}
    urls = "http://private.example.net/", "http://nowhere.example.net/", "http://10.0.0.1/", "http://localhost/"
    bodies = [client.get("/thumb", query_string={"url": url}, headers={"X-Request-ID": "same-one"}) for url in urls]

    assert len({(body.status_code, body.data, str(sorted(body.headers))) for body in bodies}) == 1


def test_resolving_can_be_left_to_the_screenshot_api(make_client, resolver):
    client = make_client(resolve_targets=False)

    assert client.get("/thumb", query_string={"url": PAGE}).status_code == 200
    assert resolver.asked == []


@pytest.mark.parametrize("name", ["fresh", "f%72esh"])
def test_no_cache_may_store_a_picture_requested_with_fresh(client, name):
    answer = client.get(f"/thumb?url=https%3A%2F%2Fexample.com%2F&{name}=1")

    assert (answer.status_code, answer.headers["X-Cache"], answer.headers["Cache-Control"]) == (200, "MISS", "no-store")
