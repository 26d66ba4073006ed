"""The capture client over real sockets, against an API that keeps its contract and one that does not."""

import io
import json
import logging
import os
import socket
import subprocess
import sys
import textwrap
import time
import traceback
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from structlog.testing import capture_logs

import errors
from capture import DIALECTS, CaptureClient
from capture.call import CaptureCall
from capture.client import TRIES
from capture.outcomes import BROKEN, read_failure, redact, retry_after_seconds
from errors import (
    BlockedTarget,
    CaptureFailed,
    CaptureTimeout,
    InvalidOption,
    OverCapacity,
    RateLimited,
    UpstreamQuota,
    UpstreamUnavailable,
)
from options import CaptureOptions
from tests.support import screenshot_api as fake
from tests.support.screenshot_api import refuse, running_screenshot_api
from urls import locate

KEY = "sk_live_0123456789abcdef"
SECRET = "https://shop.example/orders/7f3a9c?token=hunter22&x=1"
PAGE = CaptureOptions(locate("https://example.com/"), block_ads=False, block_cookie_banners=False, block_chats=False)
ENVELOPE_NAMES = ["error", "message", "code", "details", "retry_after", "retryAfter", "page_status"]
NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)

ALL_OPTIONS = replace(
    PAGE,
    width=1024,
    height=768,
    full_page=True,
    scale=2.0,
    delay=250,
    wait_until="networkidle",
    wait_for="#main",
    hide=".ad, :is(a, b)",
    block_ads=True,
    block_cookie_banners=True,
    block_chats=True,
    dark_mode=True,
)


@contextmanager
def client(api, *, jitter=lambda ceiling: 0.0, sleeps=None, url=None, **settings):
    """Make a client that notes its pauses in `sleeps` and takes none."""
    pauses = [] if sleeps is None else sleeps
    key = settings.pop("key", KEY)
    made = CaptureClient(DIALECTS[api.dialect], url or api.url, key, sleep=pauses.append, jitter=jitter, **settings)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(params=sorted(DIALECTS))
def api(request):
    with running_screenshot_api(request.param, key=KEY) as running:
        yield running


@pytest.fixture
def snapsharp():
    with running_screenshot_api("snapsharp", key=KEY) as running:
        yield running


@pytest.fixture
def engine():
    with running_screenshot_api("engine") as running:
        yield running


def capture(api, options=PAGE, image_format="png", timeout=30, request_id="", **settings):
    with client(api, **settings) as made:
        return made.capture(replace(options, format=image_format), timeout=timeout, call=CaptureCall(request_id)).body


def at(url):
    """The target, spelled just so."""
    return replace(locate(url), url=url)


def sent_by(dialect, options, image_format="png"):
    with running_screenshot_api(dialect, key=KEY) as api:
        capture(api, options, image_format)
        return api.calls[0]


# Dialects


def test_it_takes_a_picture_in_every_dialect(api):
    picture = Image.open(io.BytesIO(capture(api, replace(PAGE, width=800, height=600))))

    assert (picture.format, picture.size) == ("PNG", (800, 600))


@pytest.mark.parametrize(("image_format", "magic"), [("jpeg", b"\xff\xd8\xff"), ("pdf", b"%PDF-")])
def test_it_requests_other_formats_from_every_dialect(api, image_format, magic):
    assert capture(api, image_format=image_format).startswith(magic)


def test_only_the_format_requests_a_printed_page(api):
    assert capture(api, PAGE, "pdf").startswith(b"%PDF-")
    assert set(api.calls[0].params) - {"delay"} == {"url", "format", "width", "height"}


def test_it_sends_snapsharp_its_own_names():
    call = sent_by("snapsharp", ALL_OPTIONS)

    assert (call.method, call.path.partition("?")[0]) == ("GET", "/v1/screenshot")
    assert call.headers["Authorization"] == f"Bearer {KEY}"
    assert call.params == {
        "url": "https://example.com/",
        "format": "png",
        "width": "1024",
        "height": "768",
        "full_page": "true",
        "retina": "true",
        "delay": "250",
        "wait_until": "networkidle",
        "wait_for": "#main",
        "hide_selectors": ".ad, :is(a, b)",
        "block_ads": "true",
        "block_cookie_banners": "true",
        "block_chats": "true",
        "dark_mode": "true",
    }


def test_it_sends_the_engine_snapsharps_names_with_scale_and_selector():
    call = sent_by("engine", replace(ALL_OPTIONS, scale=1.5, selector="#chart"))

    assert call.params["scale"] == "1.5"
    assert call.params["selector"] == "#chart"
    assert "retina" not in call.params
    assert sent_by("engine", replace(PAGE, scale=2.0)).params["scale"] == "2"


VISITOR = {"reduced_motion": True, "locale": "de-DE", "timezone": "Asia/Tokyo", "user_agent": "Reader/2.0"}


def test_it_sends_the_visitor_to_the_apis_that_know_one():
    own = sent_by("engine", replace(PAGE, **VISITOR)).params
    assert {name: own[name] for name in VISITOR} == VISITOR | {"reduced_motion": "true"}
    assert sent_by("snapsharp", replace(PAGE, user_agent="Reader/2.0")).params["user_agent"] == "Reader/2.0"
    hosted = sent_by("snapapi", replace(PAGE, **VISITOR)).params
    assert [hosted[name] for name in ("reducedMotion", "locale", "timezone", "userAgent")] == [*VISITOR.values()]


