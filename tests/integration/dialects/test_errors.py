"""Errors as the clients of each service read them. Nothing reaches past the guard, the limits and the ladder."""

import json

import pytest

from config import DIALECTS
from tests.integration.dialects.conftest import size_of
from tests.integration.dialects.test_addresses import ready
from tests.support.screenshot_api import refuse

# For each dialect, an address for a target that is percent-encoded.
ADDRESSES = {
    "mshots": "/mshots/v1/{}?w=320",
    "thumio": "/get/width/320/{}",
    "microlink": "/?url={}&embed=screenshot.url",
    "screenshotone": "/take?url={}",
    "urlbox": "/v1/k/png?url={}",
    "hermesforge": "/api/screenshot?url={}",
    "11ty": "/{}/small/",
    "sshot": "/1024x768/320/png/?{}",
    "apiflash": "/v1/urltoimage?url={}",
    "screenshotapi": "/screenshot?output=image&url={}",
    "pagepeeker": "/v2/thumbs.php?size=m&url={}",
}
INTERNAL = (
    "http%3A%2F%2F127.0.0.1%3A8001%2Fhealth",
    "http%3A%2F%2F169.254.169.254%2Flatest",
    "https%3A%2F%2Fu%3Ap%40x.example%2F",
)


def test_every_dialect_has_an_address_here():
    assert {*ADDRESSES, "snapapi", "snapsharp"} == set(DIALECTS)


@pytest.mark.parametrize("dialect", ADDRESSES)
@pytest.mark.parametrize("internal", INTERNAL)
def test_the_guard_stands_in_front_of_every_dialect(speak, engine, dialect, internal):
    before = len(engine.calls)

    answer = speak.get(ADDRESSES[dialect].format(internal))

    assert answer.headers.get("X-Thumb-State") != "fresh"
    assert answer.status_code != 200 or dialect == "11ty"  # which says so in a header
    assert len(engine.calls) == before


REFUSALS = {
    "microlink": (400, "code", "EFORBIDDENURL"),
    "screenshotone": (400, "error_code", "request_not_valid"),
    "hermesforge": (400, "error", "blocked_url"),
    "screenshotapi": (400, "code", "blocked_url"),
}


@pytest.mark.parametrize("dialect", REFUSALS)
def test_a_refused_target_has_the_code_of_its_service(speak, dialect):
    status, name, code = REFUSALS[dialect]

    answer = speak.get(ADDRESSES[dialect].format(INTERNAL[0]))

    assert (answer.status_code, answer.mimetype, answer.json[name]) == (status, "application/json", code)
    assert answer.headers["Cache-Control"] == "no-store"


def test_urlbox_tells_its_error_in_a_header_too(speak):
    answer = speak.get(ADDRESSES["urlbox"].format(INTERNAL[0]))

    assert answer.json["error"]["code"] == "InvalidOptions"
    assert answer.headers["X-Urlbox-Error-Message"] == answer.json["error"]["message"]


def test_a_page_that_answers_with_an_error_is_told_as_screenshotone_does(speak, engine):
    engine.behave(
        refuse(422, "page_status", extras={"page_status": 404, "retryable": False}),
        times=9,
        url="https://broken-1.example/",
    )

    answer = speak.get("/take?url=https://broken-1.example/")

    assert (answer.status_code, answer.json["error_code"], answer.json["returned_status_code"]) == (
        500,
        "host_returned_error",
        404,
    )


def test_a_missing_target_is_an_error_of_the_service(speak):
    assert speak.get("/take?access_key=k").json["error_code"] == "request_not_valid"
    assert speak.get("/v1/urltoimage").json == {
        "error_message": "url: is missing; set it to an absolute http:// or https:// URL"
    }


def test_an_img_gets_a_placeholder_where_programs_get_an_object(speak):
    answer = speak.get("/take?url=http://127.0.0.1/", headers={"Accept": "image/avif,image/*,*/*;q=0.8"})

    assert (answer.status_code, answer.content_type, answer.headers["X-Error-Code"]) == (
        400,
        "image/png",
        "blocked_url",
    )


def test_no_dialect_is_there_unless_it_is_switched_on(speak_with):
    without = speak_with(dialects="")

    for dialect, address in ADDRESSES.items():
        answer = without.get(address.format("https%3A%2F%2Fexample.com%2F"))
        assert answer.status_code == 404 or (dialect, answer.mimetype) == ("microlink", "text/html"), dialect


