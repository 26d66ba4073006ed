"""The last failures of a page, which are noted for operators beside the remembered one."""

import json

import pytest
import redis
from structlog.testing import capture_logs

from errors import CaptureFailed
from model import Key
from options import EVENT_HEADER, write_event
from tests.support.redis import as_state
from tests.support.screenshot_api import drawn, refuse, running_screenshot_api
from tests.support.visitors import PAGE, get
from thumbnails import FailureHistory

EVENT = {"outcome": "page_status", "reason": f"no page at {PAGE}?secret=1", "seconds": 2.5, "parts": {"arrive": 2.4}}


def noted(redis_url):
    """Return the noted failures of all pages, the newest of each first."""
    with redis.Redis.from_url(redis_url) as store:
        names = list(store.scan_iter("thumb:{failures}:page:*"))
        return [json.loads(text) for name in names for text in store.lrange(name, 0, -1)]


def test_a_failure_is_noted_with_the_request_the_api_and_the_engines_event(make_client, redis_url):
    with running_screenshot_api("engine") as engine:
        client = make_client(capture_api="engine", capture_url=engine.url, capture_api_key=None)
        engine.behave(
            refuse(422, "page_status", extras={"page_status": 404}, headers={EVENT_HEADER: write_event(EVENT)})
        )
        answer = get(client, headers={"X-Request-ID": "a-request-of-mine"})

    (found,) = noted(redis_url)
    assert (found["code"], found["reason"]) == ("page_status", "the page answered 404")
    assert (found["request_id"], found["api"]) == (answer.headers["X-Request-ID"], "engine")
    assert (found["api_status"], found["api_code"]) == (422, "page_status")
    assert (found["event"]["outcome"], found["event"]["parts"]) == ("page_status", {"arrive": 2.4})
    assert "secret" not in found["event"]["reason"]
    with redis.Redis.from_url(redis_url) as store:
        assert all(0 < store.ttl(name) <= 86400 for name in store.scan_iter("thumb:{failures}:*"))


def test_of_a_hosted_api_status_and_code_are_noted(client, api, redis_url):
    api.behave(refuse(422, "page_timeout", headers={EVENT_HEADER: write_event(EVENT)}), times=9)
    get(client)

    (found,) = noted(redis_url)
    assert (found["api"], found["api_status"], found["api_code"], found["event"]) == (
        "snapsharp",
        422,
        "page_timeout",
        {},
    )


def test_no_secret_of_the_callers_options_is_noted(make_client, redis_url):
    words = write_event(EVENT | {"reason": "cookies: hush-hush is not a value"})
    with running_screenshot_api("engine") as engine:
        client = make_client(capture_api="engine", capture_url=engine.url, capture_api_key=None)
        engine.behave(refuse(400, "cookie_refused", headers={EVENT_HEADER: words}), times=9)
        client.post("/thumb", json={"url": PAGE, "cookies": [{"name": "session", "value": "hush-hush"}]})

    (found,) = noted(redis_url)
    assert found["code"] == "invalid_option"
    assert found["event"]["reason"] == "[…]"
    assert "hush" not in json.dumps(found)


@pytest.fixture
def history(redis_url):
    with redis.Redis.from_url(redis_url) as store:
        yield FailureHistory(as_state(store), most_pages=3)


def test_five_failures_of_a_page_and_some_pages_are_kept(history, redis_url):
    for page in "abcd":
        for number in range(7):
            history.note(Key(page, ""), CaptureFailed(f"{page}{number}"), "")

    assert [each.reason for each in history.of(Key("d", ""))] == ["d6", "d5", "d4", "d3", "d2"]
    assert history.of(Key("a", "")) == ()
    with redis.Redis.from_url(redis_url) as store:
        assert len(list(store.scan_iter("thumb:{failures}:page:*"))) == 3


def test_without_redis_nothing_is_noted_and_no_error_is_raised():
    history = FailureHistory(as_state(redis.Redis(port=1)))
    history.note(Key("a", ""), CaptureFailed("it failed"), "")
    assert history.of(Key("a", "")) == ()


def test_of_a_slow_page_the_log_tells_which_part_took_the_time(make_client):
    def slow(seconds):
        told = write_event({"outcome": "ok", "seconds": seconds, "parts": {"arrive": seconds}, "requests": 3})

        def behaviour(answer):
            body, content_type = drawn(answer)
            answer.reply(200, body, {"Content-Type": content_type, EVENT_HEADER: told})

        return behaviour

    with running_screenshot_api("engine") as engine, capture_logs() as logs:
        client = make_client(capture_api="engine", capture_url=engine.url, capture_api_key=None)
        for page, seconds in ((PAGE, 4.9), (PAGE + "slow", 5.1)):
            engine.behave(slow(seconds))
            answer = get(client, page)

    (event,) = [each for each in logs if each["event"] == "capture_slow"]
    assert (event["seconds"], event["parts"], event["requests"]) == (5.1, {"arrive": 5.1}, 3)
    assert event["request_id"] == answer.headers["X-Request-ID"]
