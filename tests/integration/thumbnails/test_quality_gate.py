"""A blank or misshapen capture is tried once more, shown briefly, and never replaces a good one."""

import re

import pytest
import redis

from tests.support.processes import wait_until
from tests.support.redis import age_pictures
from tests.support.screenshot_api import blank, picture_with, refuse, running_screenshot_api, sized
from tests.support.visitors import PAGE, get

UNFINISHED = {"X-Thumb-Note": "unfinished=1"}


def test_a_blank_capture_is_tried_once_more(client, api):
    api.behave(blank)
    response = get(client)

    assert response.status_code == 200
    assert len(api.calls) == 2
    assert response.cache_control.max_age > 60


def test_the_second_look_is_more_patient(client, api):
    api.behave(blank)
    get(client, delay=200)

    assert [int(call.params["delay"]) for call in api.calls] == [1000, 4000]


def test_a_page_that_stays_blank_is_shown_for_a_minute(client, api, redis_url):
    """After that, neither Redis nor a shared cache may serve it, not even as stale."""
    api.behave(blank, times=2)
    answers = [get(client, w=64), get(client, w=64), get(client, w=128)]

    assert {answer.status_code for answer in answers} == {200}
    assert [answer.headers["X-Cache"] for answer in answers] == ["MISS", "HIT", "HIT"]
    for answer in answers:
        assert re.fullmatch(r"private, max-age=([1-5]?\d|60)", answer.headers["Cache-Control"])
    with redis.Redis.from_url(redis_url) as store:
        assert {0 < store.ttl(key) <= 60 for key in store.keys("thumb:picture:*")} == {True}
    assert len(api.calls) == 2


def test_a_blank_page_that_then_fails_is_shown_for_a_minute(client, api):
    api.behave(blank)
    api.behave(refuse(422, "page_failed"), times=9)
    response = get(client)

    assert response.status_code == 200
    assert response.cache_control.max_age <= 60


@pytest.fixture
def client_of_engine(make_client):
    """A client whose screenshot API is an engine, which notes what it could not finish, and that engine."""
    with running_screenshot_api("engine", key="sesame") as engine:
        yield make_client(capture_api="engine", capture_url=engine.url, capture_api_key="sesame"), engine


def test_an_unfinished_page_is_tried_once_more(client_of_engine):
    client, engine = client_of_engine
    engine.behave(picture_with(200, UNFINISHED))
    response = get(client)

    assert len(engine.calls) == 2
    assert response.cache_control.max_age > 60
    assert "X-Thumb-Note" not in response.headers


def test_a_page_that_stays_unfinished_is_shown_for_a_minute_and_not_made_permanent(client_of_engine):
    client, engine = client_of_engine
    engine.behave(picture_with(200, UNFINISHED), times=4)
    response = get(client)
    permanent = client.post("/persist", json={"url": PAGE})

    assert re.fullmatch(r"private, max-age=([1-5]?\d|60)", response.headers["Cache-Control"])
    assert response.headers["X-Thumb-Note"] == "unfinished=1"
    assert (permanent.status_code, permanent.json["code"]) == (502, "capture_failed")


def test_the_time_of_a_good_capture_is_kept_as_long_as_its_pictures(client, redis_url):
    get(client, ttl=2592000)
    with redis.Redis.from_url(redis_url) as store:
        shown = max(store.ttl(key) for key in store.keys("thumb:picture:*"))
        (note,) = store.keys("thumb:original:*")
        assert store.ttl(note) >= shown


def test_a_picture_of_another_size_is_shown_for_a_minute(client, api):
    api.behave(sized(640, 360), times=2)

    assert get(client).cache_control.max_age <= 60
    assert len(api.calls) == 2


def test_a_blank_capture_never_replaces_a_good_one(make_client, api, redis_url):
    client = make_client(cache_ttl=60)
    good = get(client)
    age_pictures(redis_url, seconds=120)
    api.behave(blank, times=99)
    get(client)
    wait_until(lambda: len(api.calls) == 3, "the refresh and its second try")

    assert get(client).data == good.data


def test_a_blank_capture_does_not_replace_a_good_one_whose_original_has_expired(make_client, api, redis_url):
    client = make_client(cache_ttl=60)
    good = get(client)
    age_pictures(redis_url, seconds=120)
    store = redis.Redis.from_url(redis_url)
    store.delete(*[key for key in store.keys("thumb:picture:*") if b'"kind\\":\\"original' in store.get(key)])
    api.behave(blank, times=99)
    get(client)
    wait_until(lambda: len(api.calls) == 3, "the refresh and its second try")
    client.application.extensions["services"].coalescer.drain(10)

    assert get(client).data == good.data


@pytest.mark.parametrize("query", [{}, {"fresh": 1}], ids=["stale", "fresh"])
def test_a_blank_capture_replaces_no_good_one_while_redis_takes_no_writes(make_client, api, redis_url, query):
    client = make_client(cache_ttl=60)
    good = get(client)
    age_pictures(redis_url, seconds=120)
    with redis.Redis.from_url(redis_url) as store:
        originals = [key for key in store.keys("thumb:picture:*") if b'"kind\\":\\"original' in store.get(key)]
        assert store.delete(*originals) == 1
        store.config_set("maxmemory", 1)
        store.config_set("maxmemory-policy", "noeviction")
        try:
            api.behave(blank, times=99)
            get(client)
            client.application.extensions["services"].coalescer.drain(10)
            shown = get(client, **query)
        finally:
            store.config_set("maxmemory", 0)

    assert (shown.status_code, shown.headers["X-Cache"]) == (200, "STALE")
    assert shown.data == good.data


@pytest.mark.parametrize("part", [{"clip": "0,0,300,100"}, {"selector": "header"}])
def test_a_part_of_a_page_may_be_of_one_colour_as_two_looks_agree(client_of_engine, part):
    client, engine = client_of_engine
    engine.behave(blank, times=2)
    shown = get(client, **part)
    stored = client.post("/persist", json={"url": PAGE, **part})

    assert (shown.status_code, shown.cache_control.public, shown.cache_control.max_age > 60) == (200, True, True)
    assert stored.status_code == 201, stored.text
    assert len(engine.calls) == 2


def test_a_part_of_a_page_that_could_not_be_looked_at_twice_stays_suspect(client_of_engine):
    client, engine = client_of_engine
    engine.behave(blank)
    engine.behave(refuse(422, "page_failed"), times=9)

    assert get(client, clip="0,0,300,100").cache_control.max_age <= 60


def test_a_blank_picture_is_not_made_permanent(client, api):
    api.behave(blank, times=2)

    assert client.post("/persist", json={"url": PAGE}).json["code"] == "capture_failed"
