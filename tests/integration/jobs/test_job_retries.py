"""The cost of a job's retries. The tests act as the worker."""

import pytest

from errors import ThumbnailError
from jobs import BULK, CAPTURE, INTERACTIVE, TaskMessage
from jobs.retries import MAX_RETRIES
from tests.support.screenshot_api import blank, refuse

PAGE = "https://example.com/"


@pytest.fixture
def web(make_client):
    return make_client()


@pytest.fixture
def built(web):
    return web.application.extensions["services"]


def attempt(built, id_, turn, queue=BULK):
    """Do a worker's part of one turn."""
    run = built.jobs.store.runs.begin(TaskMessage(CAPTURE, queue, id_, turn))
    try:
        outcome = built.job_pictures.capture(run.job)
    except ThumbnailError as err:
        outcome = err
    built.job_pictures.record_outcome(run, outcome)


def test_jobs_for_one_dead_page_try_it_as_often_as_one_job_would(web, built, api):
    api.behave(refuse(422, "page_failed"), times=99)
    batch = web.post("/screenshots", json={"urls": [PAGE] * 20}).json
    for turn in range(1, MAX_RETRIES + 2):
        for job in batch["jobs"]:
            attempt(built, job["job_id"], turn)

    ended = web.get(f"/jobs/{batch['batch_id']}").json
    assert {(job["status"], job["retries"]) for job in ended["jobs"]} == {("failed", MAX_RETRIES)}
    assert len(api.calls) == MAX_RETRIES + 1


def test_a_visitor_s_failure_since_the_last_attempt_counts_as_the_retry(web, built, api):
    api.behave(refuse(422, "page_failed"), times=99)
    id_ = web.post("/screenshots", json={"url": PAGE}).json["job_id"]
    attempt(built, id_, 1, INTERACTIVE)
    web.get("/thumb", query_string={"url": PAGE, "fresh": 1})
    attempt(built, id_, 2, INTERACTIVE)
    assert (web.get(f"/jobs/{id_}").json["retries"], len(api.calls)) == (2, 2)

    attempt(built, id_, 3, INTERACTIVE)
    assert (web.get(f"/jobs/{id_}").json["retries"], len(api.calls)) == (3, 3)


def test_a_blank_picture_is_no_result(web, built, api):
    """As for `/persist`: what `/thumb` shows for a minute at most is not stored."""
    api.behave(blank, times=99)
    id_ = web.post("/screenshots", json={"url": PAGE}).json["job_id"]
    attempt(built, id_, 1, INTERACTIVE)

    job = web.get(f"/jobs/{id_}").json
    assert (job["status"], job["retries"]) == ("pending", 1)


def test_waiting_for_the_bulk_limit_is_not_a_retry(make_client, api):
    web = make_client(bulk_limit="2 per hour")
    built = web.application.extensions["services"]
    api.behave(refuse(422, "page_failed"), times=99)
    (job,) = web.post("/screenshots", json={"urls": [PAGE]}).json["jobs"]
    attempt(built, job["job_id"], 1)
    tried_at = built.jobs.store.get(job["job_id"]).tried_at
    web.get("/thumb", query_string={"url": "https://other.example.com/"})
    attempt(built, job["job_id"], 2)

    waiting = built.jobs.store.get(job["job_id"])
    assert (waiting.turn, waiting.retries, waiting.tried_at) == (3, 1, tried_at)
