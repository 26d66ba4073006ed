"""SnapSharp's contract, tested on the fake APIs and on the real engine.

Add an implementation to `IMPLEMENTATIONS`: a context manager that takes the key that callers must send, or `None`.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest
import requests
from PIL import Image

from capture import DIALECTS, CaptureClient
from errors import CaptureFailed, InvalidOption, UpstreamUnavailable
from options import CaptureOptions, Clip, Cookie, Target
from tests.support.engine import running_engine
from tests.support.screenshot_api import running_screenshot_api
from tests.support.site import running_site
from urls import locate

KEY = "sk_live_0123456789abcdef"


@dataclass(frozen=True)
class Implementation:
    """A running API, its dialect, and a page that it can capture, taller than any viewport of these tests."""

    dialect: str
    url: str
    page: str


@contextmanager
def fake_snapsharp(key: str | None) -> Iterator[Implementation]:
    with running_screenshot_api("snapsharp", key) as api:
        yield Implementation("snapsharp", api.url, "https://example.com/tall")


@contextmanager
def fake_engine(key: str | None) -> Iterator[Implementation]:
    with running_screenshot_api("engine", key) as api:
        yield Implementation("engine", api.url, "https://example.com/tall")


@contextmanager
def real_engine(key: str | None) -> Iterator[Implementation]:
    with running_site() as site:
        page = site.add("/tall", "<!doctype html><title>Tall</title><div style='height: 2000px'>A tall page</div>")
        own = {"ENGINE_API_KEY": key} if key else {}
        with running_engine(PRIVATE_TARGETS=site.address, ENGINE_CONCURRENCY=2, **own) as engine:
            yield Implementation("engine", engine.url, page)


IMPLEMENTATIONS = {"fake snapsharp": fake_snapsharp, "fake engine": fake_engine, "engine": real_engine}


@pytest.fixture(scope="module", params=IMPLEMENTATIONS)
def api(request):
    with IMPLEMENTATIONS[request.param](None) as implementation:
        yield implementation


@pytest.fixture(scope="module", params=IMPLEMENTATIONS)
def locked(request):
    with IMPLEMENTATIONS[request.param](KEY) as implementation:
        yield implementation


@pytest.fixture(scope="module")
def http():
    with requests.Session() as session:
        session.trust_env = False
        yield session


@contextmanager
def client(api, key=KEY):
    made = CaptureClient(DIALECTS[api.dialect], api.url, key, sleep=lambda _: None)
    try:
        yield made
    finally:
        made.close()


def options(api, **wishes):
    blocking = {"block_ads": False, "block_cookie_banners": False, "block_chats": False}
    return CaptureOptions(locate(api.page), width=800, height=600, **blocking, **wishes)


def capture(api, image_format="png", **wishes):
    with client(api) as made:
        return made.capture(options(api, format=image_format, **wishes), timeout=60).body


def opened(body):
    image = Image.open(io.BytesIO(body))
    image.load()
    return image


def get(http, api, headers=None, **params):
    return http.get(f"{api.url}/v1/screenshot", params={"url": api.page, **params}, headers=headers, timeout=60)


def assert_envelope(answer, status, code):
    body = answer.json()
    assert answer.status_code == status
    assert answer.headers["Content-Type"].partition(";")[0] == "application/json"
    assert (body["status"], body["error"]) == (status, code)
    assert isinstance(body["message"], str)


@pytest.mark.parametrize("image_format", ["png", "jpeg"])
def test_a_picture_has_the_requested_format_and_size(api, image_format):
    picture = opened(capture(api, image_format))

    assert (picture.format, picture.size) == (image_format.upper(), (800, 600))


def test_a_picture_is_not_blank(api):
    assert len(opened(capture(api)).convert("RGB").getcolors(2**24)) > 1


def test_a_pdf_is_a_pdf(api):
    assert capture(api, "pdf").startswith(b"%PDF-")


def test_a_full_page_is_taller_than_the_viewport_and_as_wide(api):
    width, height = opened(capture(api, full_page=True)).size

    assert width == 800
    assert height > 600


def test_twice_the_scale_doubles_the_pixels(api):
    assert opened(capture(api, scale=2.0)).size == (1600, 1200)


def test_what_a_caller_does_to_the_page_is_understood(api):
    wishes = options(
        api, css="p { color: red }", js="document.title = 'x'", click="body", scroll_y=10, bypass_csp=True,
        block_trackers=True, clip=Clip(0, 0, 400, 300), headers=(("X-A", "1"),), cookies=(Cookie("a", "b"),),
    )  # fmt: skip
    with client(api) as made:
        picture = opened(made.capture(wishes, timeout=60).body)
    assert picture.size == ((400, 300) if "127.0.0.1" in api.page else (800, 600))  # the fakes cut nothing


def test_every_option_at_once_still_gives_the_picture(api):
    wishes = replace(
        options(api, dark_mode=True, wait_until="domcontentloaded", wait_for="body", hide=".a, #b", delay=10),
        block_ads=True,
        block_cookie_banners=True,
        block_chats=True,
    )
    with client(api) as made:
        assert opened(made.capture(wishes, timeout=60).body).size == (800, 600)


@pytest.mark.parametrize("image_format", ["png", "jpeg", "webp"])
def test_the_content_type_is_the_requested_one(http, api, image_format):
    answer = get(http, api, format=image_format)

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, f"image/{image_format}")
    assert opened(answer.content).format == image_format.upper()


def test_the_default_is_a_png_of_1280_by_720(http, api):
    picture = opened(get(http, api).content)

    assert (picture.format, picture.size) == ("PNG", (1280, 720))


def test_json_by_post_gives_the_picture_too(http, api):
    body = {"url": api.page, "width": 640, "height": 480, "full_page": False, "retina": False, "format": "png"}
    answer = http.post(f"{api.url}/v1/screenshot", json=body, timeout=60)

    assert opened(answer.content).size == (640, 480)


@pytest.mark.parametrize("word", ["true", "false"])
def test_booleans_are_literal(http, api, word):
    height = opened(get(http, api, width=640, height=480, full_page=word).content).height

    assert (height > 480) is (word == "true")


@pytest.mark.parametrize(
    "params",
    [
        {"width": 319}, {"width": 3841}, {"height": 239}, {"height": 2161}, {"width": "wide"}, {"format": "bmp"},
        {"quality": 0}, {"delay": 10_001}, {"full_page": "perhaps"}, {"wait_until": "never"},
    ],
    ids=str,
)  # fmt: skip
def test_an_option_out_of_range_is_a_validation_error(http, api, params):
    assert_envelope(get(http, api, **params), 400, "validation_error")


def test_a_missing_url_is_a_validation_error(http, api):
    assert_envelope(http.get(f"{api.url}/v1/screenshot", timeout=60), 400, "validation_error")


def test_the_client_translates_a_refusal(api):
    made = CaptureClient(replace(DIALECTS[api.dialect], params={}), api.url, KEY)  # a client that validates nothing
    with pytest.raises((CaptureFailed, InvalidOption)):
        made.capture(CaptureOptions(Target("", "", 0)), timeout=60)
    made.close()


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"X-API-Key": "wrong"}], ids=str)
def test_a_key_that_is_missing_or_wrong_is_unauthorized(http, locked, headers):
    assert_envelope(get(http, locked, headers=headers), 401, "unauthorized")


@pytest.mark.parametrize(
    "headers", [{"Authorization": f"Bearer {KEY}"}, {"X-API-Key": KEY}], ids=["bearer", "x-api-key"]
)
def test_a_key_may_come_in_either_header(http, locked, headers):
    assert get(http, locked, headers=headers).status_code == 200


def test_the_client_is_accepted_only_with_its_key(locked):
    with client(locked) as made:
        assert made.capture(options(locked), timeout=60)
    with client(locked, key="wrong") as made, pytest.raises(UpstreamUnavailable):
        made.capture(options(locked), timeout=60)


def test_health_needs_no_key(locked):
    with client(locked) as made:
        assert made.ping()
