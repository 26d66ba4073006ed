"""The engine's notes about a picture reach every caller, and a picture with parts missing gets old within an hour."""

import json
import re

import pytest
import redis

from jobs import CAPTURE, INTERACTIVE, TaskMessage
from tests.support.processes import wait_until
from tests.support.redis import age_pictures
from tests.support.screenshot_api import picture_with, running_screenshot_api
from tests.support.visitors import PAGE, get

NOTE = "X-Thumb-Note"
CUT, MISSING = "cut-at=16384", "parts-missing=12"
BOTH = f"{CUT}, {MISSING}"


@pytest.fixture
def engine_api():
    with running_screenshot_api("engine", key="sesame") as server:
        yield server


@pytest.fixture
def settings(settings, engine_api):
    return settings | {"capture_api": "engine", "capture_url": engine_api.url, "capture_api_key": "sesame"}


def noted(note):
    return picture_with(200, {NOTE: note})


def max_age(response):
    return int(re.search(r"max-age=([0-9]+)", response.headers["Cache-Control"])[1])


def test_notes_are_sent_with_every_answer_about_the_picture(make_client, engine_api):
    """From the capture, from Redis, in another size, from memory by the fast path, and without a body."""
    engine_api.behave(noted(BOTH))
    client = make_client(memory_cache_bytes=1 << 20)
    answers = [get(client), get(make_client()), get(client, w=320), get(client)]
    unchanged = get(client, headers={"If-None-Match": answers[0].headers["ETag"]})
    by_flask = get(client, headers={"If-None-Match": answers[0].headers["ETag"], "Range": "bytes=0-"})

    assert [answer.headers[NOTE] for answer in (*answers, unchanged, by_flask)] == [BOTH] * 6
    assert [answer.status_code for answer in (*answers, unchanged, by_flask)] == [200] * 4 + [304] * 2
    assert client.head("/thumb", query_string={"url": PAGE}).headers[NOTE] == BOTH
    assert len(engine_api.calls) == 1


def test_notes_come_with_a_permanent_picture_again_and_again(client, engine_api):
    engine_api.behave(noted(BOTH))
    headers = {"Idempotency-Key": "once"}
    answers = [client.post("/persist", json={"url": PAGE}, headers=headers) for _ in range(2)]

    assert [(answer.status_code, answer.headers[NOTE]) for answer in answers] == [(201, BOTH)] * 2


def test_notes_come_with_a_job_and_its_picture(client, engine_api):
    engine_api.behave(noted(BOTH))
    id_ = client.post("/screenshots", json={"url": PAGE}).json["job_id"]
    assert NOTE not in client.get(f"/jobs/{id_}").headers
    built = client.application.extensions["services"]
    run = built.jobs.store.runs.begin(TaskMessage(CAPTURE, INTERACTIVE, id_))
    built.job_pictures.record_outcome(run, built.job_pictures.capture(run.job))

    assert client.get(f"/jobs/{id_}").headers[NOTE] == BOTH
    assert client.get(f"/jobs/{id_}/image").headers[NOTE] == BOTH


def test_scripts_of_other_origins_may_read_notes(make_client, engine_api):
    engine_api.behave(noted(BOTH))
    client = make_client(cors_origins="https://cms.example.com")
    answer = client.post("/persist", json={"url": PAGE}, headers={"Origin": "https://cms.example.com"})

    assert {"X-Page-Status", NOTE} <= set(answer.headers["Access-Control-Expose-Headers"].split(", "))


@pytest.mark.parametrize(
    ("sent", "passed_on"),
    [
        ("", None),
        ("unknown=1", None),
        ("cut-at=<b>, parts-missing=-3", None),
        (f"unknown=1, {MISSING};x, cut-at=900", "cut-at=900"),
        ("parts-missing=0", None),
    ],
)
def test_only_known_notes_are_passed_on(client, engine_api, sent, passed_on):
    engine_api.behave(noted(sent))

    assert get(client).headers.get(NOTE) == passed_on


def test_a_hosted_api_has_no_notes(make_client, api):
    api.behave(noted(BOTH))
    client = make_client(capture_api="snapsharp", capture_url=api.url, capture_api_key="sk_live_test")
    answer = get(client, wait_until="load")

    assert NOTE not in answer.headers
    assert max_age(answer) > 3600


@pytest.mark.parametrize("ttl", [60, None, 2592000])
def test_a_picture_with_parts_missing_is_fresh_for_an_hour_at_most(client, engine_api, ttl):
    engine_api.behave(noted(MISSING))
    answer = get(client, **({} if ttl is None else {"ttl": ttl}))

    assert answer.headers["X-Thumb-State"] == "fresh"
    assert max_age(answer) <= min(ttl or 3600, 3600)
    assert answer.headers["Cache-Control"].startswith("public, ")


def test_a_picture_that_is_only_cut_is_as_fresh_as_any(client, engine_api):
    engine_api.behave(noted(CUT))

    assert max_age(get(client)) > 3600


def test_after_an_hour_it_is_shown_as_stale_and_captured_again(client, engine_api, redis_url):
    engine_api.behave(noted(MISSING))
    get(client, ttl=86400)
    age_pictures(redis_url, seconds=3601)
    stale = get(client, ttl=86400)
    wait_until(lambda: get(client, ttl=86400).headers["X-Cache"] == "HIT", "the refresh")

    assert (stale.headers["X-Cache"], stale.headers[NOTE]) == ("STALE", MISSING)
    assert NOTE not in get(client, ttl=86400).headers
    assert len(engine_api.calls) == 2


def test_a_new_capture_that_looks_the_same_brings_its_own_notes(client, engine_api, redis_url):
    """The known bytes are kept, as they show no difference."""
    before = get(client, ttl=60)
    age_pictures(redis_url, seconds=120)
    engine_api.behave(noted(MISSING))
    get(client, ttl=60)
    wait_until(lambda: get(client, ttl=60).headers["X-Cache"] == "HIT", "the refresh")
    after = get(client, ttl=60)

    assert (after.headers["ETag"], after.headers[NOTE]) == (before.headers["ETag"], MISSING)


def test_a_record_from_before_there_were_notes_has_none(client, redis_url):
    get(client)
    with redis.Redis.from_url(redis_url) as store:
        for key in store.keys("thumb:picture:*"):
            head, _, body = store.get(key).partition(b"\n")
            header = {name: value for name, value in json.loads(head).items() if name != "notes"}
            store.set(key, json.dumps(header).encode() + b"\n" + body, keepttl=True)
    again = get(client)

    assert (again.headers["X-Cache"], again.headers.get(NOTE)) == ("HIT", None)
