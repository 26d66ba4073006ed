"""`GET /icon`: the icon of a page, whatever its server sends, or a letter in its place."""

import base64
import io
import threading

import pytest
from PIL import Image

from tests.integration.metadata.conftest import saying
from tests.support import pictures
from tests.support.processes import wait_until
from tests.support.screenshot_api import refuse
from tests.support.victims import running_victims
from tests.support.visitors import PAGE

RED = (255, 0, 0, 255)


def icon(client, headers=None, **options):
    return client.get("/icon", query_string={"url": PAGE, **options}, headers=headers)


def image(answer):
    assert (answer.status_code, answer.content_type) == (200, "image/png")
    return Image.open(io.BytesIO(answer.data)).convert("RGBA")


def at(web, path):
    return f"http://img.example:{web.port}{path}"


@pytest.fixture
def named(engine_api, web):
    """Let the page name icons: pairs of a path, whose answer is added by the test, and a side."""

    def named(*icons, **more):
        links = [{"url": at(web, path), "side": side} for path, side in icons]
        engine_api.behave(saying(url=at(web, "/page"), status=200, icons=links, **more), times=5)

    return named


@pytest.mark.parametrize(
    "body",
    [
        pictures.plain(48, 48),
        pictures.plain(48, 48, image_format="GIF"),
        pictures.plain(48, 48, image_format="WEBP"),
        pictures.plain(600, 600),
        pictures.ico(16, 32, 48),
        pictures.ico_of_bitmaps(32),
    ],
)
def test_the_icon_of_the_page_comes_in_the_size_asked_for(client, web, named, body):
    web.add("/i", body, content_type="image/x-icon")
    named(("/i", 48))
    answer = icon(client, size=32)

    assert image(answer).size == (32, 32)
    assert [abs(a - b) < 4 for a, b in zip(image(answer).getpixel((16, 16)), RED, strict=True)] == [True] * 4
    assert answer.headers["X-Icon"] == "page"
    assert answer.headers["Cache-Control"] == "public, max-age=86400"


def test_the_smallest_icon_that_is_large_enough_is_fetched(client, web, named):
    for side in (16, 64, 180):
        web.add(f"/{side}", pictures.plain(side, side))
    named(("/16", 16), ("/180", 180), ("/64", 64))
    icon(client, size=32)

    assert [seen.path for seen in web.requests] == ["/64"]


def test_an_icon_that_is_no_square_stands_in_the_middle(client, web, named):
    web.add("/wide", pictures.plain(64, 32))
    named(("/wide", 64))
    drawn = image(icon(client, size=32))

    assert (drawn.getpixel((16, 16)), drawn.getpixel((16, 2))[3]) == (RED, 0)


def test_a_page_that_names_no_icon_has_one_at_the_usual_place(client, web, named):
    web.add("/favicon.ico", pictures.ico(32))
    named()

    assert icon(client).headers["X-Icon"] == "page"
    assert [seen.path for seen in web.requests] == ["/favicon.ico"]
    assert "Cookie" not in web.requests[0].headers
    assert "Referer" not in web.requests[0].headers


def test_an_icon_is_fetched_once_for_all_sizes_and_callers(make_client, web, named, engine_api):
    web.add("/i", pictures.plain(64, 64))
    named(("/i", 64))
    for client in (make_client(), make_client()):
        assert [image(icon(client, size=side)).width for side in (16, 64, 256)] == [16, 64, 256]

    assert web.hits("/i") == 1
    assert len(engine_api.calls) == 1


def test_a_missing_icon_is_not_asked_for_again(client, web, named):
    named(("/missing", 32))
    answers = [icon(client) for _ in range(3)]

    assert [each.headers["X-Icon"] for each in answers] == ["letter"] * 3
    assert (web.hits("/missing"), web.hits("/favicon.ico")) == (1, 1)


