"""Requests as other services' clients send them, and the pictures that they expect."""

import time
from dataclasses import dataclass, field

import pytest

from tests.integration.dialects.conftest import size_of
from tests.support.screenshot_api import refuse

JPEG, PNG, WEBP = "image/jpeg", "image/png", "image/webp"


@dataclass(frozen=True)
class Asked:
    """A request of a dialect, the picture that its caller gets, and what the screenshot API is asked for."""

    dialect: str
    address: str
    content_type: str
    size: tuple[int, int]
    captured: dict[str, str] = field(default_factory=dict)


ASKED = (
    # mShots
    Asked("mshots", "/mshots/v1/https%3A%2F%2Fa1.example%2F?w=320&h=180", JPEG, (320, 180), {"url": "https://a1.example/", "height": "960"}),
    Asked("mshots", "/mshots/v1/https://a2.example/x?w=400", JPEG, (400, 300), {"url": "https://a2.example/x"}),
    Asked("mshots", "/mshots/v1/a3.example?w=1100&r=3", JPEG, (1100, 825), {"url": "https://a3.example/"}),
    Asked("mshots", "/mshots/v1/https%3A%2F%2Fa4.example%2F?w=9000&h=9000", JPEG, (1280, 960), {"url": "https://a4.example/"}),
    Asked("mshots", "/mshots/v1/https%3A%2F%2Fa5.example%2F?w=3", JPEG, (20, 15), {"url": "https://a5.example/"}),
    Asked("mshots", "/mshots/v1/https%3A%2F%2Fa6.example%2F?h=200", JPEG, (1280, 200), {"url": "https://a6.example/"}),
    Asked("mshots", "/mshots/v1/https%3A%2F%2Fa7.example%2F?vpw=100&vph=90000&w=x", JPEG, (320, 2160), {"url": "https://a7.example/", "width": "320", "height": "2160"}),
    Asked("mshots", "/mshots/v1/https%3A%2F%2Fa8.example%2F?scale=2&format=png", PNG, (2560, 1920), {"url": "https://a8.example/", "scale": "2"}),
    Asked("mshots", "/mshots/v1/https%3A%2F%2Fa9.example%2F?scale=7&format=gif", JPEG, (1280, 960), {"url": "https://a9.example/"}),
    Asked("mshots", "/mshots/v1/https%3A%2F%2Fa10.example%2F?screen_height=2000&vph=400&w=640", JPEG, (640, 600), {"url": "https://a10.example/", "full_page": "true", "max_height": "2000", "height": "400"}),
    Asked("mshots", "/mshots/v1/https://a11.example/list?page=2?w=200", JPEG, (200, 150), {"url": "https://a11.example/list?page=2"}),
    Asked("mshots", "/mshots/v1/https%3A%2F%2Fa12.example%2F%3Fq%3Dcaf%25E9?w=200", JPEG, (200, 150), {"url": "https://a12.example/?q=caf%E9"}),
    Asked("mshots", "/mshots/v1/https%3A%2F%2Fa16.example%2F?vpw=1000&vph=200&screen_height=1500&w=500", JPEG, (500, 480), {"url": "https://a16.example/", "width": "1000", "height": "320", "max_height": "1500"}),
    Asked("mshots", "/mshots/v1/a13.example%2Fx%252Fy?w=200", JPEG, (200, 150), {"url": "https://a13.example/x%2Fy"}),
    Asked("mshots", "/mshots/v1/a14.example/x%2Fy?w=200", JPEG, (200, 150), {"url": "https://a14.example/x%2Fy"}),
    Asked("mshots", "/mshots/v1/https%253A%252F%252Fa15.example%252F100%252525?w=200", JPEG, (200, 150), {"url": "https://a15.example/100%25"}),
    Asked("mshots", "/mshots/v1/https%3A%2F%2Fa16.example%2F?w=400&h=0", JPEG, (400, 300), {"url": "https://a16.example/"}),
    Asked("mshots", "/mshots/v1/https%3A%2F%2Fa17.example%2F?w=0&h=", JPEG, (1280, 960), {"url": "https://a17.example/"}),
    # thum.io
    Asked("thumio", "/get/https://b1.example/", PNG, (600, 600), {"url": "https://b1.example/", "width": "1200", "height": "1200"}),
    Asked("thumio", "/get/width/300/crop/900/https://b2.example/a?b=c&d=e", JPEG, (300, 225), {"url": "https://b2.example/a?b=c&d=e", "height": "900"}),
    Asked("thumio", "/get/width/1280/crop/720/noanimate/allowJPG/https%3A%2F%2Fb3.example", JPEG, (1280, 720), {"url": "https://b3.example/"}),
    Asked("thumio", "/get/width/1920/crop/675/noanimate/https://b4.example", PNG, (1920, 1080), {"url": "https://b4.example/", "scale": "1.6"}),
    Asked("thumio", "/get/fullpage/width/600/b5.example", PNG, (600, 1800), {"url": "https://b5.example/", "full_page": "true"}),
    Asked("thumio", "/get/wait/3/maxAge/12/viewportWidth/800/width/400/png/https://b6.example/", PNG, (400, 600), {"url": "https://b6.example/", "delay": "3000", "width": "800"}),
    Asked("thumio", "/get/auth/71-abc/hidef/width/200/https://b7.example", JPEG, (200, 200), {"url": "https://b7.example/"}),
    Asked("thumio", "/get/width/200/?url=https%3A%2F%2Fb8.example%2F%3Fa%3Db", JPEG, (200, 200), {"url": "https://b8.example/?a=b"}),
    Asked("thumio", "/get/iphoneX/width/300/https://b9.example", JPEG, (300, 649), {"url": "https://b9.example/", "device": "iphone-14"}),
    Asked("thumio", "/get/width/200/b10.example%2Fs%3Fq%3D100%2525", JPEG, (200, 200), {"url": "https://b10.example/s?q=100%25"}),
    Asked("thumio", "/get/width/0/crop/0/https://b11.example", PNG, (600, 600), {"url": "https://b11.example/", "height": "1200"}),
    # Microlink
    Asked("microlink", "/?url=https%3A%2F%2Fc1.example&screenshot=true&meta=false&embed=screenshot.url", PNG, (1280, 800), {"url": "https://c1.example/"}),
    Asked("microlink", "/?url=https%3A%2F%2Fc2.example&screenshot&embed=screenshot.url&viewport.width=1000&viewport.height=500&waitForTimeout=2000", PNG, (1000, 500), {"url": "https://c2.example/", "delay": "2000"}),
    Asked("microlink", "/?url=https%3A%2F%2Fc3.example&embed=screenshot.url&viewport.device_scale_factor=2&wait_until=networkidle0&screenshot.full_page=true&screenshot.type=jpeg", JPEG, (2560, 4800), {"url": "https://c3.example/", "scale": "2", "wait_until": "networkidle", "full_page": "true"}),
    Asked("microlink", "/?url=https%3A%2F%2Fc4.example&embed=screenshot.url&screenshot.element=%23main&colorScheme=dark&device=iPhone+14", PNG, (585, 843), {"url": "https://c4.example/", "selector": "#main", "dark_mode": "true", "device": "iphone-14"}),
    Asked("microlink", "/microlink/?url=https%3A%2F%2Fc5.example&embed=screenshot.url&device=toaster&viewport.width=many", PNG, (1280, 720), {"url": "https://c5.example/"}),
    # ScreenshotOne
    Asked("screenshotone", "/take?access_key=k&url=https%3A%2F%2Fd1.example&viewport_width=1000&viewport_height=600&format=jpg&block_cookie_banners=true", JPEG, (1000, 600), {"url": "https://d1.example/", "width": "1000", "height": "600"}),
    Asked("screenshotone", "/take?access_key=k&url=d2.example", PNG, (1280, 1024), {"url": "https://d2.example/"}),
    Asked("screenshotone", "/take?url=https%3A%2F%2Fd3.example&full_page=true&full_page_max_height=1500&delay=2&image_width=640&format=webp&image_quality=70&timeout=60", WEBP, (640, 750), {"url": "https://d3.example/", "max_height": "1500", "delay": "2000"}),
    Asked("screenshotone", "/take?url=https%3A%2F%2Fd4.example&hide_selectors=.a&hide_selectors=.b&wait_until=load&wait_until=networkidle2&dark_mode=1&clip_x=0&clip_y=10&clip_width=300&clip_height=200", PNG, (1280, 1024), {"url": "https://d4.example/", "hide_selectors": ".a, .b", "wait_until": "networkidle", "clip": "0,10,300,200"}),
    Asked("screenshotone", "/take?url=https%3A%2F%2Fd5.example&device_scale_factor=99&viewport_width=-5&viewport_height=1e9&format=heif&proxy=http://x&delay=-1", PNG, (960, 720), {"url": "https://d5.example/", "width": "320", "height": "240"}),
    Asked("screenshotone", "/take?url=https%3A%2F%2Fd6.example&viewport_device=iphone_14&viewport_landscape=true&image_width=400", PNG, (400, 185), {"url": "https://d6.example/", "device": "iphone-14", "width": "844"}),
    # urlbox
    Asked("urlbox", "/v1/k/png?url=e1.example", PNG, (1280, 1024), {"url": "https://e1.example/"}),
    Asked("urlbox", "/v1/k/" + "0" * 40 + "/jpg?url=https%3A%2F%2Fe2.example&width=1000&height=800&retina=true&thumb_width=500", JPEG, (500, 400), {"url": "https://e2.example/", "scale": "2"}),
    Asked("urlbox", "/v1/k/" + "0" * 64 + "/webp?url=https%3A%2F%2Fe3.example&full_page=true&delay=1500&hide_selector=.x&thumb_width=320&thumb_height=200&img_fit=contain", WEBP, (320, 200), {"url": "https://e3.example/", "delay": "1500", "hide_selectors": ".x"}),
    Asked("urlbox", "/v1/k/png?url=https%3A%2F%2Fe4.example&width=1e9&clip=nonsense&tz=Mars%2FBase&accept_lang=de-DE,de%3Bq%3D0.5", PNG, (320, 1024), {"url": "https://e4.example/", "locale": "de-DE"}),
    # Hermesforge
    Asked("hermesforge", "/api/screenshot?url=https://f1.example&width=1000&height=700&format=webp&delay=90000&block_ads=true", WEBP, (1000, 700), {"url": "https://f1.example/", "delay": "5000"}),
    # Eleventy
    Asked("11ty", "/https%3A%2F%2Fg1.example%2F/opengraph/", JPEG, (1200, 630), {"url": "https://g1.example/"}),
    Asked("11ty", "/https%3A%2F%2Fg2.example%2F/", JPEG, (375, 375), {"url": "https://g2.example/"}),
    Asked("11ty", "/https%3A%2F%2Fg3.example%2Fa%3Fb%3Dc/medium/9:16/_20260101_wait:0_timeout:3/", JPEG, (650, 1156), {"url": "https://g3.example/a?b=c", "wait_until": "domcontentloaded"}),
    Asked("11ty", "/https%3A%2F%2Fg4.example%2F/small/9:16/bigger/", JPEG, (525, 934), {"url": "https://g4.example/", "scale": "1.4", "height": "667"}),
    Asked("11ty", "/https%3A%2F%2Fg5.example%2F/large/9:16/smaller/", JPEG, (731, 731), {"url": "https://g5.example/", "width": "1024"}),
    Asked("11ty", "/https%253A%252F%252Fg6.example%252F/opengraph/1:1/bigger/", JPEG, (1200, 630), {"url": "https://g6.example/", "width": "857"}),
    Asked("11ty", "/11ty/https%3A%2F%2Fg7.example%2F/medium/", JPEG, (650, 650), {"url": "https://g7.example/"}),
    Asked("11ty", "/https%3A%2F%2Fg8.example%2F/auto/medium/unknown/", JPEG, (650, 650), {"url": "https://g8.example/"}),
    # S-Shot
    Asked("sshot", "/1280X800/400/jpeg/?h5.example%2Fa%2520b", JPEG, (400, 250), {"url": "https://h5.example/a%20b"}),
    Asked("sshot", "/1280x800/400/jpeg/?https%3A%2F%2Fh1.example%2F", JPEG, (400, 250), {"url": "https://h1.example/"}),
    Asked("sshot", "/1024x0/PNG/300/Z100/?https://h2.example/?a=b", PNG, (300, 675), {"url": "https://h2.example/?a=b", "full_page": "true"}),
    Asked("sshot", "/800x600/?h3.example", JPEG, (800, 600), {"url": "https://h3.example/"}),
    Asked("sshot", "/sshot/?https://h4.example/", JPEG, (1024, 768), {"url": "https://h4.example/"}),
    # ApiFlash
    Asked("apiflash", "/v1/urltoimage?access_key=k&url=https%3A%2F%2Fi1.example&width=1000&height=600&delay=4&full_page=true&scroll_page=true&wait_until=page_loaded&no_tracking=true", JPEG, (1000, 1800), {"url": "https://i1.example/", "delay": "4000", "wait_until": "load"}),
    Asked("apiflash", "/v1/urltoimage?url=i2.example&format=png&thumbnail_width=480", PNG, (480, 270), {"url": "https://i2.example/", "width": "1920"}),
    # screenshotapi.net
    Asked("screenshotapi", "/screenshot?token=t&url=https%3A%2F%2Fj1.example&output=image&file_type=jpg&width=1200&height=800&wait_for_event=load&delay=2500", JPEG, (1200, 800), {"url": "https://j1.example/", "delay": "2500", "wait_until": "load"}),
    Asked("screenshotapi", "/v3/screenshot?token=t&url=https%3A%2F%2Fj2.example&output=image&retina=true&width=600&height=400", PNG, (1200, 800), {"url": "https://j2.example/", "scale": "2"}),
    # PagePeeker
    Asked("pagepeeker", "/v2/thumbs.php?size=x&url=k1.example", JPEG, (480, 360), {"url": "https://k1.example/"}),
    Asked("pagepeeker", "/v2/thumbs.php?size=t&wait=1&url=http://k2.example", JPEG, (90, 68), {"url": "http://k2.example/"}),
)  # fmt: skip