def phone(**beside):
    return replace(PAGE, **{"device": "iphone-14", "width": 390, "height": 844, "scale": 3.0} | beside)


@pytest.mark.parametrize(
    ("dialect", "name"), [("engine", "iphone-14"), ("snapsharp", "iPhone 14"), ("snapapi", "iphone-14")]
)
def test_it_leaves_what_a_device_implies_to_the_api(dialect, name):
    params = sent_by(dialect, phone()).params
    assert params["device"] == name
    assert not {"width", "height", "scale", "retina", "deviceScaleFactor"} & set(params)


@pytest.mark.parametrize(
    ("dialect", "sent"),
    [("engine", ("scale", "1")), ("snapsharp", ("retina", "false")), ("snapapi", ("deviceScaleFactor", 1.0))],
)
def test_it_sends_what_differs_from_a_device_even_at_the_apis_default(dialect, sent):
    params = sent_by(dialect, phone(scale=1.0, width=1280)).params
    assert params[sent[0]] == sent[1]
    assert str(params["width"]) == "1280"
    assert "height" not in params


def test_it_sends_hermesforge_its_own_names():
    wishes = {"full_page": True, "delay": 5000, "block_ads": True, "block_cookie_banners": True, "block_chats": True}
    call = sent_by("hermesforge", replace(PAGE, **wishes))

    assert (call.method, call.path.partition("?")[0]) == ("GET", "/api/screenshot")
    assert call.headers["X-API-Key"] == KEY
    assert call.params == {
        "url": "https://example.com/",
        "format": "png",
        "width": "1280",
        "height": "720",
        "full_page": "true",
        "delay": "5000",
        "block_ads": "true",
    }


def test_it_sends_snapapi_json_in_camel_case():
    call = sent_by("snapapi", replace(ALL_OPTIONS, selector="#chart"))

    assert (call.method, call.path) == ("POST", "/v1/screenshot")
    assert call.headers["X-Api-Key"] == KEY
    assert call.headers["Content-Type"] == "application/json"
    assert call.params == {
        "url": "https://example.com/",
        "format": "png",
        "width": 1024,
        "height": 768,
        "fullPage": True,
        "deviceScaleFactor": 2.0,
        "delay": 250,
        "waitUntil": "networkidle",
        "waitForSelector": "#main",
        "selector": "#chart",
        "hideSelectors": [".ad, :is(a, b)"],
        "blockAds": True,
        "blockCookieBanners": True,
        "blockChatWidgets": True,
        "darkMode": True,
    }


def test_it_sends_nothing_that_the_api_does_by_itself(api):
    capture(api)

    assert set(api.calls[0].params) - {"delay"} == {"url", "format", "width", "height"}


@pytest.mark.parametrize(
    ("name", "asked", "sent"),
    [("hermesforge", 0, 1000), ("snapsharp", 0, 1000), ("snapapi", 200, 1000), ("snapsharp", 3000, 3000), ("engine", 0, None)],
)  # fmt: skip
def test_a_hosted_api_gets_a_delay_of_at_least_a_second_instead_of_settled(name, asked, sent):
    params = sent_by(name, replace(PAGE, delay=asked)).params

    assert params.get("delay") in (sent, sent and str(sent))
    assert not {"wait_until", "waitUntil"} & set(params)


def test_it_sends_a_quality_only_for_lossy_originals():
    assert sent_by("snapsharp", PAGE, "jpeg").params["quality"] == "90"
    assert "quality" not in sent_by("snapsharp", PAGE, "png").params
    assert "quality" not in sent_by("snapsharp", PAGE, "pdf").params
    assert "quality" not in sent_by("hermesforge", PAGE, "jpeg").params


def test_it_hands_on_the_target_unchanged(api):
    url = "https://example.com/a%20b/ü?q=1&r=a+b%26c&url=x#frag"

    capture(api, replace(PAGE, target=at(url)))

    assert api.calls[0].params["url"] == url


@pytest.mark.parametrize("dialect", ["engine", "snapsharp"])
def test_it_posts_options_as_json_if_they_are_too_long_for_a_query(dialect):
    call = sent_by(dialect, replace(ALL_OPTIONS, target=at("https://example.com/?q=" + "é" * 1000)))

    assert (call.method, call.path) == ("POST", "/v1/screenshot")
    assert call.params["full_page"] is True
    assert call.params["delay"] == 250
    assert call.params["url"].endswith("é")


def test_it_stays_with_get_where_the_dialect_has_no_json():
    assert sent_by("hermesforge", replace(PAGE, target=at("https://example.com/?q=" + "é" * 1000))).method == "GET"


@pytest.mark.parametrize("dialect", ["engine", "hermesforge"])
def test_it_needs_no_key_where_the_api_needs_none(dialect):
    with running_screenshot_api(dialect) as api:
        capture(api, key=None)

        assert not {"Authorization", "X-API-Key"} & set(api.calls[0].headers)


@pytest.mark.parametrize("dialect", ["snapsharp", "snapapi"])
def test_it_will_not_start_without_a_key_where_the_api_needs_one(dialect):
    with pytest.raises(ValueError, match="key of"):
        CaptureClient(DIALECTS[dialect], "http://127.0.0.1:9", None)


# Options that a dialect cannot express