@pytest.mark.parametrize(
    "body",
    [
        pictures.bomb(),
        pictures.ico_with(pictures.bomb()),
        pictures.ico_with(pictures.bitmap_bomb()),
        pictures.ico_with(b""),
        pictures.plain(32, 32, (255, 0, 0, 0), mode="RGBA"),
        b"\0\0\1\0",
        b"\0\0\1\0\xff\xff",
        pictures.plain(32, 32)[:60],
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<!doctype html><script>alert(1)</script>",
        b"",
        b"x" * (1 << 20),
        pictures.plain(8, 8) + b"x" * (1 << 21),
    ],
)
def test_what_is_no_icon_is_replaced_by_a_letter(client, web, named, body):
    web.add("/i", body)
    named(("/i", 32))
    answer = icon(client)

    assert (image(answer).size, answer.headers["X-Icon"]) == ((64, 64), "letter")


def test_an_icon_is_drawn_anew(client, web, named):
    """Nothing that hides in the file is served by this service."""
    web.add("/i", pictures.plain(64, 64) + b"<script>alert(1)</script>")
    named(("/i", 64))
    answer = icon(client, size=64)

    assert answer.headers["X-Icon"] == "page"
    assert b"script" not in answer.data
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/icon.png",
        "http://localhost/i.png",
        "http://10.0.0.1/",
        "file:///etc/passwd",
        "javascript:alert(1)",
    ],
)
def test_an_icon_at_an_internal_address_is_not_asked_for(client, engine_api, web, url):
    engine_api.behave(saying(url=at(web, "/"), icons=[{"url": url, "side": 64}]))

    assert icon(client).headers["X-Icon"] == "letter"
    assert {seen.path for seen in web.requests} == {"/favicon.ico"}


def test_no_redirect_leads_inside(client, web, named, resolver):
    with running_victims(1) as (victim,):
        resolver.answers["inside.example"] = ["127.0.0.1"]
        for path, to in (("/a", f"http://{victim.address}/"), ("/favicon.ico", "http://inside.example/")):
            web.add(path, status=302, headers={"Location": to})
        named(("/a", 64))
        answer = icon(client)

        assert (answer.headers["X-Icon"], victim.hits) == ("letter", [])


def test_a_circle_of_redirects_ends(client, web, named):
    web.add("/a", status=302, headers={"Location": "/a"})
    named(("/a", 64))

    assert icon(client).headers["X-Icon"] == "letter"
    assert web.hits("/a") <= 6


def test_a_letter_has_the_colour_of_the_theme(client, web, named):
    named(theme_color="#1f6feb")
    drawn = image(icon(client, size=128))

    assert drawn.getpixel((64, 6)) == (0x1F, 0x6F, 0xEB, 255)
    assert len(drawn.getcolors(1 << 16)) > 10


def test_a_letter_is_of_the_hosts_own_script(client, engine_api):
    """Liberation Sans, which set-up installs, has Greek and Cyrillic letters too."""
    engine_api.behave(saying(theme_color="#1f6feb"), times=5)
    hosts = ("пример.example", "почта.example", "x.example", "example.com", "www.example.org", "аррӏе.example")
    drawn = [icon(client, url=f"https://{host}/").data for host in hosts]

    assert drawn[0] == drawn[1]
    assert len({drawn[0], drawn[2], drawn[3], drawn[5]}) == 4
    assert drawn[3] == drawn[4]


def test_a_page_that_cannot_be_captured_has_a_letter_for_a_minute(client, engine_api):
    engine_api.behave(refuse(422, "page_status", "the page answered 404", extras={"page_status": 404}))
    answer = icon(client)

    assert (answer.headers["X-Icon"], answer.headers["Cache-Control"]) == ("letter", "public, max-age=60")


def test_a_page_that_cannot_be_captured_has_the_icon_of_its_host(client, engine_api, web):
    """Such as a page that answers 403 to all that is not a browser of a person."""
    web.add("/favicon.ico", pictures.ico(32))
    engine_api.behave(refuse(422, "page_status", "the page answered 403", extras={"page_status": 403}), times=5)
    answer = icon(client, url=at(web, "/forbidden"))

    assert (answer.headers["X-Icon"], answer.headers["Cache-Control"]) == ("page", "public, max-age=3600")


def test_a_hosted_api_is_not_asked_for_an_icon(make_client, api, web):
    web.add("/favicon.ico", pictures.ico(32))
    client = make_client(capture_api="snapsharp", capture_url=api.url, capture_api_key="sk_live_test")
    answer = icon(client, url=at(web, "/"))

    assert (answer.headers["X-Icon"], api.calls) == ("page", [])


