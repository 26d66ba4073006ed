"""Sites are captured through the same flow as `/thumb`, at a pace of their own."""

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import redis
from PIL import Image

import tasks
from jobs import CAPTURE_SITE
from sites.claims import QUEUED, SENDING, Claim
from tests.support.databases import ON_SQLITE
from tests.support.screenshot_api import blank, refuse, running_screenshot_api, with_mark

URL = "https://example.com/"
DAY = 86400


def add(client, url=URL, **more):
    response = client.post("/sites", json={"url": url, **more})
    assert response.status_code == 201, response.json
    return response.json["id"]


def waiting(built):
    """The messages about sites on the agenda."""
    with redis.Redis.from_url(built.settings.redis_url) as store:
        found = [each.decode().split(" ") for each in store.zrange("thumb:{jobs}:due", 0, -1)]
    return [words for words in found if words[0] == CAPTURE_SITE]


def work(built):
    """Do what beat and the worker do in one round. Return how many captures were tried."""
    tasks.capture_sites(built)
    messages = waiting(built)
    for _, queue, subject, turn in messages:
        tasks.capture_site(built, subject, int(turn), queue)
    assert waiting(built) == []
    return len(messages)


def site(client, id_=1):
    return client.get(f"/sites/{id_}").json


def budget(built):
    with redis.Redis.from_url(built.settings.redis_url) as store:
        return int(store.hget("thumb:{sites}:captures", "spent") or 0)


def test_a_new_site_is_captured_once(built, client, api):
    add(client)
    assert [work(built), work(built)] == [1, 0]

    found = site(client)
    assert (found["status"], found["picture"]["number"], len(api.calls)) == ("ready", 1, 1)
    picture = Image.open(io.BytesIO(client.get("/sites/1/image?format=png").data))
    assert picture.size == (found["picture"]["width"], found["picture"]["height"]) == (1280, 720)


def test_a_site_takes_the_picture_that_a_visitor_has_just_had_captured(built, client, api):
    client.get("/thumb", query_string={"url": URL, "w": 64})
    add(client)
    work(built)
    assert (site(client)["status"], len(api.calls), budget(built)) == ("ready", 1, 0)


def test_a_visitor_takes_the_picture_of_a_site(built, client, api):
    add(client)
    work(built)
    response = client.get("/thumb", query_string={"url": URL, "w": 64})
    assert (response.headers["X-Cache"], len(api.calls)) == ("HIT", 1)


def test_who_asks_for_a_capture_gets_a_new_one(built, client, api):
    add(client)
    work(built)
    api.behave(with_mark(200, 200), times=9)
    assert client.post("/sites/1/capture").status_code in (200, 202)
    work(built)

    assert len(api.calls) == 2
    found = site(client)
    assert (found["picture"]["number"], found["changed_at"] is not None) == (2, True)
    assert 0 < found["picture"]["change"] < 100
    assert client.get("/thumb", query_string={"url": URL, "w": 64}).headers["X-Cache"] == "HIT"
    assert len(api.calls) == 2


@ON_SQLITE
def test_other_options_or_another_url_are_captured_and_other_words_are_not(built, client, api):
    add(client)
    work(built)
    for change, calls in (
        ({"title": "Other"}, 1), ({"tags": ["a"]}, 1), ({"schedule": "weekly"}, 1),
        ({"options": {"width": 640}}, 2), ({"url": "https://example.org/"}, 3),
    ):  # fmt: skip
        etag = client.get("/sites/1").headers["ETag"]
        assert client.patch("/sites/1", json=change, headers={"If-Match": etag}).status_code == 200
        work(built)
        assert len(api.calls) == calls, change


@ON_SQLITE
def test_a_new_picture_is_shown_at_once(built, client, api):
    add(client)
    assert client.get("/sites/1/image?w=64").headers["X-Thumb-State"] == "pending"
    work(built)
    first = client.get("/sites/1/image?w=64&format=png").data
    api.behave(with_mark(600, 600), times=9)
    client.post("/sites/1/capture")
    work(built)
    assert client.get("/sites/1/image?w=64&format=png").data != first


@ON_SQLITE
def test_a_blank_page_is_a_failure_and_no_version(built, client, api):
    add(client)
    api.behave(blank, times=9)
    work(built)
    found = site(client)
    assert (found["status"], found["picture"], found["failure"]["code"]) == ("pending", None, "capture_failed")


