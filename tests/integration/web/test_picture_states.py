"""`Accept: application/json` on `/thumb` tells the state of a picture: pending, ready or failed."""

import threading

import pytest

from access import sign
from tests.support.processes import wait_until
from tests.support.screenshot_api import refuse
from tests.support.visitors import PAGE, get

JSON = {"Accept": "application/json"}


@pytest.fixture
def held(api):
    gate = threading.Event()
    api.hold(gate)
    yield gate
    gate.set()


def test_a_page_is_pending_until_its_picture_is_ready(client, api, held):
    pending = get(client, headers=JSON, w=64)
    held.set()
    wait_until(lambda: get(client, headers=JSON, w=64).json["state"] == "ready", "the picture")
    ready = get(client, headers=JSON, w=64)

    assert (pending.status_code, pending.content_type) == (202, "application/json")
    assert pending.json == {
        "state": "pending",
        "url": PAGE,
        "picture": "http://localhost/thumb?url=https://example.com/&w=64",
        "retry_after": int(pending.headers["Retry-After"]),
        "code": "pending",
        "message": pending.json["message"],
    }
    assert ready.status_code == 200
    assert ready.json | {"captured_at": ""} == {
        "state": "ready",
        "url": PAGE,
        "picture": pending.json["picture"],
        "captured_at": "",
        "captured_by": "snapsharp",
        "format": "png",
        "width": 64,
        "height": 36,
    }
    assert [each.headers["Cache-Control"] for each in (pending, ready)] == ["no-store"] * 2
    assert len(api.calls) == 1


def test_the_address_that_it_names_is_that_of_the_picture(client):
    state = get(client, headers=JSON, wait=10, w=64, format="webp").json
    picture = client.get(state["picture"].removeprefix("http://localhost"))
    assert "wait" not in state["picture"]
    assert (picture.headers["X-Cache"], picture.content_type) == ("HIT", "image/webp")


def test_a_caller_waits_as_long_as_it_says(client):
    assert get(client, headers=JSON, wait=10).json["state"] == "ready"


def test_a_failure_is_a_problem_that_says_so(client, api):
    api.behave(refuse(502, "page_unreachable", "the page did not answer"), times=9)
    failed = get(client, headers=JSON, wait=10)
    assert (failed.status_code, failed.content_type) == (502, "application/problem+json")
    assert (failed.json["state"], failed.json["code"]) == ("failed", "capture_failed")


def test_a_failure_names_the_page_and_when_to_ask_again(make_client, api):
    client = make_client(thumb_limit="1 per hour")
    get(client, headers=JSON, wait=10)
    failed = get(client, "https://other.example/", headers=JSON, w=64, wait=10)

    assert (failed.status_code, failed.json["state"], failed.json["code"]) == (429, "failed", "rate_limited")
    assert failed.json["retry_after"] == int(failed.headers["Retry-After"])
    assert failed.json["url"] == "https://other.example/"
    assert failed.json["picture"] == "http://localhost/thumb?url=https://other.example/&w=64"


def test_the_address_of_a_fresh_picture_captures_nothing_more(client, api):
    state = client.get("/thumb?fresh&url=https://example.com/&wait=10", headers=JSON).json
    assert state["picture"] == "http://localhost/thumb?url=https://example.com/"
    client.get(state["picture"].removeprefix("http://localhost"))
    assert len(api.calls) == 1


def test_a_signed_address_stays_as_it_is_signed(make_client):
    client, key = make_client(signing_keys=("k" * 16,)), "k" * 16
    signed = sign(key, [("url", PAGE), ("fresh", "1")])
    state = client.get(f"/thumb?url={PAGE}&fresh=1&wait=10&sig={signed}", headers=JSON).json
    picture = client.get(state["picture"].removeprefix("http://localhost"))
    assert picture.status_code == 200


@pytest.mark.parametrize(
    "accept", ["application/json; charset=utf-8", "Application/JSON", "application/json;q=0.9, */*;q=0.1"]
)
def test_json_is_asked_for_in_any_spelling(client, accept):
    for _ in range(2):  # captured, and known
        assert get(client, headers={"Accept": accept}, wait=10).content_type == "application/json"


@pytest.mark.parametrize("query", [{"w": "nonsense"}, {"url": "http://10.0.0.1/"}])
def test_bad_input_fails_without_a_capture(client, api, query):
    failed = get(client, headers=JSON, **query)
    assert (failed.status_code, failed.json["state"]) == (400, "failed")
    assert api.calls == []


@pytest.mark.parametrize("accept", ["*/*", "application/json, text/plain, */*", "image/*, application/json;q=0.5"])
def test_a_program_that_takes_pictures_too_gets_the_picture(client, accept):
    for _ in range(2):  # captured, and known
        assert get(client, headers={"Accept": accept}).content_type == "image/png"


def test_the_public_url_is_where_the_picture_is(make_client):
    client = make_client(public_url="https://thumbs.example.com/pictures")
    state = get(client, headers=JSON, wait=10)
    assert state.json["picture"] == "https://thumbs.example.com/pictures/thumb?url=https://example.com/"
