"""`GET /meta`: what a page says of itself, from the same capture as its picture."""

import json
import re
import threading

import pytest
import redis

from tests.integration.metadata.conftest import saying
from tests.support.processes import wait_until
from tests.support.redis import age_pictures
from tests.support.screenshot_api import picture, refuse
from tests.support.visitors import PAGE, Crowd, get

SAID = {
    "url": "https://example.com/start",
    "status": 200,
    "title": "A garden",
    "description": "Described.",
    "site_name": "Gardens",
    "author": "Ada",
    "published": "2026-01-02T03:04:05+00:00",
    "language": "de",
    "theme_color": "#1f6feb",
    "canonical": "https://example.com/canonical",
    "image": {"url": "https://cdn.example.com/p.jpg", "width": 1200, "height": 630, "alt": "A pond"},
    "icons": [{"url": "https://example.com/icon.png", "side": 32}],
    "feeds": [{"url": "https://example.com/feed", "type": "application/atom+xml", "title": "News"}],
}


def meta(client, headers=None, **options):
    return client.get("/meta", query_string={"url": PAGE, **options}, headers=headers)


def test_it_says_what_the_page_says(client, engine_api):
    engine_api.behave(saying(**SAID))
    answer = meta(client)
    told = answer.json

    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    assert {name: told[name] for name in ("url", "source", "final_url", "status", "favicon")} == {
        "url": PAGE,
        "source": "page",
        "final_url": "https://example.com/start",
        "status": 200,
        "favicon": "https://example.com/icon.png",
    }
    assert {name: value for name, value in SAID.items() if name not in ("url", "icons")}.items() <= told.items()
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in told["palette"])
    assert len(told["palette"]) >= 2
    assert client.get(told["picture"]).status_code == 200
    assert len(engine_api.calls) == 1


def test_a_known_thumbnail_costs_no_capture_and_the_other_way_round(client, engine_api):
    engine_api.behave(saying(**SAID), times=2)
    get(client, w=320)
    first = meta(client)
    other = "https://example.org/"
    meta(client, url=other)
    second = get(client, url=other, w=320)

    assert (first.json["title"], first.headers["X-Cache"]) == ("A garden", "HIT")
    assert (second.status_code, second.headers["X-Cache"]) == (200, "HIT")
    assert len(engine_api.calls) == 2


@pytest.mark.parametrize("originals", ["redis", "folder"])
def test_metadata_are_kept_where_originals_are(make_client, engine_api, tmp_path, originals):
    engine_api.behave(saying(**SAID))
    changes = {"originals": originals, "originals_dir": tmp_path / "originals"}
    meta(make_client(**changes))

    assert meta(make_client(**changes)).json["title"] == "A garden"
    assert len(engine_api.calls) == 1


def test_callers_at_the_same_time_share_one_capture(client, engine_api):
    gate = threading.Event()
    engine_api.hold(gate)
    pictures = Crowd(client, 2)
    thumb = pictures.ask(url=PAGE)
    asked = pictures.pool.submit(lambda: meta(client.application.test_client()))
    wait_until(lambda: engine_api.calls, "the capture")
    gate.set()

    assert (thumb.result().status_code, asked.result().status_code) == (200, 200)
    assert len(engine_api.calls) == 1


def test_a_stale_page_is_told_at_once_and_captured_again(client, engine_api, redis_url):
    engine_api.behave(saying(**SAID))
    meta(client, ttl=60)
    engine_api.behave(saying(title="New"))
    age_pictures(redis_url, seconds=120)
    stale = meta(client, ttl=60)
    wait_until(lambda: meta(client, ttl=60).json["title"] == "New", "the refresh")

    assert (stale.headers["X-Cache"], stale.headers["X-Thumb-State"], stale.json["title"]) == (
        "STALE",
        "stale",
        "A garden",
    )


def test_a_page_that_looks_the_same_may_say_something_else(client, engine_api):
    engine_api.behave(saying(**SAID))
    before = get(client)
    engine_api.behave(saying(title="New"))
    told = meta(client, fresh=1)

    assert (told.json["title"], told.headers["Cache-Control"]) == ("New", "no-store")
    assert get(client).headers["ETag"] == before.headers["ETag"]


def test_an_answer_is_validated_as_a_picture_is(client, engine_api):
    engine_api.behave(saying(**SAID))
    first = meta(client)
    again = meta(client, headers={"If-None-Match": first.headers["ETag"]})

    assert first.headers["Cache-Control"].startswith("public, max-age=86")
    assert (again.status_code, again.data) == (304, b"")
    assert first.headers["ETag"] != get(client).headers["ETag"]


def test_a_caller_that_does_not_wait_learns_that_it_is_pending(client, engine_api):
    gate = threading.Event()
    engine_api.hold(gate)
    answer = meta(client, wait=0)
    gate.set()

    assert (answer.status_code, answer.json["code"]) == (202, "pending")
    assert answer.headers["Retry-After"].isdecimal()


