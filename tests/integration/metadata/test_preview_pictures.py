"""`image=auto` and `image=og`: the picture that the page names for previews, if it is a picture, and a good one."""

import io
import threading
from urllib.parse import urlsplit

import pytest
from PIL import Image

from tests.integration.metadata.conftest import saying
from tests.support import pictures
from tests.support.browser import serving
from tests.support.processes import wait_until
from tests.support.redis import age_pictures
from tests.support.screenshot_api import refuse
from tests.support.victims import running_victims
from tests.support.visitors import PAGE, Crowd, get

GOOD = pictures.photo(1200, 630)
CAPTURED = (1280, 720)


def size(answer):
    assert answer.status_code == 200, answer.data
    return Image.open(io.BytesIO(answer.data)).size


@pytest.fixture
def names(engine_api, web):
    """Let all pages name a picture of the web server, with the `body`."""

    def names(body=GOOD, url="", times=20, **route):
        web.add("/og", body, content_type="image/png", **route)
        url = url or f"http://img.example:{web.port}/og"
        engine_api.behave(saying(status=200, title="T", image={"url": url}), times=times)

    return names


def test_the_page_s_own_picture_is_shown_in_every_size(client, names, engine_api, web):
    names()
    whole, small = get(client, image="og"), get(client, image="og", w=320, h=180, format="webp")

    assert (size(whole), size(small)) == ((1200, 630), (320, 180))
    assert [each.headers["X-Cache"] for each in (whole, small)] == ["MISS", "HIT"]
    assert get(client, image="og", w=320, h=180, format="webp").headers["X-Cache"] == "HIT"
    assert (len(engine_api.calls), web.hits("/og")) == (1, 1)
    assert "image" not in engine_api.calls[0].params


def test_the_screenshot_is_shared_with_other_requests(client, names, engine_api):
    names()
    plain, own, told = (
        get(client),
        get(client, image="auto"),
        client.get("/meta", query_string={"url": PAGE, "image": "auto"}),
    )

    assert (size(plain), size(own)) == (CAPTURED, (1200, 630))
    assert (told.json["title"], told.headers["X-Cache"]) == ("T", "HIT")
    assert get(client, image="screenshot").headers["ETag"] == plain.headers["ETag"]
    assert len(engine_api.calls) == 1


@pytest.mark.parametrize(
    ("body", "strict"),
    [
        (pictures.photo(120, 90), (120, 90)),
        (pictures.photo(2000, 200), (1920, 192)),
        (pictures.photo(300, 900), (300, 900)),
        (pictures.photo(512, 512), (512, 512)),
        (pictures.logo(1200, 630), (1200, 630)),
        (pictures.plain(1200, 630), (1200, 630)),
        (pictures.plain(1200, 630, (255, 0, 0, 10), mode="RGBA"), (1200, 630)),
    ],
)
def test_a_picture_that_is_no_good_preview_is_shown_on_demand_alone(client, names, body, strict):
    names(body)

    assert size(get(client, image="auto")) == CAPTURED
    assert size(get(client, image="og")) == strict


@pytest.mark.parametrize("image_format", ["JPEG", "WEBP", "GIF", "AVIF"])
def test_a_preview_of_any_usual_format_is_read(client, names, image_format):
    names(pictures.photo(1200, 630, image_format))

    assert size(get(client, image="auto")) == (1200, 630)


@pytest.mark.parametrize("image_format", ["JPEG", "WEBP"])
def test_a_photograph_stands_as_browsers_show_it(client, names, image_format):
    names(pictures.lying(1200, 630, image_format))
    shown = Image.open(io.BytesIO(get(client, image="og").data))

    assert shown.size == (1200, 630)
    assert [shown.getpixel((600, row))[0] > 200 for row in (50, 580)] == [True, False]


def test_a_picture_of_16_bits_keeps_its_greys(client, names):
    names(pictures.deep_grey(1200, 630))
    shown = Image.open(io.BytesIO(get(client, image="auto").data)).convert("L")

    assert [round(shown.getpixel((600, row)) / 64) for row in (2, 315, 627)] == [4, 2, 0]


@pytest.mark.parametrize(
    "body",
    [
        pictures.bomb(),
        pictures.photo(1200, 630)[:5000],
        b"<svg xmlns='http://www.w3.org/2000/svg' width='1200' height='630'/>",
        b"<!doctype html>",
        b"",
        GOOD + bytes(10 << 20),
    ],
)
def test_what_is_no_picture_leaves_the_screenshot(client, names, body):
    names(body)
    strict = get(client, image="og")

    assert size(get(client, image="auto")) == CAPTURED
    assert (strict.status_code, strict.json["code"], strict.json["detail"][:6]) == (404, "no_og_image", "image:")


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/og.png",
        "http://localhost/og.png",
        "http://[::1]/",
        "javascript:alert(1)",
        "http://user:pw@example.com/",
    ],
)
def test_a_preview_at_an_internal_address_is_not_asked_for(client, names, web, url):
    names(url=url)

    assert size(get(client, image="auto")) == CAPTURED
    assert get(client, image="og").json["code"] == "no_og_image"
    assert web.requests == []


def test_no_redirect_leads_inside(client, names, resolver):
    with running_victims(1) as (victim,):
        names(b"", status=302, headers={"Location": f"http://{victim.address}/"})

        assert size(get(client, image="auto")) == CAPTURED
        assert victim.hits == []