def test_captures_of_dialects_are_charged(speak_with, engine):
    poor = speak_with(thumb_limit="1 per hour")
    assert ready(poor, "/take?url=https://poor-1.example/").status_code == 200

    assert poor.get("/take?url=https://poor-2.example/").json["error_code"] == "concurrency_limit_reached"
    refused = poor.get("/get/https://poor-3.example/")
    assert (refused.status_code, refused.json["code"]) == (429, "rate_limited")
    assert int(refused.headers["Retry-After"]) > 0
    assert poor.get("/mshots/v1/https://poor-4.example/").status_code == 307
    assert not any(
        "poor-2" in each or "poor-3" in each or "poor-4" in each
        for each in (call.params["url"] for call in engine.calls)
    )


def test_requests_of_dialects_are_counted_by_the_flood_guard(speak_with):
    flooded = speak_with(request_limit="3 per minute")
    answers = [flooded.get("/v1/k/png?url=http://127.0.0.1/") for _ in range(6)]

    assert answers[-1].status_code == 429
    assert answers[-1].json["error"]["code"] == "RateLimitExceeded"


def test_only_allowed_targets_are_captured(speak_with, engine):
    narrow = speak_with(allowed_targets="*.narrow.example")

    assert ready(narrow, "/mshots/v1/https://a.narrow.example/").status_code == 200
    assert narrow.get("/mshots/v1/https://wide.example/").status_code == 404
    assert narrow.get("/?url=https://wide.example/&embed=screenshot.url").json["code"] == "EFORBIDDENURL"
    assert not any("wide.example" in call.params["url"] for call in engine.calls)


@pytest.mark.parametrize(
    ("address", "size"),
    [
        ("/mshots/v1/https://ladder-1.example/?w=300&h=170", (320, 180)),
        ("/mshots/v1/https://ladder-1.example/?w=500", (640, 480)),
        ("/mshots/v1/https://ladder-1.example/?w=1280&h=960", (640, 360)),
        ("/mshots/v1/https://ladder-1.example/", (1280, 960)),
        ("/v2/thumbs.php?size=t&url=https://ladder-1.example/", (320, 180)),
    ],
)
def test_a_size_that_is_not_allowed_becomes_the_nearest_one(ladder, address, size):
    assert size_of(ready(ladder, address)) == size


@pytest.fixture(scope="module")
def ladder(speak_with):
    return speak_with(allowed_sizes="320,640,320x180,640x360")


def test_one_capture_serves_all_dialects_of_the_same_window(speak, engine):
    url = "https://shared.example/"
    addresses = (
        f"/mshots/v1/{url}?w=320",
        f"/mshots/v1/{url}?w=200&h=90&format=png",
        f"/v2/thumbs.php?size=l&url={url}",
        f"/take?url={url}&viewport_width=1280&viewport_height=960&image_width=500",
        f"/v1/k/jpg?url={url}&height=960",
        f"/1280x960/300/png/?{url}",
        f"/?url={url}&embed=screenshot.url&viewport.height=960",
        f"/thumb?url={url}&height=960&w=100",
    )

    assert [ready(speak, address).status_code for address in addresses] == [200] * len(addresses)
    assert sum(call.params["url"] == url for call in engine.calls) == 1


def test_what_a_dialect_says_is_not_logged(speak, capfd):
    speak.get("/get/auth/71-sEcReT/width/200/https://logged.example/?token=sEcReT")
    speak.get("/v1/sEcReT/png?url=https://logged.example/sEcReT")
    ready(speak, "/take?access_key=sEcReT&url=https://logged.example/sEcReT")

    written = "".join(capfd.readouterr())
    assert "logged.example" in written
    assert "sEcReT" not in written


def test_an_error_of_http_looks_like_the_services_own(speak):
    answer = speak.post("/take", data="{", content_type="application/json")

    assert (answer.status_code, answer.json["error_code"]) == (400, "request_not_valid")
    assert json.loads(speak.post("/take", data="x", content_type="text/plain").data)["error_code"]


def test_paths_below_v1_that_belong_to_nobody_are_not_found_as_before(speak):
    answer = speak.get("/v1/some/thing")

    assert (answer.status_code, answer.json["error"]) == (404, "not_found")