def test_a_failed_capture_is_the_error_of_the_thumbnail(client, engine_api):
    engine_api.behave(refuse(422, "page_status", "the page answered 404", extras={"page_status": 404}))
    answers = [meta(client), get(client)]

    assert [(each.status_code, each.json["code"]) for each in answers] == [(502, "page_status")] * 2
    assert len(engine_api.calls) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest",
        "http://localhost/",
        "https://user:pw@example.com/",
        "http://10.0.0.1/",
        "http://example.com:22/",
    ],
)
def test_a_url_that_the_guard_refuses_is_not_passed_on(client, engine_api, url):
    engine_api.behave(
        saying(
            title="T",
            url=url,
            canonical=url,
            image={"url": url},
            icons=[{"url": url}],
            feeds=[{"url": url, "type": "application/atom+xml"}],
        )
    )
    told = meta(client).json

    assert told["title"] == "T"
    assert [told[name] for name in ("final_url", "canonical", "image", "favicon", "feeds")] == [
        None,
        None,
        None,
        None,
        [],
    ]


@pytest.mark.parametrize(
    "header", ["{", "[" * 9000, '"text"', '{"title": 3, "icons": {"a": 1}, "status": true}', "x" * 20_000]
)
def test_a_broken_header_says_nothing(client, engine_api, header):
    def behaviour(answer):
        from tests.support.screenshot_api import drawn

        answer.reply(200, drawn(answer)[0], {"Content-Type": "image/png", "X-Page-Metadata": header})

    engine_api.behave(behaviour)
    told = meta(client).json

    assert (told["source"], told["title"], told["image"]) == ("page", None, None)
    assert meta(client).headers["X-Cache"] == "HIT"


def test_a_hosted_api_tells_no_more_than_its_picture_shows(make_client, api):
    client = make_client(
        capture_api="snapsharp", capture_url=api.url, capture_api_key="sk_live_test", private_targets=""
    )
    told = meta(client).json
    meta(client)

    assert (told["source"], told["title"], told["status"], told["feeds"]) == ("picture", None, None, [])
    assert told["palette"]
    assert len(api.calls) == 1


def test_an_original_from_before_metadata_is_captured_once_more(client, engine_api, redis_url):
    get(client)
    with redis.Redis.from_url(redis_url) as store:
        for key in store.keys("thumb:picture:*"):
            head, _, body = store.get(key).partition(b"\n")
            header = {name: value for name, value in json.loads(head).items() if name != "page"}
            store.set(key, json.dumps(header).encode() + b"\n" + body, keepttl=True)
    age_pictures(redis_url, seconds=60)
    engine_api.behave(saying(**SAID))
    answers = [meta(client) for _ in range(2)]

    assert [(each.json["title"], each.headers["X-Cache"]) for each in answers] == [
        ("A garden", "MISS"),
        ("A garden", "HIT"),
    ]
    assert len(engine_api.calls) == 2


def test_an_engine_that_says_nothing_is_asked_once(client, engine_api):
    engine_api.behave(picture, times=5)
    answers = [meta(client) for _ in range(3)]

    assert [each.json["title"] for each in answers] == [None] * 3
    assert len(engine_api.calls) == 1


def test_options_are_those_of_the_thumbnail(client, engine_api):
    engine_api.behave(saying(**SAID), times=2)
    assert meta(client, dark_mode=1, w=320, format="webp").json["title"] == "A garden"
    assert get(client, dark_mode=1).headers["X-Cache"] == "HIT"
    assert "dark_mode=1" in meta(client, dark_mode=1).json["picture"]
    refused = meta(client, size=3)
    assert (refused.status_code, refused.json["code"]) == (400, "invalid_option")
    assert len(engine_api.calls) == 1


def test_the_signature_of_a_thumbnail_holds_for_its_metadata(make_client, engine_api):
    from access import sign

    key = "a-secret-of-16-characters"
    client = make_client(signing_keys=key)
    engine_api.behave(saying(**SAID))
    refused = meta(client)
    told = meta(client, sig=sign(key, [("url", PAGE)]))

    assert (refused.status_code, refused.json["code"]) == (403, "bad_signature")
    assert told.json["title"] == "A garden"
    assert client.get(told.json["picture"]).status_code == 200
    assert client.get(told.json["icon"]).status_code == 200


def test_captures_are_charged_to_the_caller(make_client, engine_api):
    client = make_client(thumb_limit="1 per hour")
    engine_api.behave(saying(**SAID))
    first, known, refused = meta(client), meta(client), meta(client, url="https://example.org/")

    assert (first.headers["RateLimit-Remaining"], known.status_code, refused.status_code) == ("0", 200, 429)