def test_a_page_has_nothing_captured_by_naming_this_service(make_client, engine_api):
    """A known picture of the service is a picture like any other. A capture would be at the expense of the service."""
    applications = []

    def this_service(environ, start_response):
        return applications[0](environ, start_response)

    with serving(this_service) as address:
        here = f"img.example:{urlsplit(address).port}"
        client = make_client(private_targets=here)
        applications.append(client.application)
        for number, (path, shown) in enumerate(
            [("/thumb?url=https://unknown.example/", CAPTURED), (f"/thumb?url={PAGE}&w=640", (640, 360))]
        ):
            said = saying(status=200, title="T", image={"url": f"http://{here}{path}"})
            engine_api.behave(said, url=f"https://page-{number}.example/")
            assert size(get(client, url=PAGE)) == CAPTURED
            assert size(get(client, url=f"https://page-{number}.example/", image="auto")) == shown

    captured = {each.params["url"] for each in engine_api.calls}
    assert captured == {PAGE, "https://page-0.example/", "https://page-1.example/"}


def test_what_hides_in_the_file_is_not_served(client, names):
    names(GOOD + b"<script>alert(1)</script>")

    assert b"script" not in get(client, image="auto").data


def test_a_page_without_a_picture_is_an_error_on_demand_alone(client, engine_api):
    engine_api.behave(saying(status=200), times=5)
    answers = [get(client, image="og") for _ in range(2)]

    assert size(get(client, image="auto")) == CAPTURED
    assert [(each.status_code, each.json["code"], each.json["retryable"]) for each in answers] == [
        (404, "no_og_image", False)
    ] * 2
    assert len(engine_api.calls) == 1


def test_a_picture_that_was_away_is_tried_again(client, names, web, redis_url):
    names(b"", status=503)
    first = get(client, image="og")

    assert (first.json["code"], first.json["retryable"]) == ("no_og_image", True)


def test_a_page_that_cannot_be_captured_is_the_same_error(client, engine_api):
    engine_api.behave(refuse(422, "page_status", "the page answered 404", extras={"page_status": 404}))
    answers = [get(client, image=each) for each in ("auto", "og", "screenshot")]

    assert [each.json["code"] for each in answers] == ["page_status"] * 3
    assert len(engine_api.calls) == 1


def test_it_gets_stale_and_is_fetched_again(client, names, web, redis_url, engine_api):
    names()
    before = get(client, image="og", ttl=60)
    names(pictures.photo(800, 420))
    age_pictures(redis_url, seconds=120)
    stale = get(client, image="og", ttl=60)
    wait_until(lambda: get(client, image="og", ttl=60).headers["X-Cache"] == "HIT", "the refresh")

    assert (stale.headers["X-Cache"], size(stale)) == ("STALE", (1200, 630))
    assert size(get(client, image="og", ttl=60)) == (800, 420)
    assert before.headers["ETag"] == stale.headers["ETag"]
    assert len(engine_api.calls) == 2


def test_visitors_at_the_same_time_share_capture_and_fetch(client, engine_api, web):
    web.add("/og", GOOD)
    gate = threading.Event()
    said = saying(status=200, image={"url": f"http://img.example:{web.port}/og"})

    def behaviour(answer):
        gate.wait(20)
        said(answer)

    engine_api.behave(behaviour)
    crowd = Crowd(client, 6)
    asked = [crowd.ask(url=PAGE, **({} if n % 2 else {"image": "auto"})) for n in range(6)]
    wait_until(lambda: engine_api.calls, "the capture")
    gate.set()

    assert sorted({size(each.result()) for each in asked}) == [(1200, 630), CAPTURED]
    assert (len(engine_api.calls), web.hits("/og")) == (1, 1)


def test_many_previews_at_once_do_not_wait_for_each_other_for_ever(make_client, engine_api, web):
    """A request for a preview waits for a screenshot, so it must hold no turn meanwhile."""
    web.add("/og", GOOD)
    engine_api.behave(saying(status=200, image={"url": f"http://img.example:{web.port}/og"}), times=20)
    client = make_client(capture_concurrency=1)
    crowd = Crowd(client, 6)
    asked = [crowd.ask(url=f"https://example.com/{n}", image="auto") for n in range(6)]

    assert [size(each.result(30)) for each in asked] == [(1200, 630)] * 6


def test_a_fetch_is_charged_as_a_rendition_and_the_page_as_a_capture(make_client, names):
    names()
    client = make_client(thumb_limit="1 per hour", rendition_limit="1 per hour")
    get(client)
    known = get(client, image="auto")
    refused = get(client, url="https://example.org/", image="auto")

    assert (known.status_code, refused.status_code) == (200, 429)


def test_a_hosted_api_names_no_picture(make_client, api):
    client = make_client(
        capture_api="snapsharp", capture_url=api.url, capture_api_key="sk_live_test", private_targets=""
    )

    assert size(get(client, image="auto")) == CAPTURED
    assert get(client, image="og").json["code"] == "no_og_image"
    assert len(api.calls) == 1


def test_it_is_stored_permanently_too(client, names):
    names()
    answer = client.post("/persist", json={"url": PAGE, "image": "auto", "w": 320, "h": 180})

    assert answer.status_code == 201


@pytest.mark.parametrize("wrong", [{"image": "logo"}, {"image": "og", "format": "pdf"}])
def test_a_wrong_choice_is_refused(client, engine_api, wrong):
    answer = get(client, **wrong)

    assert (answer.status_code, answer.json["code"], answer.json["detail"][:6]) == (400, "invalid_option", "image:")
    assert engine_api.calls == []


def test_a_picture_of_a_blocked_host_is_no_preview(make_client, names, web):
    names()
    strict, auto = (get(make_client(blocked_targets="img.example"), image=image) for image in ("og", "auto"))

    assert (strict.status_code, size(auto)) == (404, CAPTURED)
    assert web.hits("/og") == 0