@pytest.mark.parametrize(
    ("dialect", "changes", "words"),
    [
        ("snapsharp", {"selector": "#chart"}, ["selector", "snapsharp"]),
        ("snapsharp", {"scale": 1.5}, ["scale", "snapsharp", "1 or 2"]),
        ("hermesforge", {"dark_mode": True}, ["dark_mode", "hermesforge"]),
        ("hermesforge", {"scale": 2.0}, ["scale", "hermesforge"]),
        ("hermesforge", {"wait_for": "p"}, ["wait_for", "hermesforge"]),
        ("hermesforge", {"wait_until": "networkidle"}, ["wait_until", "hermesforge"]),
        ("hermesforge", {"hide": "p"}, ["hide", "hermesforge"]),
        ("hermesforge", {"selector": "p"}, ["selector", "hermesforge"]),
        ("hermesforge", {"delay": 5001}, ["delay", "hermesforge", "0 to 5000"]),
        ("snapsharp", {"locale": "de"}, ["locale", "snapsharp"]),
        ("snapsharp", {"timezone": "Asia/Tokyo"}, ["timezone", "snapsharp"]),
        ("snapsharp", {"reduced_motion": True}, ["reduced_motion", "snapsharp"]),
        ("hermesforge", {"device": "iphone-14", "width": 390, "height": 844, "scale": 3.0}, ["device", "hermesforge"]),
        ("snapsharp", {"device": "desktop-4k", "width": 3840, "height": 2160}, ["device", "snapsharp", "iphone-14"]),
        ("hermesforge", {"user_agent": "Reader/2.0"}, ["user_agent", "hermesforge"]),
        ("snapapi", {"width": 99}, ["width", "snapapi", "100 to 3840"]),
        ("engine", {"height": 2161}, ["height", "engine", "240 to 2160"]),
        ("engine", {"scale": 3.5}, ["scale", "engine", "1 to 3"]),
        ("engine", {"scale": 3.0, "width": 3840, "height": 2160}, ["scale", "engine", "pixels"]),
        ("snapapi", {"wait_until": "commit"}, ["wait_until", "snapapi", "domcontentloaded"]),
    ],
)
def test_it_refuses_options_that_the_dialect_cannot_express_before_any_charge(dialect, changes, words):
    with running_screenshot_api(dialect, key=KEY) as api, client(api) as made:
        with pytest.raises(InvalidOption) as refusal:
            made.require_expressible(replace(PAGE, **changes))
        with pytest.raises(InvalidOption):
            made.capture(replace(PAGE, **changes), timeout=30)

        assert all(word in refusal.value.detail for word in words)
        assert not api.calls


def test_it_refuses_a_format_that_the_dialect_lacks(snapsharp):
    with (
        client(snapsharp) as made,
        pytest.raises(
            InvalidOption, match=r"format: must be png, jpeg, webp or pdf for the screenshot API in use, snapsharp"
        ),
    ):
        made.require_expressible(replace(PAGE, format="avif"))


def test_it_refuses_no_option_at_its_default_in_any_dialect(api):
    with client(api) as made:
        made.require_expressible(CaptureOptions(locate("https://example.com/")))

    assert not api.calls


# The request


def test_it_sends_its_user_agent_and_the_request_id(api):
    capture(api, request_id="req-17")

    headers = api.calls[0].headers
    assert headers["X-Request-ID"] == "req-17"
    assert headers["User-Agent"] == "thumbnail-service"
    assert headers["Accept-Encoding"] == "identity"


def test_it_sends_the_priority_of_background_captures_only_to_the_engine(api):
    with client(api) as made:
        made.capture(PAGE, timeout=30, call=CaptureCall(background=True))
        made.capture(PAGE, timeout=30)

    told = [call.headers.get("Priority") for call in api.calls]
    assert told == (["u=7", None] if api.dialect == "engine" else [None, None])


def test_it_uses_one_connection_for_many_pictures(snapsharp):
    snapsharp.behave(refuse(400, "validation_error"), url="https://bad.example/")
    with client(snapsharp) as made:
        made.capture(PAGE, timeout=30)
        with pytest.raises(CaptureFailed):
            made.capture(replace(PAGE, target=at("https://bad.example/")), timeout=30)
        made.capture(replace(PAGE, format="jpeg"), timeout=30)

    assert len({call.peer for call in snapsharp.calls}) == 1


def test_it_keeps_the_environments_proxies_and_passwords_out(snapsharp, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login user password pass\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)

    assert capture(snapsharp)
    assert snapsharp.calls[0].headers["Authorization"] == f"Bearer {KEY}"


def test_it_keeps_no_cookies(snapsharp):
    with client(snapsharp) as made:
        snapsharp.behave(refuse(400, headers={"Set-Cookie": "id=1; Path=/"}))
        with pytest.raises(CaptureFailed):
            made.capture(PAGE, timeout=30)
        made.capture(PAGE, timeout=30)

    assert "Cookie" not in snapsharp.calls[1].headers


@pytest.mark.slow
def test_a_forked_process_opens_connections_of_its_own(snapsharp):
    script = """
        import os, sys
        from capture import DIALECTS, CaptureClient
        from options import CaptureOptions, Target
        made = CaptureClient(DIALECTS["snapsharp"], sys.argv[1], sys.argv[2])
        take = lambda: made.capture(CaptureOptions(Target("https://example.com/", "example.com", 443)), timeout=30)
        take()
        if child := os.fork():
            sys.exit(os.waitpid(child, 0)[1])
        take()
    """
    root = Path(__file__).parents[3]
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), snapsharp.url, KEY],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        check=True,
    )

    assert len({call.peer for call in snapsharp.calls}) == 2


