"""What clients of other services get while their picture is not there yet."""

import threading
import time

import pytest
from werkzeug.test import create_environ

from errors import Pending
from tests.support.screenshot_api import refuse
from web.dialects import DIALECTS, DialectReader


@pytest.fixture
def held(engine):
    """A function that holds the captures of a page, and lets them go at the end of the test."""
    gate = threading.Event()
    yield lambda url: engine.hold(gate, url)
    gate.set()
    engine.reset()


def test_a_pending_picture_of_mshots_redirects_to_a_gif(speak, held):
    held("https://pending-1.example/")

    pending = speak.get("/mshots/v1/https%3A%2F%2Fpending-1.example%2F?w=320")

    assert (pending.status_code, pending.location) == (307, "/mshots/v1/default")
    assert "no-store" in pending.headers["Cache-Control"]
    assert pending.headers["Access-Control-Allow-Origin"] == "*"
    gif = speak.get(pending.location)
    assert (gif.status_code, gif.content_type, gif.data[:6]) == (200, "image/gif", b"GIF87a")
    assert gif.headers["Access-Control-Allow-Origin"] == "*"
    assert gif.expires.timestamp() > time.time() + 365 * 86_400


def test_the_redirect_of_mshots_leads_to_where_callers_reach_the_service(speak_with, held):
    held("https://pending-7.example/")
    below = speak_with(public_url="https://pics.example.net/below")
    pending = below.get("/mshots/v1/https%3A%2F%2Fpending-7.example%2F?w=320")

    assert (pending.status_code, pending.location) == (307, "/below/mshots/v1/default")


def test_the_redirect_ends_when_the_picture_is_there(speak):
    address = "/mshots/v1/https%3A%2F%2Fpending-2.example%2F?w=320"
    states = [speak.get(address).status_code]
    while states[-1] == 307:
        time.sleep(0.02)
        states.append(speak.get(address).status_code)

    assert (states[0], states[-1]) == (307, 200)


def test_an_empty_target_of_mshots_is_not_found(speak):
    missing = speak.get("/mshots/v1/")

    assert (missing.status_code, missing.mimetype, missing.text) == (404, "text/plain", "HTTP/1.1 404 Not Found\n")


def test_a_page_that_refuses_gets_a_picture_of_mshots_too(speak, engine):
    url = "https://pending-3.example/"
    engine.behave(refuse(422, "page_status", extras={"page_status": 404, "retryable": False}), times=9, url=url)
    address = f"/mshots/v1/{url}?w=200"
    while (answer := speak.get(address)).status_code == 307:
        time.sleep(0.02)

    assert (answer.status_code, answer.content_type) == (200, "image/png")
    assert answer.headers["X-Thumb-State"] == "error"
    assert answer.headers["Cache-Control"] == "no-store"


def test_mshots_captures_again_on_request(speak, engine):
    address = "/mshots/v1/https://pending-4.example/?w=200"
    while speak.get(address).status_code == 307:
        time.sleep(0.02)

    again = speak.get(f"{address}&requeue=true")

    assert (again.status_code, again.headers["Cache-Control"]) == (200, "no-store")
    assert sum(call.params["url"] == "https://pending-4.example/" for call in engine.calls) >= 1


def test_pagepeeker_shows_a_placeholder_and_tells_when_the_picture_is_there(speak, held, engine):
    held("https://pending-5.example/")
    image, state = (
        "/v2/thumbs.php?size=l&url=pending-5.example",
        "/v2/thumbs_generated.php?size=l&url=pending-5.example",
    )

    assert speak.get(state).text.startswith("__pp_rd(0")
    waiting = speak.get(image)
    assert (waiting.status_code, waiting.content_type, waiting.headers["X-Thumb-State"]) == (
        200,
        "image/png",
        "pending",
    )
    assert waiting.headers["Cache-Control"] == "no-store"
    assert speak.get(state).text.startswith("__pp_rd(0")


def test_pagepeeker_tells_that_the_picture_is_there(speak):
    image, state = (
        "/v2/thumbs.php?size=s&url=pending-6.example",
        "/v2/thumbs_generated.php?size=s&url=pending-6.example",
    )
    while speak.get(image).headers["X-Thumb-State"] == "pending":
        time.sleep(0.02)

    ready = speak.get(state)
    assert ready.text.startswith("__pp_rd(1")
    assert "no-store" in ready.headers["Cache-Control"]


def test_eleventy_shows_errors_as_a_drawing_of_the_size_asked_for(speak, engine):
    url = "https://pending-7.example/"
    engine.behave(refuse(422, "page_status", extras={"page_status": 404, "retryable": False}), times=9, url=url)

    answer = speak.get("/https%3A%2F%2Fpending-7.example%2F/opengraph/")

    assert (answer.status_code, answer.mimetype) == (200, "image/svg+xml")
    assert answer.headers["Cache-Control"] == "public, max-age=3600"
    assert answer.headers["X-Error-Message"].startswith("the page answered 404")
    assert 'width="1200" height="630"' in answer.text


@pytest.mark.parametrize(("options", "seconds"), [("", 8), ("_timeout:1/", 3), ("_timeout:5/", 5), ("_timeout:60/", 9)])
def test_eleventy_waits_as_long_as_it_was_told_within_its_limits(speak, options, seconds):
    reader = DialectReader(DIALECTS["11ty"], speak.application.extensions["services"])
    environ = create_environ(path=f"/11ty/https://pending-8.example/small/{options}")

    assert reader.read(environ).delivery.wait == seconds


def test_eleventy_shows_what_is_late_as_a_drawing_that_is_not_kept(speak):
    with speak.application.test_request_context("/11ty/https://pending-9.example/"):
        late = DIALECTS["11ty"].face.of_error(Pending("the page is being captured"), {})

    assert (late.status_code, late.mimetype, late.headers["Cache-Control"]) == (200, "image/svg+xml", "no-store")
    assert late.headers["X-Thumb-State"] == "pending"
