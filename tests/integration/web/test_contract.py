"""`/v1/screenshot` of the web process: SnapSharp's contract, through the same flow as `/thumb`."""

import io
import time
from urllib.parse import urlencode

import pytest
from PIL import Image

from access import sign
from tests.support.screenshot_api import refuse

PAGE = "https://example.com/"
PATH = "/v1/screenshot"
LIMITS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")


def limits(response):
    return tuple(int(response.headers[name]) for name in LIMITS)


def get(client, headers=None, **options):
    return client.get(PATH, query_string={"url": PAGE} | options, headers=headers)


def test_a_get_and_a_post_answer_with_the_bytes_of_the_same_picture(client, api):
    first = get(client, width="800", height="600")
    second = client.post(PATH, json={"url": PAGE, "width": 800, "height": 600})

    assert (first.status_code, first.content_type) == (200, "image/png")
    assert Image.open(io.BytesIO(first.data)).size == (800, 600)
    assert (second.data, second.headers["X-Cache"]) == (first.data, "HIT")
    assert len(api.calls) == 1


@pytest.mark.parametrize("name", ["wait_for", "selector", "hide_selectors", "click", "css", "js"])
def test_half_a_character_is_no_text(client, api, name):
    response = client.post(PATH, data=f'{{"url": "{PAGE}", "{name}": "\\ud800"}}', content_type="application/json")

    assert (response.status_code, response.json["error"]) == (400, "validation_error")
    assert response.json["message"].startswith(f"{name}: must be ")
    assert api.calls == []


def test_the_defaults_are_the_contracts_and_not_those_of_thumb(client, api):
    get(client)
    client.get("/thumb", query_string={"url": PAGE})

    ours, thumbs = (call.params for call in api.calls)
    assert "block_ads" not in ours
    assert thumbs["block_ads"] == "true"


def test_thumb_serves_the_picture_that_the_contract_captured(client, api):
    get(client)
    known = client.get(
        "/thumb", query_string={"url": PAGE, "block_ads": 0, "block_cookie_banners": 0, "block_chats": 0}
    )

    assert known.headers["X-Cache"] == "HIT"
    assert len(api.calls) == 1


@pytest.mark.parametrize(
    ("format_", "content_type"),
    [("png", "image/png"), ("jpeg", "image/jpeg"), ("webp", "image/webp"), ("pdf", "application/pdf")],
)
def test_the_contracts_formats_are_served(client, format_, content_type):
    response = get(client, format=format_, quality="60")

    assert (response.status_code, response.content_type) == (200, content_type)


def test_one_capture_serves_all_image_formats(client, api):
    for format_ in ("png", "jpeg", "webp"):
        assert get(client, format=format_).status_code == 200
    assert len(api.calls) == 1


def test_retina_doubles_the_pixels(client):
    picture = Image.open(io.BytesIO(get(client, width="400", height="300", retina="true").data))

    assert picture.size == (800, 600)


def test_selectors_to_hide_come_as_text_as_a_repeated_name_or_as_a_list(client, api):
    client.get(PATH, query_string={"url": PAGE, "hide_selectors": ".a, .b"})
    client.get(f"{PATH}?" + urlencode([("url", PAGE), ("hide_selectors", ".a"), ("hide_selectors", ".b")]))
    response = client.post(PATH, json={"url": PAGE, "hide_selectors": [".a", ".b"]})

    assert response.headers["X-Cache"] == "HIT"
    assert [call.params["hide_selectors"] for call in api.calls] == [".a, .b"]


def test_thumb_has_the_contracts_options_too(client, api):
    client.get("/thumb", query_string={"url": PAGE, "css": "i{}", "click": "b", "clip": "0,0,400,300", "scroll_y": 9})
    told = api.calls[0].params

    assert (told["css"], told["click"], told["scroll_y"]) == ("i{}", "b", 9)
    assert told["clip"] == {"x": 0, "y": 0, "width": 400, "height": 300}


def test_numbers_and_booleans_may_be_texts_in_json_and_nulls_count_as_absent(client, api):
    body = {"url": PAGE, "width": "800", "full_page": "true", "dark_mode": None, "device_v2": None}
    assert client.post(PATH, json=body).status_code == 200

    assert api.calls[0].params["width"] == "800"
    assert "dark_mode" not in api.calls[0].params


def test_cache_false_captures_again_and_a_cache_ttl_bounds_the_age(client, api):
    get(client)
    assert get(client, cache="true", cache_ttl="86400").headers["X-Cache"] == "HIT"
    assert get(client, cache="false").headers["X-Cache"] == "MISS"
    assert len(api.calls) == 2


def test_the_headers_are_the_contracts(client):
    new, known = get(client), get(client)

    assert (new.headers["X-Cache"], new.headers["Cache-Control"]) == ("MISS", "private, no-cache")
    assert known.headers["X-Cache"] == "HIT"
    directives = known.headers["Cache-Control"].split(", ")
    assert directives[0] == "public"
    assert 3590 <= int(directives[1].removeprefix("s-maxage=")) <= 3600
    assert directives[2:] == ["stale-while-revalidate=86400"]
    assert known.headers["Vary"] == "Accept"
    assert known.headers["X-Request-ID"]