# Errors


@pytest.mark.parametrize(
    ("dialect", "answer", "error"),
    [
        ("snapsharp", refuse(400, "validation_error"), CaptureFailed),
        ("snapsharp", refuse(401, "unauthorized"), UpstreamUnavailable),
        ("snapsharp", refuse(403, "plan_required", extras={"required_plan": "starter"}), UpstreamUnavailable),
        ("snapsharp", refuse(404, "not_found"), CaptureFailed),
        ("snapsharp", refuse(429, "quota_exceeded"), UpstreamQuota),
        ("snapsharp", refuse(500, "internal"), CaptureFailed),
        ("snapsharp", refuse(400, "blocked_url"), CaptureFailed),
        ("engine", refuse(400, "validation_error"), InvalidOption),
        ("engine", refuse(400, "blocked_url"), BlockedTarget),
        ("engine", refuse(401, "unauthorized"), UpstreamUnavailable),
        ("engine", refuse(422, "page_failed"), CaptureFailed),
        ("engine", refuse(422, "page_status"), errors.ErrorStatus),
        ("engine", refuse(422, "not_a_page"), errors.NotAWebPage),
        ("engine", refuse(422, "selector_not_found"), errors.NoSuchElement),
        ("engine", refuse(422, "certificate"), errors.CertificateInvalid),
        ("engine", refuse(422, "tls_failed"), errors.TLSFailed),
        ("engine", refuse(422, "too_many_redirects"), errors.TooManyRedirects),
        ("engine", refuse(422, "invalid_response"), errors.InvalidResponse),
        ("engine", refuse(422, "connection_refused"), errors.ConnectionRefused),
        ("engine", refuse(422, "connection_reset"), errors.ConnectionReset),
        ("engine", refuse(422, "page_unreachable"), errors.SiteUnreachable),
        ("engine", refuse(422, "page_crashed"), errors.RendererCrashed),
        ("engine", refuse(500, "internal_error"), CaptureFailed),
        ("hermesforge", refuse(400, message="bad"), CaptureFailed),
        ("hermesforge", refuse(401, message="bad"), UpstreamUnavailable),
        ("hermesforge", refuse(402, message="payment required"), UpstreamQuota),
        ("hermesforge", refuse(403, message="no"), UpstreamUnavailable),
        ("hermesforge", refuse(408, message="slow"), CaptureTimeout),
        ("hermesforge", refuse(429, message="Your daily quota is used up"), UpstreamQuota),
        ("snapapi", refuse(401, "INVALID_API_KEY", nested=True), UpstreamUnavailable),
        ("snapapi", refuse(402, "QUOTA_EXCEEDED", nested=True), UpstreamQuota),
        ("snapapi", refuse(429, "QUOTA_EXCEEDED", nested=True), UpstreamQuota),
        ("snapapi", refuse(429, "QUOTA_EXCEEDED"), UpstreamQuota),
        ("snapapi", refuse(429, "Too Many Requests", "Monthly quota exceeded"), UpstreamQuota),
        ("snapapi", refuse(403, "Forbidden", "not on your plan"), UpstreamUnavailable),
        ("snapapi", refuse(422, "CONTENT_CHECK_FAILED", nested=True), CaptureFailed),
        ("snapapi", refuse(500, "RENDER_FAILED", nested=True), CaptureFailed),
        ("snapapi", refuse(202, body=b'{"success": true, "jobId": "1"}'), CaptureFailed),
    ],
)  # fmt: skip
def test_it_translates_a_refusal_and_does_not_retry(dialect, answer, error):
    with running_screenshot_api(dialect, key=KEY) as api:
        api.behave(answer)
        with pytest.raises(error) as raised:
            capture(api)

        assert type(raised.value) is error
        assert len(api.calls) == 1


def test_a_missing_page_is_a_lasting_failure_of_the_page_and_the_caller_gets_its_status():
    with running_screenshot_api("engine", key=KEY) as api:
        api.behave(refuse(422, "page_status", extras={"page_status": 404, "retryable": False}))
        with pytest.raises(errors.ErrorStatus, match=r"^the page answered 404$") as raised:
            capture(api)

    err = raised.value
    assert (err.page_status, err.retryable, err.lasting, err.upstream) == (404, False, True, False)


@pytest.mark.parametrize(("status", "code"), [(403, "plan_required"), (429, "plan_required")])
def test_an_option_that_the_plan_lacks_says_nothing_about_the_api(status, code):
    """Any caller may ask for it, and the breaker closes the service to all."""
    with running_screenshot_api("snapsharp", key=KEY) as api:
        api.behave(refuse(status, code))
        with pytest.raises(UpstreamUnavailable) as raised:
            capture(api)

    assert (raised.value.upstream, raised.value.retryable) == (False, False)


def test_a_body_that_is_too_large_for_the_api_is_no_failure_of_the_api():
    with running_screenshot_api("engine", key=KEY) as api:
        api.behave(refuse(413, "validation_error"))
        with pytest.raises(CaptureFailed) as raised:
            capture(api)

    assert (raised.value.upstream, raised.value.retryable) == (False, False)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_a_page_whose_status_may_change_may_be_retried(status):
    with running_screenshot_api("engine", key=KEY) as api:
        api.behave(refuse(422, "page_status", extras={"page_status": status, "retryable": True}))
        with pytest.raises(errors.ErrorStatus) as raised:
            capture(api)

    assert (raised.value.page_status, raised.value.retryable) == (status, True)