def test_fetches_are_charged_as_renditions(make_client, web, named):
    client = make_client(rendition_limit="1 per hour")
    web.add("/favicon.ico", pictures.ico(32))
    named(("/i", 32))
    answer = icon(client)

    assert (answer.status_code, answer.headers["X-Icon"], answer.headers["Cache-Control"]) == (
        200,
        "letter",
        "public, max-age=60",
    )


def test_an_icon_is_validated_by_its_bytes(client, web, named):
    named()
    first = icon(client)

    assert icon(client, headers={"If-None-Match": first.headers["ETag"]}).status_code == 304


@pytest.mark.parametrize(("size", "side"), [("17", 17), (" 40", 40), ("31.5", 32), ("256", 256)])
def test_an_icon_has_any_size_that_is_asked_for(client, web, named, size, side):
    web.add("/i", pictures.plain(64, 64))
    named(("/i", 64))

    assert image(icon(client, size=size)).size == (side, side)


@pytest.mark.parametrize(("options", "side"), [({"size": 32}, 32), ({}, 64), ({"size": "x"}, 64)])
def test_an_image_gets_an_error_of_the_size_of_an_icon(client, options, side):
    refused = icon(client, {"Accept": "image/avif,image/webp,*/*;q=0.8"}, **{"url": "http://localhost/"} | options)

    assert (refused.status_code, refused.headers["X-Thumb-State"]) == (400, "error")
    assert Image.open(io.BytesIO(refused.data)).size == (side, side)


@pytest.mark.parametrize("size", ["0", "15", "9999", "x", ""])
def test_a_size_that_is_not_offered_is_refused(client, engine_api, size):
    answer = icon(client, size=size)

    assert (answer.status_code, answer.json["detail"][:5]) == (400, "size:")
    assert engine_api.calls == []


def test_a_caller_waits_no_longer_for_an_icon_than_for_a_page(client, web, named):
    gate = threading.Event()
    web.add("/i", pictures.plain(64, 64), gate=gate)
    named(("/i", 64))
    meanwhile = [icon(client, wait=wait) for wait in (1, 0)]
    gate.set()
    wait_until(lambda: icon(client, wait=0).status_code == 200, "the icon")

    assert [(each.status_code, each.headers["X-Icon"]) for each in meanwhile] == [(202, "letter")] * 2
    assert icon(client, wait=0).headers["X-Icon"] == "page"
    assert web.hits("/i") == 1


def test_a_caller_that_does_not_wait_gets_a_letter(client, engine_api):
    gate = threading.Event()
    engine_api.hold(gate)
    answer = icon(client, wait=0, size=32)
    gate.set()
    wait_until(lambda: icon(client, wait=0).status_code == 200, "the capture")

    assert (answer.status_code, answer.content_type, answer.headers["X-Thumb-State"]) == (202, "image/png", "pending")
    assert answer.headers["Server-Timing"] == f"thumb;dur={int(answer.headers['Retry-After']) * 1000}"
    assert Image.open(io.BytesIO(answer.data)).size == (32, 32)
    assert (answer.headers["Cache-Control"], answer.headers["Retry-After"]) == ("no-store", "1")


def test_an_icon_of_a_blocked_host_is_shown_no_more(make_client, web, engine_api):
    web.add("/icon.png", pictures.logo(64, 64), content_type="image/png")
    engine_api.behave(saying(icons=[{"url": at(web, "/icon.png"), "side": 64}]), times=5)
    shown = make_client().get("/icon", query_string={"url": PAGE}).data
    blocked = make_client(blocked_targets="img.example").get("/icon", query_string={"url": PAGE})

    assert web.hits("/icon.png") == 1
    assert (blocked.status_code, blocked.data == shown) == (200, False)


def test_an_icon_that_is_written_in_the_page_is_shown_beside_blocked_hosts(make_client, engine_api):
    written = "data:image/png;base64," + base64.b64encode(pictures.plain(16, 16)).decode()
    engine_api.behave(saying(icon_data=written), times=5)
    shown = make_client(blocked_targets="img.example").get("/icon", query_string={"url": PAGE, "size": 32})

    assert Image.open(io.BytesIO(shown.data)).convert("RGB").getpixel((16, 16)) == (255, 0, 0)