@ON_SQLITE
def test_a_failure_that_stays_is_shown_at_once(built, client, api):
    add(client)
    api.behave(refuse(400, "validation_error", "the page is no page"), times=9)
    work(built)
    found = site(client)
    assert (found["status"], found["failure"]["count"], found["picture"]) == ("failed", 1, None)


@ON_SQLITE
def test_a_site_on_a_host_that_is_no_longer_allowed_is_failed(built, client, resolver):
    add(client)
    resolver.answers["example.com"] = ["127.0.0.1"]
    work(built)
    found = site(client)
    assert (found["status"], found["failure"]["code"]) == ("failed", "blocked_url")


@ON_SQLITE
def test_while_the_api_refuses_no_site_fails_and_few_are_tried(built, client, api):
    client.post("/sites", json={"sites": [{"url": f"https://site-{number}.example/"} for number in range(100)]})
    with redis.Redis.from_url(built.settings.redis_url) as store:
        store.set("thumb:{captures}:snapsharp:120/60", 120, ex=60)  # as if visitors had used this minute's calls
    assert work(built) <= 32
    assert work(built) == 0, "until the pause is over"
    assert (len(api.calls), budget(built)) == (0, 0)
    assert {each["status"] for each in client.get("/sites?limit=100").json["sites"]} == {"pending"}


@ON_SQLITE
def test_at_most_a_few_captures_wait_in_the_queue(built, client):
    client.post("/sites", json={"sites": [{"url": f"https://site-{number}.example/"} for number in range(100)]})
    for _ in range(5):
        tasks.capture_sites(built)
    assert len(waiting(built)) == 32
    assert budget(built) == 32


@ON_SQLITE
def test_sites_whose_messages_were_not_sent_are_due_again_soon_and_take_no_place_for_longer(built, client, monkeypatch):
    add(client)
    agenda, pace = built.jobs.store.agenda, built.site_capturer.pace
    with monkeypatch.context() as patch:
        patch.setattr(agenda, "schedule", lambda *_: 1 / 0)  # as if the worker were killed here
        with pytest.raises(ZeroDivisionError):
            tasks.capture_sites(built)
    now = datetime.now(UTC)
    assert now < built.catalogue.get(1).due_at <= now + SENDING
    pace.add([Claim(2, now - timedelta(seconds=2) + QUEUED - SENDING, now)])
    assert pace.reserve(32) == 31, "the first site has a place for a minute, the second had one"


@ON_SQLITE
def test_sites_whose_messages_were_sent_take_a_place_until_they_are_captured(built, client):
    now = datetime.now(UTC)
    pace, claim = built.site_capturer.pace, Claim(1, now - timedelta(seconds=2) + QUEUED - SENDING, now)
    pace.add([claim])
    pace.keep([claim, replace(claim, site_id=2)])
    assert pace.reserve(32) == 31, "what was never in progress is not now"


@ON_SQLITE
def test_the_budget_of_a_day_is_kept(settings, built, client, api):
    pace = replace(built.site_capturer, pace=type(built.site_capturer.pace)(built.connections.state, 3))
    small = replace(built, site_capturer=pace)
    for number in range(5):
        add(client, f"https://site-{number}.example/")
    assert [work(small), work(small)] == [3, 0]
    assert len(api.calls) == 3


def test_a_message_that_comes_twice_captures_once(built, client, api):
    add(client)
    tasks.capture_sites(built)
    ((_, queue, subject, turn),) = waiting(built)
    for _ in range(2):
        tasks.capture_site(built, subject, int(turn), queue)
    assert (len(api.calls), budget(built)) == (1, 1)


def test_a_paused_site_is_not_captured(built, client):
    add(client, paused=True)
    assert work(built) == 0


@ON_SQLITE
def test_captures_of_sites_are_marked_as_background_work(settings, resolver, redis_url):
    import services
    from app import create_app
    from config import Settings

    with running_screenshot_api("engine") as engine:
        chosen = Settings.of(**settings | {"capture_api": "engine", "capture_url": engine.url, "capture_api_key": None})
        built = services.build(chosen, resolver)
        add(create_app(chosen, built).test_client())
        work(built)
        (call,) = engine.calls
        built.close()
    assert call.headers["Priority"] == "u=7"