def test_the_error_of_a_selector_names_its_option():
    with running_screenshot_api("engine", key=KEY) as api:
        api.behave(refuse(422, "selector_not_found", extras={"field": "wait_for", "retryable": False}))
        with pytest.raises(errors.NoSuchElement, match=r"^wait_for: no element of the page matched the selector$"):
            capture(api)


@pytest.mark.parametrize(
    ("name", "detail"),
    [
        ("ERR_CERT_DATE_INVALID", "the page's certificate is not valid (ERR_CERT_DATE_INVALID)"),
        ("err https://example.com/secret", "the page's certificate is not valid"),
        (None, "the page's certificate is not valid"),
    ],
)
def test_the_error_of_a_certificate_says_what_is_wrong_with_it_by_a_name_and_nothing_else(name, detail):
    with running_screenshot_api("engine", key=KEY) as api:
        api.behave(refuse(422, "certificate", extras={"net_error": name}))
        with pytest.raises(errors.CertificateInvalid) as raised:
            capture(api)

    assert raised.value.detail == detail


def test_a_field_that_is_no_option_is_not_shown():
    with running_screenshot_api("engine", key=KEY) as api:
        api.behave(refuse(422, "selector_not_found", extras={"field": "<b>", "retryable": "no"}))
        with pytest.raises(errors.NoSuchElement, match=r"^no element"):
            capture(api)


@pytest.mark.parametrize("number", [None, True, 200, 600, 10**40, 404.0, "404 <b>", [404], {"page_status": 404}])
def test_a_page_status_that_is_no_error_is_not_shown(number):
    with running_screenshot_api("engine", key=KEY) as api:
        api.behave(refuse(422, "page_status", extras={"page_status": number}))
        with pytest.raises(errors.ErrorStatus, match=r"^the page answered with an error$"):
            capture(api)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refuse(502), CaptureFailed),
        (refuse(503), UpstreamUnavailable),
        (fake.reset, UpstreamUnavailable),
    ],
)
def test_it_tries_a_transient_error_twice_more_then_types_it(api, answer, error):
    api.behave(answer, times=9)

    with pytest.raises(error) as raised:
        capture(api)

    assert isinstance(raised.value, error)
    assert len(api.calls) == 3


def test_a_hosted_api_that_took_too_long_is_tried_twice_more_and_the_engine_is_not(api):
    """The engine's time-out is the page's own, after 25 seconds. That of a hosted API may be a gateway's."""
    api.behave(refuse(504, "timeout"), times=9)

    with pytest.raises(CaptureTimeout):
        capture(api)
    assert len(api.calls) == (1 if api.dialect == "engine" else 3)


@pytest.mark.parametrize("nested", [True, False])
def test_a_limit_is_tried_twice_more_and_our_own_engines_is_no_fault_of_it(api, nested):
    api.behave(refuse(429, "rate_limited", nested=nested), times=9)

    with pytest.raises(OverCapacity if api.dialect == "engine" else UpstreamUnavailable):
        capture(api)
    assert len(api.calls) == 3


@pytest.mark.parametrize("answer", [refuse(429, "rate_limited"), refuse(502), refuse(503), refuse(504), fake.reset])
def test_a_transient_error_that_passes_is_a_picture(api, answer):
    api.behave(answer, times=2)

    assert capture(api).startswith(b"\x89PNG")
    assert len(api.calls) == 3


def test_each_call_is_counted_and_one_that_may_not_be_is_not_made(api):
    counted = []

    def count():
        if len(counted) == 2:
            raise RateLimited("no more")
        counted.append(len(api.calls))

    api.behave(refuse(502), times=9)
    with client(api) as made:
        with pytest.raises(CaptureFailed):
            made.capture(PAGE, timeout=30, call=CaptureCall(count=count))
        with pytest.raises(RateLimited):
            made.capture(PAGE, timeout=30, call=CaptureCall(count=count))

    assert (counted, len(api.calls)) == ([0, 1], 2)


def test_a_permanent_error_ends_the_tries(snapsharp):
    snapsharp.behave(refuse(503))
    snapsharp.behave(refuse(429, "quota_exceeded"))

    with pytest.raises(UpstreamQuota):
        capture(snapsharp)

    assert len(snapsharp.calls) == 2


def test_a_refused_connection_is_tried_twice_more(snapsharp):
    with socket.socket() as taken:  # bound and not listening, so no server can use the port
        taken.bind(("127.0.0.1", 0))
        sleeps = []
        with pytest.raises(UpstreamUnavailable) as raised:
            capture(snapsharp, url=f"http://127.0.0.1:{taken.getsockname()[1]}", sleeps=sleeps)

    assert raised.value.retry_after == 5
    assert len(sleeps) == 2


