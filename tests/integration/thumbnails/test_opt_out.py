"""A page that opts out is not shown: no new picture, none of before, and it is not visited again for hours."""

import re

import pytest
import redis

import tasks
from jobs import INTERACTIVE
from tests.support.engine import eventually
from tests.support.redis import age_pictures
from tests.support.screenshot_api import refuse, running_screenshot_api
from tests.support.visitors import PAGE, get

OUT = refuse(422, "opted_out", extras={"retryable": False})


@pytest.fixture
def engine():
    with running_screenshot_api("engine") as server:
        yield server


@pytest.fixture
def settings(settings, engine):
    return settings | {"capture_api": "engine", "capture_url": engine.url, "capture_api_key": None}


def is_refused(answer):
    return (answer.status_code, answer.json["code"], answer.json["retryable"]) == (403, "page_opted_out", False)


def test_the_caller_is_told_and_the_page_is_not_visited_again_for_hours(client, engine, redis_url):
    engine.behave(OUT)
    answers = [get(client) for _ in range(3)]

    assert all(map(is_refused, answers))
    assert len(engine.calls) == 1
    with redis.Redis.from_url(redis_url) as store:
        (name,) = store.keys("*:failure:*")
        assert 5 * 3600 < store.ttl(name) <= 6 * 3600


def test_an_image_gets_a_placeholder_that_says_so_quietly(client, engine):
    engine.behave(OUT)
    answer = get(client, headers={"Accept": "image/avif,image/*,*/*;q=0.8"}, w=640)

    assert answer.content_type.startswith("image/")
    assert answer.headers["X-Error-Code"] == "page_opted_out"
    assert answer.headers["Cache-Control"] == "no-store"


def test_it_opens_no_breaker_and_goes_to_no_other_api(make_client, engine, api):
    client = make_client(capture_api="engine,snapsharp", snapsharp_url=api.url, snapsharp_api_key="sk_live_test")
    engine.behave(OUT, times=10)
    assert all(is_refused(get(client, f"https://example.com/{number}")) for number in range(10))
    assert get(client).status_code == 200
    assert (len(engine.calls), len(api.calls)) == (11, 0)


@pytest.mark.parametrize("memory", [0, 1 << 20])
def test_pictures_of_before_are_shown_no_more_in_any_size(make_client, engine, redis_url, memory):
    """They are old, so one is shown a last time while the page is visited again. In another process too."""
    client, other = (make_client(memory_cache_bytes=memory) for _ in range(2))
    for each in (client, other):
        get(each)
        get(each, w=320)
        get(each, width=800)
    age_pictures(redis_url, 2 * 86400)
    engine.behave(OUT, times=99)
    others = other.application.extensions["services"].purges
    if memory:
        get(client, fresh=1)
    else:
        assert get(client).headers["X-Cache"] == "STALE"
    eventually(lambda: get(client).status_code == 403)
    others.refresh()  # as each process does every two seconds
    for each in (client, other):
        assert all(map(is_refused, (get(each), get(each, w=320), get(each, w=500), get(each, width=800))))


def test_a_fresh_picture_is_withdrawn_by_a_caller_who_wants_a_newer_one(client, engine):
    get(client)
    engine.behave(OUT)

    assert is_refused(get(client, fresh=1))
    assert is_refused(get(client))
    assert is_refused(client.get("/meta", query_string={"url": PAGE}))


def test_a_page_that_wants_to_be_shown_again_is(client, engine, redis_url):
    get(client)
    engine.behave(OUT)
    get(client, fresh=1)
    shown = get(client, fresh=1)

    assert (shown.status_code, get(client).headers["X-Cache"]) == (200, "HIT")


def test_what_a_page_tells_one_caller_withdraws_no_picture_of_all(make_client, engine):
    client = make_client(api_keys="cms:a-secret-key")
    key = {"X-API-Key": "a-secret-key"}
    body = {"url": PAGE, "cookies": [{"name": "a", "value": "b"}]}
    get(client)
    client.post("/thumb", json=body, headers=key)
    engine.behave(OUT)
    private = client.post("/thumb", json=body | {"fresh": True}, headers=key)

    assert private.json["code"] == "page_opted_out"
    assert get(client).headers["X-Cache"] == "HIT"


def test_other_pages_of_the_host_are_shown(client, engine):
    get(client, "https://example.com/other")
    get(client)
    engine.behave(OUT)
    get(client, fresh=1)

    assert get(client, "https://example.com/other").headers["X-Cache"] == "HIT"


def test_pages_that_were_never_shown_leave_no_mark(client, engine, redis_url):
    engine.behave(OUT, times=5)
    for number in range(5):
        get(client, f"https://example.com/{number}")
    with redis.Redis.from_url(redis_url) as store:
        assert [name for name in store.keys("*") if re.search(rb"purge", name)] == []


def test_permanent_pictures_of_before_stay(client, engine):
    stored = client.post("/persist", json={"url": PAGE}).json
    engine.behave(OUT, times=2)
    get(client, fresh=1)

    assert client.get(f"/media/{stored['key']}").status_code == 200
    assert client.post("/persist", json={"url": PAGE}).json["code"] == "page_opted_out"


def test_a_job_fails_at_once(client, engine):
    engine.behave(OUT)
    id_ = client.post("/screenshots", json={"url": PAGE}).json["job_id"]
    tasks.capture(client.application.extensions["services"], id_, 1, INTERACTIVE)
    job = client.get(f"/jobs/{id_}").json

    assert (job["status"], job["error"]["code"], job["retries"]) == ("failed", "page_opted_out", 0)


def test_the_files_of_withdrawn_pictures_are_removed(make_client, engine, tmp_path):
    folder = tmp_path / "originals"
    client = make_client(originals="folder", originals_dir=folder)
    folder.mkdir(exist_ok=True)
    get(client, w=320)
    engine.behave(OUT)
    get(client, fresh=1, w=320)
    built = client.application.extensions["services"]
    built.purging.sweeper.sweep()

    assert [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size > 1000] == []