def test_every_response_tells_the_limit_and_when_it_renews_as_a_unix_time(make_client):
    client = make_client(thumb_limit="5 per minute")
    new, known, refused = get(client), get(client), get(client, width="1")

    assert [limits(each)[:2] for each in (new, known, refused)] == [(5, 4), (5, 4), (5, 4)]
    assert 0 <= limits(known)[2] - time.time() <= 61


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_bad_option_is_a_validation_error_and_costs_nothing(client, api, method):
    options = {"url": PAGE, "width": "319"}
    response = client.get(PATH, query_string=options) if method == "get" else client.post(PATH, json=options)

    assert response.status_code == 400
    assert response.json == {
        "error": "validation_error",
        "message": "width: must be a whole number of CSS pixels from 320 to 3840",
        "status": 400,
        "retryable": False,
    }
    assert (response.content_type, response.headers["Cache-Control"]) == ("application/json", "no-store")
    assert api.calls == []


@pytest.mark.parametrize("url", ["not a url", "file:///etc/passwd", "", "http://a@example.com/"])
def test_a_bad_url_is_a_validation_error(client, url):
    assert get(client, url=url).json["error"] == "validation_error"
    assert client.post(PATH, json={"url": 7}).json["error"] == "validation_error"


def test_a_target_that_is_not_public_is_refused_as_the_engine_does(client, resolver, api):
    resolver.answers["inside.example"] = ["10.0.0.1"]
    for url in ("http://10.0.0.1/", "https://inside.example/"):
        assert get(client, url=url).json["error"] == "blocked_url"
    assert api.calls == []


@pytest.mark.parametrize(("name", "value"), [("stealth", "true"), ("proxy", "http://127.0.0.1:1"), ("country", "DE")])
def test_what_only_paid_plans_have_is_plan_required(client, api, name, value):
    response = get(client, **{name: value})

    assert (response.status_code, response.json["error"]) == (403, "plan_required")
    assert name in response.json["message"]
    assert get(client, stealth="false").status_code == 200


@pytest.mark.parametrize(
    ("upstream", "status", "code"),
    [
        ((429, "quota_exceeded"), 429, "quota_exceeded"),
        ((422, "page_failed"), 502, "capture_failed"),
        ((504, "timeout"), 504, "timeout"),
    ],
)
def test_a_failure_of_the_capture_has_the_contracts_code(client, api, upstream, status, code):
    api.behave(refuse(*upstream), times=3)
    response = get(client)

    assert (response.status_code, response.json["error"], response.json["status"]) == (status, code, status)


def test_a_used_up_budget_is_rate_limited_with_the_seconds_to_wait(make_client):
    client = make_client(thumb_limit="1 per minute")
    get(client)
    refused = get(client, url="https://example.org/")

    assert (refused.status_code, refused.json["error"]) == (429, "rate_limited")
    assert refused.json["retry_after"] == int(refused.headers["Retry-After"])
    assert limits(refused)[:2] == (1, 0)
    assert not [name for name, _ in refused.headers if name.startswith("RateLimit-")]


def test_a_key_is_needed_where_keys_are_set(make_client):
    client = make_client(api_keys="shop:correct-horse")
    refused, wrong = get(client), get(client, headers={"X-API-Key": "battery"})

    for response in (refused, wrong):
        assert (response.status_code, response.json["error"], response.json["status"]) == (401, "unauthorized", 401)
        assert response.headers["WWW-Authenticate"] == "Bearer"
    assert get(client, headers={"Authorization": "Bearer correct-horse"}).status_code == 200
    assert get(client, headers={"X-API-Key": "correct-horse"}).status_code == 200


def test_signatures_do_not_open_it_and_its_answers_stay_out_of_shared_caches(make_client):
    key = "a-signing-key-of-the-shop"
    client = make_client(signing_keys=key, api_keys="shop:correct-horse")
    pairs = [("url", PAGE)]

    assert client.get(f"{PATH}?" + urlencode([*pairs, ("sig", sign(key, pairs))])).status_code == 400
    owner = {"X-API-Key": "correct-horse"}
    assert [get(client, headers=owner).headers["Cache-Control"] for _ in range(2)] == ["private, no-cache"] * 2


def test_a_host_that_is_not_allowed_is_refused(make_client, api):
    response = get(make_client(allowed_targets="example.org"))

    assert (response.status_code, response.json["error"]) == (403, "forbidden_host")
    assert api.calls == []


def test_other_paths_of_the_vendor_answer_in_its_envelope(client):
    response = client.post("/v1/batch", json={"urls": []})

    assert (response.status_code, response.json["error"], response.json["status"]) == (404, "not_found", 404)
    assert client.post(PATH, data="url=x").json["error"] == "validation_error"
    assert client.post(PATH, data="{", content_type="application/json").json["error"] == "validation_error"
    assert client.post(PATH, json={"url": PAGE, "wait_for": "a" * 70_000}).json["status"] == 413


def test_an_image_tag_gets_the_envelope_too(client):
    response = get(client, width="1", headers={"Accept": "image/*"})

    assert response.json["error"] == "validation_error"


def test_usage_shows_the_callers_budget(make_client):
    client = make_client(thumb_limit="5 per hour")
    get(client)
    body = client.get("/v1/usage").json

    assert body["usage"] == {"requests": 1, "limit": 5, "remaining": 4, "percentage": 20.0}
    assert body["breakdown"] == {"screenshot": 1}
    assert body["period"]["start"] < body["period"]["end"]


def test_health_has_what_the_vendors_clients_read(client):
    body = client.get("/health").json

    assert (body["ok"], body["status"], body["version"]) == (True, "ok", "0.1.0")
    assert body["uptime"] >= 0