def test_an_untrusted_certificate_of_the_api_is_not_retried(snapsharp):
    sleeps = []
    with capture_logs() as events, pytest.raises(UpstreamUnavailable):
        capture(snapsharp, url=snapsharp.url.replace("http:", "https:"), sleeps=sleeps)

    assert sleeps == []
    assert "CAPTURE_URL" in events[0]["hint"]


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b"17", b'"text"', b"{", b"\xff\xfe", b"[" * 60_000, b'{"error": [1]}', b'{"error": {"code": 7}}',
     b'{"retry_after": NaN}', b'{"retry_after": 1' + b"0" * 400 + b"}", b'{"retry_after": -1e999}', b'{"message": "' + b"x" * 300_000 + b'"}', b"<html>"],
    ids=lambda body: repr(body[:24]),
)  # fmt: skip
@pytest.mark.parametrize("status", [400, 429])
def test_it_needs_no_sense_in_an_error_body(api, status, body):
    api.behave(refuse(status, body=body), times=9)

    with pytest.raises((CaptureFailed, UpstreamUnavailable)):
        capture(api)


def test_an_error_body_without_end_is_read_no_further_than_it_makes_sense(snapsharp):
    snapsharp.behave(fake.endless(401))

    with pytest.raises(UpstreamUnavailable):
        capture(snapsharp)


def test_an_error_body_cut_short_leaves_the_status(snapsharp):
    snapsharp.behave(refuse(429, "rate_limited", headers={"Content-Length": "500", "Connection": "close"}))

    assert capture(snapsharp)


# Pauses


def test_pauses_are_full_jitter_over_a_doubling_ceiling(snapsharp):
    snapsharp.behave(refuse(503), times=2)
    ceilings, sleeps = [], []

    capture(snapsharp, jitter=lambda ceiling: ceilings.append(ceiling) or ceiling / 4, sleeps=sleeps)

    assert ceilings == [0.5, 1.0]
    assert sleeps == [0.125, 0.25]


def test_jitter_is_anything_from_nothing_to_the_ceiling():
    jitter = CaptureClient.__init__.__kwdefaults__["jitter"]
    drawn = [jitter(2.0) for _ in range(200)]

    assert 0 <= min(drawn) < 1 < max(drawn) <= 2


@pytest.mark.parametrize("status", [429, 503])
def test_it_waits_for_the_seconds_of_retry_after(api, status):
    api.behave(refuse(status, headers={"Retry-After": "7"}))
    sleeps = []

    capture(api, sleeps=sleeps)

    assert sleeps == [7.0]


def test_it_waits_until_the_date_of_retry_after(snapsharp):
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=600), usegmt=True)
    snapsharp.behave(refuse(429, "rate_limited", headers={"Retry-After": date}))
    sleeps = []

    capture(snapsharp, timeout=3600, sleeps=sleeps)

    assert len(sleeps) == 1
    assert 500 < sleeps[0] <= 600


@pytest.mark.parametrize(
    ("dialect", "extras"),
    [
        ("snapsharp", {"retry_after": 7}),
        ("engine", {"retry_after": 7}),
        ("snapapi", {"error": {"code": "RATE_LIMITED", "details": {"retryAfter": 7}}}),
        ("snapapi", {"details": {"retryAfter": 7}}),
    ],
)
def test_it_reads_the_pause_from_the_body_if_no_header_has_it(dialect, extras):
    with running_screenshot_api(dialect, key=KEY) as api:
        api.behave(refuse(429, "rate_limited", extras=extras))
        sleeps = []
        capture(api, sleeps=sleeps)

    assert sleeps == [7.0]


def test_it_fails_at_once_with_a_retry_after_if_the_pause_exceeds_the_deadline(snapsharp):
    snapsharp.behave(refuse(429, "rate_limited", headers={"Retry-After": "120"}), times=9)
    sleeps = []

    with pytest.raises(UpstreamUnavailable) as raised:
        capture(snapsharp, timeout=60, sleeps=sleeps)

    assert raised.value.retry_after == 120
    assert (len(snapsharp.calls), sleeps) == (1, [])


def test_it_starts_no_try_that_has_no_time_left(snapsharp):
    snapsharp.behave(refuse(503, headers={"Retry-After": "5"}), times=9)

    with pytest.raises(UpstreamUnavailable):
        capture(snapsharp, timeout=5.5)

    assert len(snapsharp.calls) == 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0), ("120", 120), (" 7 ", 7), (3, 3), (2.5, 2.5),
        ("Fri, 20 Nov 2026 09:00:30 GMT", 30), ("Friday, 20-Nov-26 09:00:30 GMT", 30), ("Fri Nov 20 09:00:30 2026", 30),
        ("Fri, 20 Nov 2026 08:00:00 GMT", 0), ("Fri, 20 Nov 2099 09:00:00 GMT", 86_400), ("999999999999", 86_400),
        (-5, 0), ("-5", None), ("soon", None), ("", None), ("1e3", None), ("٣", None), ("9" * 5000, None),
        ("Fri, 99 Nov 2026 09:00:30 GMT", None), (float("nan"), 0), (float("inf"), 86_400), (10**400, 86_400), (None, None),
    ],
)  # fmt: skip
def test_it_reads_both_forms_of_retry_after_and_no_others(value, seconds):
    assert retry_after_seconds(value, NOW) == seconds


def test_a_date_without_a_zone_is_gmt_wherever_the_service_runs(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert retry_after_seconds("Fri Nov 20 09:00:30 2026", NOW) == 30
    finally:
        monkeypatch.undo()
        time.tzset()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(),
    lambda values: st.lists(values) | st.dictionaries(st.sampled_from(ENVELOPE_NAMES) | st.text(), values),
    max_leaves=20,
)


