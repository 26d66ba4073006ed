"""SnapSharp's own clients, unmodified, work against the web process too: each of their requests, word for word."""

import io

import pytest
from PIL import Image

from tests.support.screenshot_api import running_screenshot_api
from tests.support.snapsharp_clients import CALLS, DOCUMENTS, PYTHON, REFUSED, Sent

PAGE = "https://example.com/for-clients?a=1&b=2"


@pytest.fixture(scope="module")
def engine():
    with running_screenshot_api("engine", key="sk_live_test") as running:
        yield running


@pytest.fixture
def api(engine):
    engine.reset()
    return engine


@pytest.fixture
def ask(make_client, api):
    client = make_client(capture_api="engine", api_keys="shop:sk_live_of_the_shop")

    def send(sent, path="/v1/screenshot"):
        headers = {"User-Agent": sent.client, "Authorization": "Bearer sk_live_of_the_shop"}
        body = sent.body_for(PAGE)
        if body:
            body = body.replace(b"127.0.0.1", b"example.com")  # the domain of a cookie
            return client.post(path, data=body, headers=headers, content_type="application/json")
        return client.get(f"/v1/screenshot?{sent.query_for(PAGE)}", headers=headers)

    return send


def named(sent):
    return f"{sent.client.split('/')[0]} {sent.call}" if isinstance(sent, Sent) else ""


@pytest.mark.parametrize("sent", CALLS, ids=named)
def test_a_request_of_a_client_gets_its_picture_and_then_the_known_one(ask, api, sent):
    first, second = ask(sent), ask(sent)

    assert first.status_code == 200, first.text
    Image.open(io.BytesIO(first.data)).load()
    assert [each.headers["X-Cache"] for each in (first, second)] == ["MISS", "HIT"]
    assert len(api.calls) == 1


@pytest.mark.parametrize("sent", DOCUMENTS, ids=named)
def test_html_of_a_client_becomes_its_picture(ask, api, sent):
    answer = ask(sent, "/v1/html-to-image")

    assert answer.status_code == 200, answer.text
    assert Image.open(io.BytesIO(answer.data)).size == sent.size
    assert answer.headers["X-RateLimit-Limit"]
    assert "é😀" in api.calls[0].params["html"]


def test_the_screenshot_api_gets_what_the_client_asked_for(ask, api):
    ask(
        Sent(
            "all of it",
            PYTHON,
            body='{"url":"PAGE","width":1000,"height":500,"full_page":true,"retina":true,"delay":500,"wait_for":"p","dark_mode":true,'
            '"block_ads":true,"block_trackers":true,"hide_selectors":[".a",".b"],"css":"i{}","js":"1","click":"b","scroll_y":9,'
            '"bypass_csp":true,"headers":{"X-A":"1"},"cookies":[{"name":"a","value":"b"}],"wait_until":"load","stealth":false,'
            '"format":"webp","quality":60}',
        )
    )
    (call,) = api.calls

    assert call.params == {
        "url": PAGE, "width": 1000, "height": 500, "full_page": True, "scale": 2.0, "delay": 500, "wait_for": "p",
        "dark_mode": True, "block_ads": True, "block_trackers": True, "hide_selectors": ".a, .b", "css": "i{}", "js": "1",
        "click": "b", "scroll_y": 9, "bypass_csp": True, "headers": {"X-A": "1"},
        "cookies": [{"name": "a", "value": "b", "path": "/"}], "wait_until": "load", "format": "png",
    }  # fmt: skip


@pytest.mark.parametrize(("sent", "status", "code", "message"), REFUSED, ids=named)
def test_a_refused_request_gets_the_envelope_that_clients_read(ask, api, sent, status, code, message):
    answer = ask(sent)

    assert (answer.status_code, answer.json["status"], answer.json["error"]) == (status, status, code)
    assert answer.json["message"].startswith(message)
    assert api.calls == []


def test_a_pdf_is_asked_for_as_a_format(ask):
    assert ask(Sent("format='pdf'", PYTHON, "url=PAGE&format=pdf")).content_type == "application/pdf"


def test_a_body_that_is_too_large_is_refused_with_its_limit(ask):
    answer = ask(Sent("css of 70 kB", PYTHON, body='{"url":"PAGE","css":"' + "a" * 70_000 + '"}'))

    assert (answer.status_code, answer.json["error"]) == (413, "validation_error")
    assert answer.json["message"] == "the body is too large; send at most 64 KiB"
