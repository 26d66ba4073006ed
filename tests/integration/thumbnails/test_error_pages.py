"""`error_pages=show`: the picture of an error page says so, is kept for an hour, and never replaces a good one."""

import re

import pytest
import redis

from jobs import CAPTURE, INTERACTIVE, TaskMessage
from tests.support.redis import age_pictures
from tests.support.screenshot_api import picture_with, running_screenshot_api
from tests.support.visitors import PAGE, get

STATUS = "X-Page-Status"


@pytest.fixture
def engine_api():
    with running_screenshot_api("engine", key="sesame") as server:
        yield server


@pytest.fixture
def settings(settings, engine_api):
    return settings | {"capture_api": "engine", "capture_url": engine_api.url, "capture_api_key": "sesame"}


def answering(status):
    return picture_with(200, {"X-Thumb-Note": f"page-status={status}"})


def show(client, **options):
    return get(client, error_pages="show", **options)


def test_the_option_reaches_the_engine_and_leaves_the_keys_of_other_requests_alone(client, engine_api):
    engine_api.behave(answering(404))
    shown, plain = show(client), get(client)

    assert [call.params.get("error_pages") for call in engine_api.calls] == ["show", None]
    assert (shown.headers[STATUS], plain.headers.get(STATUS)) == ("404", None)


def test_every_answer_about_the_picture_has_the_status_of_the_page(make_client, engine_api):
    """From the capture, from Redis, in another size, from memory by the fast path, and without a body."""
    engine_api.behave(answering(404))
    client = make_client(memory_cache_bytes=1 << 20)
    answers = [show(client), show(make_client()), show(client, w=320), show(client)]
    unchanged = show(client, headers={"If-None-Match": answers[0].headers["ETag"]})

    assert [answer.headers[STATUS] for answer in (*answers, unchanged)] == ["404"] * 5
    assert [answer.status_code for answer in (*answers, unchanged)] == [200] * 4 + [304]


def test_an_error_page_is_kept_for_an_hour_at_most_and_never_shown_as_stale(client, engine_api, redis_url):
    engine_api.behave(answering(404))
    answers = [show(client, ttl=86400), show(client, ttl=86400), show(client, ttl=86400, w=320)]

    for answer in answers:
        assert re.fullmatch(r"public, max-age=3[56][0-9][0-9]", answer.headers["Cache-Control"])
    with redis.Redis.from_url(redis_url) as store:
        kept = {key: store.ttl(key) for key in store.keys("thumb:picture:*") + store.keys("thumb:original:*")}
    assert len(kept) == 4
    assert max(kept.values()) <= 3600


def test_clients_of_the_contract_may_not_show_an_error_page_for_longer_either(client, engine_api):
    engine_api.behave(answering(404))
    wanted = {"url": PAGE, "error_pages": "show", "cache_ttl": 86400}
    _, known = (client.get("/v1/screenshot", query_string=wanted) for _ in range(2))

    assert re.fullmatch(r"public, s-maxage=3[56][0-9][0-9]", known.headers["Cache-Control"])


@pytest.mark.parametrize("status", [404, 503])
def test_an_error_page_never_replaces_a_good_picture(client, engine_api, redis_url, status):
    engine_api.behave(answering(200))
    good = show(client)
    engine_api.behave(answering(status), times=9)
    fresh = show(client, fresh=1)
    age_pictures(redis_url, 2 * 86400)
    stale = show(client)

    assert [answer.headers[STATUS] for answer in (good, fresh, stale)] == ["200"] * 3
    assert [answer.headers["X-Cache"] for answer in (fresh, stale)] == ["STALE"] * 2
    assert good.data == fresh.data == stale.data


def test_an_error_page_does_not_replace_a_good_picture_of_which_redis_kept_a_rendition_alone(
    client, engine_api, redis_url
):
    engine_api.behave(answering(200))
    good = show(client)
    with redis.Redis.from_url(redis_url) as store:
        pictures = store.keys("thumb:picture:*")
        originals = [key for key in pictures if b'"kind\\":\\"original' in store.get(key)]
        assert (len(pictures), len(originals)) == (2, 1)
        store.delete(*originals, *store.keys("thumb:original:*"))
    engine_api.behave(answering(404), times=9)
    answers = [show(client, fresh=1), show(client)]

    assert [(answer.headers[STATUS], answer.data) for answer in answers] == [("200", good.data)] * 2


def test_a_good_picture_replaces_that_of_an_error_page_and_so_does_another_error(client, engine_api):
    for status in (404, 503, 200):
        engine_api.behave(answering(status))
        assert show(client, fresh=1).headers[STATUS] == str(status)
    assert (show(client).headers[STATUS], len(engine_api.calls)) == ("200", 3)


def test_persist_and_jobs_tell_the_status(client, engine_api):
    engine_api.behave(answering(404))
    wanted = {"url": PAGE, "error_pages": "show"}
    stored = client.post("/persist", json=wanted)
    id_ = client.post("/screenshots", json=wanted).json["job_id"]
    built = client.application.extensions["services"]
    run = built.jobs.store.runs.begin(TaskMessage(CAPTURE, INTERACTIVE, id_, 1))
    built.job_pictures.record_outcome(run, built.job_pictures.capture(run.job))
    job = client.get(f"/jobs/{id_}")

    assert (stored.status_code, stored.json["page_status"], stored.headers[STATUS]) == (201, 404, "404")
    assert (job.json["status"], job.json["page_status"], job.headers[STATUS]) == ("completed", 404, "404")
    assert built.job_presenter.describe(built.jobs.store.get(id_))["page_status"] == 404  # as webhooks send it


@pytest.mark.parametrize("value", ["yes", "SHOW", ""])
def test_another_value_is_refused_by_name(client, engine_api, value):
    response = get(client, error_pages=value)

    assert (response.status_code, response.json["detail"]) == (400, "error_pages: must be refuse or show")
    assert engine_api.calls == []


def test_an_api_without_the_option_refuses_it_by_name(make_client, api):
    client = make_client(capture_api="snapsharp", capture_url=api.url, capture_api_key="sk_live_test")
    response = show(client)

    assert (response.status_code, response.json["code"]) == (400, "invalid_option")
    assert response.json["detail"].startswith("error_pages: ")
    assert api.calls == []