@given(value=st.text() | st.integers() | st.floats() | st.datetimes().map(format_datetime))
def test_no_retry_after_is_beyond_it(value):
    seconds = retry_after_seconds(value, NOW)

    assert seconds is None or 0 <= seconds <= 86_400


@given(dialect=st.sampled_from(sorted(DIALECTS)), status=st.integers(201, 599), document=JSON)
def test_no_error_body_is_beyond_it(dialect, status, document):
    spoken = DIALECTS[dialect]

    failure = read_failure(spoken.envelope, spoken.outcomes, status, None, json.dumps(document).encode())

    assert failure.to_error().detail in {outcome.detail for outcome in [BROKEN, *spoken.outcomes.values()]}
    assert len(redact(failure.text, locate(SECRET), KEY)) <= 200


def test_a_secret_where_a_long_text_is_cut_is_not_shown_in_part():
    target = locate("https://shop.example/orders/7f3a9c-hunter22")
    hidden = "https://shop.example/orders/7f3a9c-hunter22 "
    for before in range(4096 - len(hidden), 4096):
        text = (hidden * 200)[: before - len(hidden)] + " 7f3a9c-hunter22" * 9
        assert "7f3a" not in redact(text, target, KEY)


# Lies


@pytest.mark.parametrize(
    "lie",
    [
        fake.content_length_long, fake.chunks_cut_off, fake.empty, fake.html, fake.untyped, fake.gzip_bomb, fake.endless(),
        fake.announced(str(2**40)), fake.announced("9" * 5000), fake.announced("4, 5"),
        fake.redirect("http://169.254.169.254/latest/meta-data/"), refuse(204, body=b""), fake.picture_with(202), fake.picture_with(206), fake.picture_with(302, {"Location": "/v1/screenshot"}), fake.picture_with(304),
        fake.endless(302, {"Location": "http://127.0.0.1:9/", "Content-Encoding": "gzip"}),
    ],
)  # fmt: skip
def test_it_takes_no_lie_for_a_picture(snapsharp, lie):
    snapsharp.behave(lie)

    with pytest.raises(CaptureFailed):
        capture(snapsharp)

    assert len(snapsharp.calls) == 1


def test_it_follows_no_redirect_even_to_the_api_itself(snapsharp):
    snapsharp.behave(fake.redirect(f"{snapsharp.url}/v1/screenshot?url=https%3A%2F%2Fexample.com%2F"))

    with pytest.raises(CaptureFailed):
        capture(snapsharp)

    assert len(snapsharp.calls) == 1


def test_it_reads_a_picture_of_just_the_cap_and_none_above(snapsharp):
    whole = capture(snapsharp)

    assert capture(snapsharp, max_bytes=len(whole)) == whole
    with pytest.raises(CaptureFailed):
        capture(snapsharp, max_bytes=len(whole) - 1)