def ready(speak, address, headers=None):
    """Ask until the picture is there, as a client that gets a redirect or a placeholder does."""
    for _ in range(200):
        response = speak.get(address, headers=headers)
        if response.status_code != 307 and response.headers.get("X-Thumb-State") != "pending":
            return response
        time.sleep(0.02)
    raise AssertionError(f"still pending: {address}")


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.address[:70])
def test_a_request_in_a_dialect_gets_its_picture(speak, engine, asked):
    response = ready(speak, asked.address)

    assert (response.status_code, response.content_type) == (200, asked.content_type), response.data[:300]
    assert size_of(response) == asked.size
    call = next(call for call in engine.calls if call.params["url"] == asked.captured["url"])
    assert {name: call.params.get(name) for name in asked.captured} == asked.captured


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.address[:70])
def test_a_known_picture_of_a_dialect_is_served_before_flask(speak, engine, asked, monkeypatch):
    ready(speak, asked.address)
    monkeypatch.setattr(speak.application, "full_dispatch_request", None)  # what Flask would call

    hit = speak.get(asked.address)

    assert (hit.status_code, hit.headers["X-Cache"]) == (200, "HIT")
    assert size_of(hit) == asked.size


def test_a_target_without_a_scheme_is_opened_by_http_if_nothing_answers_by_https(speak, engine):
    gone = refuse(422, "connection_refused", extras={"retryable": False})
    engine.behave(gone, times=9, url="https://old.example/")

    answer = ready(speak, "/get/width/300/old.example")

    assert (answer.status_code, size_of(answer)) == (200, (300, 300))
    assert engine.calls[-1].params["url"] == "http://old.example/"
    assert speak.get("/get/width/300/old.example").headers["X-Cache"] == "HIT"
