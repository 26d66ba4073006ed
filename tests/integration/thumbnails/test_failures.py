"""Failures are remembered for a while, and only those of the API open the breaker."""

import pytest
import redis

from tests.support import screenshot_api as fake
from tests.support.redis import age_pictures
from tests.support.screenshot_api import refuse, running_screenshot_api
from tests.support.visitors import get


def test_a_failure_is_remembered_for_a_while(make_client, api, redis_url):
    client = make_client(thumb_limit="100 per hour")
    api.behave(refuse(500, "internal"))
    first = get(client)
    again = [get(client, w=w) for w in (64, 128)]

    assert {response.status_code for response in [first, *again]} == {502}
    assert len(api.calls) == 1
    (key,) = redis.Redis.from_url(redis_url).keys("thumb:failure:*")
    assert 0 < redis.Redis.from_url(redis_url).ttl(key) <= 30
    redis.Redis.from_url(redis_url).delete(key)


def test_a_failure_is_remembered_as_long_as_the_api_says(make_client, api, redis_url):
    api.behave(refuse(503, "unavailable", headers={"Retry-After": "300"}), times=9)
    refused = get(make_client(capture_timeout=5))

    assert refused.headers["Retry-After"] == "300"
    (key,) = redis.Redis.from_url(redis_url).keys("thumb:failure:*")
    assert 290 < redis.Redis.from_url(redis_url).ttl(key) <= 300


def test_a_refusal_of_the_api_is_remembered_too(make_client, redis_url):
    with running_screenshot_api("engine") as engine:
        client = make_client(capture_api="engine", capture_url=engine.url, capture_api_key=None)
        engine.behave(refuse(400, "blocked_url"), times=9)
        codes = [get(client, w=w).json["code"] for w in (64, 128, 256)]

    assert codes == ["blocked_url"] * 3
    assert len(engine.calls) == 1


def test_a_success_makes_a_failure_forgotten(make_client, api):
    client = make_client(capture_timeout=5, master_max_bytes=100, thumb_limit="100 per hour")
    api.behave(refuse(500, "internal"))
    assert get(client).status_code == 502
    assert get(client, fresh=1).status_code == 200

    assert get(client, w=64).status_code == 200


def test_pages_that_take_too_long_do_not_count_against_the_api(make_client, api):
    client = make_client(capture_timeout=2, thumb_limit="100 per hour")
    api.behave(refuse(504, "timeout"), times=99)
    for i in range(6):
        assert get(client, f"https://example.com/{i}").json["code"] == "capture_timeout"


def test_after_five_failures_the_api_is_not_called(make_client, api, redis_url):
    client = make_client(cache_ttl=60, thumb_limit="100 per hour")
    known = get(client)
    age_pictures(redis_url, seconds=120)
    api.behave(refuse(500, "internal"), times=999)
    for i in range(5):
        assert get(client, f"https://example.com/{i}").json["code"] == "capture_failed"
    asked = len(api.calls)
    refused = get(client, "https://example.com/next")

    assert (refused.status_code, refused.json["code"]) == (503, "upstream_unavailable")
    assert 0 < int(refused.headers["Retry-After"]) <= 30
    assert get(client).data == known.data
    assert len(api.calls) == asked


def test_a_used_up_quota_opens_the_breaker_at_once(make_client, api):
    client = make_client()
    api.behave(refuse(429, "quota_exceeded"), times=99)

    assert get(client).json["code"] == "upstream_quota"
    assert get(client, "https://example.org/").json["code"] == "upstream_quota"
    assert len(api.calls) == 1


def test_pages_that_fail_do_not_count_against_the_api(make_client, api):
    client = make_client(thumb_limit="100 per hour")
    api.behave(refuse(404, "not_found"), times=8)
    for i in range(8):
        assert get(client, f"https://example.com/{i}").json["code"] == "capture_failed"

    assert get(client).status_code == 200


@pytest.fixture(scope="module")
def engine():
    with running_screenshot_api("engine") as running:
        yield running


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "answer"),
    [
        ("page_too_large", refuse(422, "page_too_large")),
        ("page_too_large", fake.endless()),
        ("page_crashed", refuse(422, "page_crashed")),
        ("page_crashed", refuse(503, "browser_crashed")),
        ("over_capacity", refuse(503, "resolver_busy")),
        ("over_capacity", refuse(429, "rate_limited")),
        ("page_timeout", refuse(504, "timeout")),
        ("capture_failed", fake.truncated),
        ("page_too_large", fake.huge_png_header),
        ("capture_timeout", fake.silence),
    ],
)
def test_what_a_page_does_to_the_engine_never_opens_the_breaker(make_client, engine, redis_url, code, answer):
    engine.reset()
    client = make_client(
        capture_api="engine",
        capture_url=engine.url,
        capture_api_key=None,
        capture_timeout=2,
        thumb_limit="100 per hour",
    )
    engine.behave(answer, times=999)
    for i in range(6):
        assert get(client, f"https://example.com/{i}").json["code"] == code
    engine.reset()
    assert get(client).status_code == 200


def test_a_picture_with_too_many_pixels_never_opens_the_breaker_of_a_hosted_api(make_client, api):
    client = make_client(thumb_limit="100 per hour")
    api.behave(fake.huge_png_header, times=999)
    for i in range(6):
        assert get(client, f"https://example.com/{i}").json["code"] == "page_too_large"
    api.reset()
    assert get(client).status_code == 200


@pytest.mark.slow
def test_an_engine_that_neither_answers_nor_is_healthy_opens_the_breaker(make_client, engine, redis_url):
    engine.reset()
    client = make_client(
        capture_api="engine",
        capture_url=engine.url,
        capture_api_key=None,
        capture_timeout=2,
        thumb_limit="100 per hour",
    )
    engine.healthy = False
    engine.behave(fake.silence, times=999)
    codes = [get(client, f"https://example.com/{i}").json["code"] for i in range(6)]
    engine.reset()
    assert codes == ["capture_timeout"] * 5 + ["upstream_unavailable"]