def test_a_body_longer_than_announced_does_not_spill_into_the_next_picture(snapsharp):
    whole = capture(snapsharp)
    snapsharp.behave(fake.content_length_short)
    with client(snapsharp) as made:
        assert made.capture(PAGE, timeout=30).body == whole[: len(whole) // 2]
        assert made.capture(PAGE, timeout=30).body == whole


@pytest.mark.timeout(20)
@pytest.mark.parametrize("behaviour", [fake.silence, fake.drip, fake.drip_head])
def test_no_pace_outlives_the_deadline(snapsharp, behaviour):
    snapsharp.behave(behaviour, times=9)

    with pytest.raises(CaptureTimeout):
        capture(snapsharp, timeout=0.3)

    assert len(snapsharp.calls) == 1


def test_a_picture_that_comes_after_the_deadline_is_not_waited_for(snapsharp):
    snapsharp.latency = 3.0

    with pytest.raises(CaptureTimeout):
        capture(snapsharp, timeout=0.3)


def test_the_deadline_is_of_the_whole_answer_and_not_of_its_parts(snapsharp):
    snapsharp.latency = 0.6
    snapsharp.behave(fake.stalled(0.6))

    with pytest.raises(CaptureTimeout):
        capture(snapsharp, timeout=1.0)


@pytest.mark.timeout(20)
def test_an_error_that_drips_does_not_outlive_the_deadline_either(snapsharp):
    snapsharp.behave(lambda answer: (answer.head(503, {"Content-Length": "9999"}), fake._slowly(answer, b" " * 9999)))

    with pytest.raises(UpstreamUnavailable):
        capture(snapsharp, timeout=0.3)


def test_it_lets_the_api_think_before_the_first_byte(snapsharp):
    snapsharp.latency = 0.5

    assert capture(snapsharp)


def test_a_slow_picture_leaves_the_connection_fit_for_the_next(snapsharp):
    with client(snapsharp) as made:
        made.capture(PAGE, timeout=1.5)
        snapsharp.latency = 2.0
        made.capture(PAGE, timeout=30)

    assert len({call.peer for call in snapsharp.calls}) == 1


def test_no_time_left_is_a_timeout_without_a_call(snapsharp):
    with pytest.raises(CaptureTimeout):
        capture(snapsharp, timeout=0)

    assert not snapsharp.calls


# Secrets in logs and errors


def leaks(text):
    """Return the secrets in `text`: the key, or the target's path and query."""
    return [secret for secret in (KEY, KEY[8:], "7f3a9c", "hunter22", "orders") if secret in text]


TELLTALE = (
    f"cannot open {SECRET} with {KEY}: /orders/7f3a9c?token=hunter22&x=1 (https%3A%2F%2Fshop.example%2Forders) hunter22"
)


def everything_said(api, caplog, **settings):
    """Fail a capture. Return all logs, at any level and of any library, and the error with its traceback."""
    caplog.set_level(logging.DEBUG)
    with capture_logs() as events, pytest.raises(Exception) as raised:
        capture(api, replace(PAGE, target=at(SECRET)), **settings)
    chain = "".join(traceback.format_exception(raised.value))
    context = "".join(map(repr, (raised.value.__cause__, raised.value.__context__)))
    return "\n".join(
        [json.dumps(events), *(record.getMessage() for record in caplog.records), chain, context]
    ), raised.value


def test_the_apis_words_are_logged_redacted_and_kept_from_the_caller(api, caplog):
    api.behave(refuse(400, "Bad key", TELLTALE))

    said, error = everything_said(api, caplog)

    assert "cannot open" in said
    assert not leaks(said)
    assert error.detail == "the page could not be captured"


@pytest.mark.parametrize(
    "behaviour",
    [
        refuse(503, TELLTALE, TELLTALE), refuse(401, message=TELLTALE), refuse(500, body=TELLTALE.encode()), fake.reset,
        fake.html, fake.content_length_long, fake.drip, fake.announced("4, 5"), fake.redirect(SECRET),
        lambda answer: answer.body(b"HTTP/1.1 200 OK\r\nbad header line\r\n\r\n"),
        lambda answer: answer.body(TELLTALE.encode() + b"\r\n\r\n"),
    ],
)  # fmt: skip
def test_no_failure_reveals_the_key_or_the_targets_path_or_query(snapsharp, caplog, behaviour):
    snapsharp.behave(behaviour, times=9)

    said, _ = everything_said(snapsharp, caplog, timeout=1.5)

    assert not leaks(said)


def test_a_refused_connection_reveals_neither(snapsharp, caplog):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        said, _ = everything_said(snapsharp, caplog, url=f"http://127.0.0.1:{taken.getsockname()[1]}")

    assert not leaks(said)


def test_a_success_reveals_neither(snapsharp, caplog):
    caplog.set_level(logging.DEBUG)

    capture(snapsharp, replace(PAGE, target=at(SECRET)))

    assert not leaks(caplog.text)


def test_a_key_that_is_no_valid_header_is_not_revealed_either(snapsharp, caplog):
    said, error = everything_said(snapsharp, caplog, key=KEY + "\n")

    assert not leaks(said)
    assert isinstance(error, CaptureFailed)


@pytest.mark.parametrize(("status", "code"), [(401, "unauthorized"), (403, "plan_required"), (429, "quota_exceeded")])
def test_the_operators_own_faults_are_logged_as_errors_that_name_the_variable(snapsharp, status, code):
    snapsharp.behave(refuse(status, code, headers={}))

    with capture_logs() as events, pytest.raises((UpstreamUnavailable, UpstreamQuota)) as raised:
        capture(snapsharp, request_id="req-17")

    assert [event["log_level"] for event in events] == ["error"]
    assert "CAPTURE_API_KEY" in events[0]["hint"]
    assert (events[0]["status"], events[0]["code"], events[0]["request_id"]) == (status, code, "req-17")
    assert "CAPTURE" not in raised.value.detail


def test_every_try_is_logged(snapsharp):
    snapsharp.behave(refuse(503, "queue_unavailable", "busy"), times=TRIES)

    with capture_logs() as events, pytest.raises(UpstreamUnavailable):
        capture(snapsharp)

    assert [(event["attempt"], event["status"], event["reason"]) for event in events] == [
        (n, 503, "busy") for n in (1, 2, 3)
    ]


@pytest.mark.parametrize(
    ("words", "hidden"),
    [
        ("key plainkey99 is unknown", "plainkey99"),
        ("key sk_live_another is unknown", "sk_live_another"),
        ("went to https://cdn.example/private?a=1 and failed", "private"),
        ("went to https%3A%2F%2Fcdn.example%2Fprivate", "private"),
        ("HTTPS://CDN.EXAMPLE/PRIVATE", "PRIVATE"),
        ("no file 7f3a9c", "7f3a9c"),
        ("no page %2Forders%2F7f3a9c", "7f3a9c"),
        ("token hunter22 is old", "hunter22"),
        ("?token=hunter22&x=1", "x=1"),
    ],
)
def test_logged_words_hide_keys_urls_and_the_targets_path_and_query(words, hidden):
    assert hidden not in redact(words, locate(SECRET), "plainkey99")


def test_logged_words_are_short_and_on_one_line():
    words = redact("line\r\nforged\x1b[31m\u2028" + "x" * 9999, PAGE.target, "")

    assert len(words) == 200
    assert words.isprintable()


# Readiness


def test_ping_says_whether_the_api_serves_and_costs_no_capture(api):
    with client(api) as made:
        assert made.ping()
        api.healthy = False
        assert not made.ping()

    assert not api.calls


def test_ping_is_false_if_no_server_listens():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        made = CaptureClient(DIALECTS["engine"], f"http://127.0.0.1:{taken.getsockname()[1]}", None)
        assert not made.ping()
        made.close()
