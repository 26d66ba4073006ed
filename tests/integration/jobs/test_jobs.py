"""`POST /screenshots` and `GET /jobs/…` without a worker: the tests do its part."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
import redis

from errors import CaptureError, CaptureFailed, OverCapacity, QueueUnavailable
from jobs import (
    BULK,
    CAPTURE,
    DELIVER_WEBHOOK,
    INTERACTIVE,
    RECAPTURE,
    WEBHOOKS,
    Job,
    JobQueue,
    JobResult,
    JobStore,
    Problem,
    TaskMessage,
    WebhookProgress,
    celery_app,
    new_id,
    retry_while_unavailable,
)
from model import ThumbnailRequest
from options import CaptureOptions, Rendition
from tests.support.processes import free_port, wait_until
from tests.support.redis import as_state, running_redis
from tests.support.screenshot_api import refuse
from thumbnails import Ask
from urls import locate

PAGE = "https://example.com/"
KEYS = {"api_keys": ("cms:correct-horse", "shop:battery-staple")}
CMS = {"X-API-Key": "correct-horse"}
SHOP = {"X-API-Key": "battery-staple"}


@pytest.fixture
def store(built):
    return built.jobs.store


def ask(client, headers=None, **body):
    return client.post("/screenshots", json=body or {"url": PAGE}, headers=headers)


def begin(store, id_, turn=1):
    return store.runs.begin(TaskMessage(CAPTURE, INTERACTIVE, id_, turn))


def complete(built, id_):
    """Do a worker's part: begin a job and complete it with a picture."""
    run = begin(built.jobs.store, id_) or built.jobs.store.runs.begin(TaskMessage(CAPTURE, "bulk", id_))
    served = built.thumbnailer.get(Ask(run.job.wanted), stale_ok=False)
    picture = served.picture
    key = built.storage.put_for_job(picture, id_)
    result = JobResult(key, picture.content_type, picture.width, picture.height, len(picture.body), time.time())
    assert built.jobs.store.runs.complete(run, result)


def fail(store, id_):
    assert store.runs.fail(begin(store, id_), Problem.of(CaptureFailed("the page could not be captured")))


def test_a_request_is_accepted_as_a_job(client):
    response = ask(client, url=PAGE, full_page=True)
    job = response.json

    assert response.status_code == 202
    assert job == {"job_id": job["job_id"], "status": "pending"}
    assert len(bytes.fromhex(job["job_id"])) == 16
    assert response.headers["Location"] == f"/jobs/{job['job_id']}"
    assert int(response.headers["Retry-After"]) > 0
    assert response.headers["RateLimit-Limit"] == "30"
    assert response.headers["Cache-Control"] == "no-store"

    seen = client.get(response.headers["Location"])
    assert seen.headers["Cache-Control"] == "no-store"
    assert seen.json == {
        "job_id": job["job_id"],
        "status": "pending",
        "image_url": None,
        "error": None,
        "retries": 0,
        "created_at": seen.json["created_at"],
        "completed_at": None,
        "webhook": None,
    }


def test_a_record_keeps_the_whole_request(store):
    wanted = ThumbnailRequest(
        CaptureOptions(locate(PAGE), full_page=True, hide=".ad", scale=2.0), Rendition(w=320, format="webp")
    )
    job = Job(
        new_id(),
        wanted,
        time.time(),
        "cms",
        persist=True,
        webhook_url="https://example.com/hook",
        request_id="r",
        webhook=WebhookProgress(),
    )
    store.add([job])
    assert store.get(job.id) == job


@pytest.mark.parametrize(
    ("body", "code", "named"),
    [
        ({}, "invalid_url", "url: is missing"),
        ({"url": PAGE, "widht": 3}, "invalid_option", "widht: is not an option; did you mean width?"),
        ({"url": PAGE, "webhok_url": "x"}, "invalid_option", "did you mean webhook_url?"),
        ({"url": PAGE, "width": 3}, "invalid_option", "width: must be a whole number of CSS pixels from 320 to 3840"),
        ({"url": PAGE, "format": "auto"}, "invalid_option", "format: auto works only for /thumb"),
        ({"url": PAGE, "format": "gif"}, "invalid_option", "format: must be png, webp, jpeg, avif or pdf"),
        ({"url": PAGE, "persist": "maybe"}, "invalid_option", "persist: must be true or false"),
        ({"url": PAGE, "wait": 121}, "invalid_option", "wait: must be a whole number of seconds from 0 to 120"),
        ({"url": PAGE, "urls": [PAGE]}, "invalid_option", "url, urls: send only one of them"),
        ({"urls": []}, "invalid_option", "urls: must be a list of 1 to 100"),
        ({"urls": PAGE}, "invalid_option", "urls: must be a list of 1 to 100"),
        ({"urls": [PAGE] * 101}, "invalid_option", "urls: must be a list of 1 to 100"),
        ({"urls": [PAGE, 7]}, "invalid_option", "urls: must be a list of 1 to 100"),
        ({"urls": [PAGE, "ftp://example.com/"]}, "invalid_url", "urls[1]: must start with http:// or https://"),
        ({"urls": ["http://169.254.169.254/"]}, "blocked_url", "urls[0]: the target is not a public web address, or does not exist"),
        ({"url": "http://127.0.0.1/"}, "blocked_url", "url: the target is not a public web address, or does not exist"),
    ],
)  # fmt: skip
def test_an_invalid_request_is_refused_and_names_the_field(client, body, code, named):
    response = client.post("/screenshots", json=body)
    assert (response.status_code, response.json["code"]) == (400, code)
    assert named in response.json["detail"]


def test_a_body_that_is_not_a_json_object_is_refused(client):
    assert client.post("/screenshots", data="url=x").status_code == 415
    assert client.post("/screenshots", data="{", content_type="application/json").status_code == 400
    assert client.post("/screenshots", json=[PAGE]).status_code == 400
    assert client.get("/screenshots").status_code == 405


def test_a_batch_is_the_sum_of_its_jobs(client, built):
    response = ask(client, urls=[f"{PAGE}{number}" for number in range(3)], w=64)
    path, jobs = response.headers["Location"], [job["job_id"] for job in response.json["jobs"]]
    assert (response.status_code, response.json["status"], path) == (
        202,
        "pending",
        f"/jobs/{response.json['batch_id']}",
    )
    assert client.get(path).json["status"] == "pending"

    complete(built, jobs[0])
    seen = client.get(path).json
    assert (seen["status"], seen["completed"], seen["pending"]) == ("processing", 1, 2)
    fail(built.jobs.store, jobs[1])
    complete(built, jobs[2])
    seen = client.get(path).json
    assert (seen["status"], seen["completed"], seen["failed"]) == ("failed", 2, 1)
    assert [job["status"] for job in seen["jobs"]] == ["completed", "failed", "completed"]
    assert client.get(f"{path}/image").status_code == 404


def remove_record(built, id_):
    """Let the retention of a job end."""
    built.connections.state.client.zadd("thumb:{jobs}:index", {f"job:{id_}": 1}, xx=True)
    assert built.jobs.store.retention.prune() == 1


def test_an_ended_batch_is_unknown_once_one_of_its_records_is_removed(client, built):
    response = ask(client, urls=[PAGE, f"{PAGE}2"])
    path, (first, second) = response.headers["Location"], [job["job_id"] for job in response.json["jobs"]]
    fail(built.jobs.store, first)
    remove_record(built, first)
    seen = client.get(path).json
    assert (seen["status"], [job["job_id"] for job in seen["jobs"]]) == ("processing", [second]), "one has not ended"

    fail(built.jobs.store, second)
    assert (client.get(path).status_code, client.get(path).json["code"]) == (404, "not_found")
    assert client.get(f"/jobs/{second}").status_code == 200
    remove_record(built, second)
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("id_", ["0" * 32, "nonsense", "0" * 31 + "G", "%2e%2e"])
def test_an_unknown_job_is_a_404(client, id_):
    for path in (f"/jobs/{id_}", f"/jobs/{id_}/image"):
        assert (client.get(path).status_code, client.get(path).json["code"]) == (404, "not_found")


def test_a_job_is_visible_only_to_the_api_key_that_created_it(make_client):
    client = make_client(**KEYS)
    paths = [ask(client, CMS).headers["Location"], ask(client, CMS, urls=[PAGE]).headers["Location"]]
    assert ask(client).json["code"] == "key_required"
    for path in paths:
        foreign, absent = client.get(path, headers=SHOP), client.get(f"/jobs/{'0' * 32}", headers=SHOP)
        assert client.get(path, headers=CMS).status_code == 200
        assert client.get(path).status_code == 401
        assert client.get(f"{path}/image", headers=SHOP).status_code == 404
        assert foreign.status_code == absent.status_code == 404
        assert foreign.json["detail"] == absent.json["detail"]


def test_a_job_obeys_the_allowed_targets_and_sizes(make_client):
    client = make_client(allowed_targets=("example.com",), allowed_sizes=("320x180",))
    assert ask(client, urls=[PAGE, "https://example.org/"]).json["code"] == "forbidden_host"
    assert "320x180" in ask(client, url=PAGE, w=64).json["detail"]
    assert ask(client, url=PAGE, w=320, h=180).status_code == 202


def test_jobs_have_a_budget_of_their_own(make_client, api):
    client = make_client(job_limit="2 per hour", thumb_limit="1 per hour")
    assert [ask(client).status_code for _ in range(3)] == [202, 202, 429]
    assert client.get("/thumb", query_string={"url": PAGE}).status_code == 200


def test_a_full_queue_takes_a_batch_whole_or_not_at_all(make_client, built):
    client = make_client(job_queue_limit=3)
    assert ask(client, urls=[PAGE] * 2).status_code == 202
    refused = ask(client, urls=[PAGE] * 2)
    assert (refused.status_code, refused.json["code"]) == (503, "over_capacity")
    assert int(refused.headers["Retry-After"]) > 0
    assert built.jobs.store.stats().jobs["pending"] == 2
    assert ask(client).status_code == 202


def test_one_client_cannot_fill_the_queue(make_client, built):
    client, batch = make_client(job_queue_limit=400), [f"{PAGE}{number}" for number in range(100)]
    assert [ask(client, urls=batch).status_code for _ in range(2)] == [202, 202]
    refused = ask(client)

    assert (refused.status_code, refused.json["code"]) == (429, "rate_limited")
    assert refused.json["detail"] == "limit reached: 200 jobs per day (each picture of a batch counts)"
    assert 86000 < int(refused.headers["Retry-After"]) <= 86400
    assert thumb(client).status_code == 429, "a job by preference counts too"
    other = client.post("/screenshots", json={"urls": batch}, environ_base={"REMOTE_ADDR": "10.9.9.9"})
    assert other.status_code == 202
    assert built.jobs.store.stats().jobs["pending"] == 300


def test_a_refused_request_does_not_count_against_a_client_s_share(make_client, built):
    client = make_client(job_queue_limit=50)
    assert [ask(client, urls=[PAGE] * 60).status_code for _ in range(3)] == [503] * 3
    assert ask(client, urls=[PAGE] * 50).status_code == 202, "this fills the queue"


def test_simultaneous_requests_of_one_client_exceed_no_share(make_client, built):
    client, batch = make_client(job_queue_limit=400), [f"{PAGE}{number}" for number in range(100)]
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: ask(client.application.test_client(), urls=batch).status_code, range(8)))
    assert sorted(statuses) == [202] * 2 + [429] * 6
    assert built.jobs.store.stats().jobs["pending"] == 200


def test_too_many_kept_jobs_and_too_many_waiting_jobs_have_different_errors(store, built):
    few = JobStore(built.connections.state, limit=1)
    for _ in range(10):
        job, message = pending(few)
        few.runs.complete(few.runs.begin(message), RESULT)
    with pytest.raises(OverCapacity, match="in the last day") as kept:
        pending(few)
    assert 86000 < kept.value.retry_after <= 86400, "until the oldest record is removed"

    built.connections.state.client.zadd("thumb:{jobs}:index", {f"job:{job.id}": 1})
    pending(few)
    with pytest.raises(OverCapacity, match="are waiting"):
        pending(few)


def test_without_redis_every_request_for_jobs_gets_a_503(make_client):
    client = make_client(redis_url=f"redis://127.0.0.1:{free_port()}/0")
    for response in (ask(client), client.get(f"/jobs/{'0' * 32}"), client.get(f"/jobs/{'0' * 32}/image")):
        assert (response.status_code, response.json["code"]) == (503, "queue_unavailable")
        assert response.json["retryable"] is True
        assert int(response.headers["Retry-After"]) > 0


def test_a_restart_of_redis_between_two_jobs_goes_unnoticed(make_client, tmp_path):
    keeps = ("--appendonly", "yes", "--dir", str(tmp_path))
    with ExitStack() as stack:
        server = stack.enter_context(running_redis(*keeps))
        client = make_client(redis_url=server.url)
        before = ask(client)
        server.process.kill()
        server.process.wait()
        assert ask(client).status_code == 503
        stack.enter_context(running_redis(*keeps, port=urlsplit(server.url).port))
        after = [ask(client) for _ in range(3)]
        connection = stack.enter_context(redis.Redis.from_url(server.url))
        store, due = JobStore(as_state(connection)), []
        assert [response.status_code for response in (before, *after)] == [202] * 4
        assert [client.get(r.headers["Location"]).json["status"] for r in (before, *after)] == ["pending"] * 4
        sent = lambda: due.extend(store.agenda.claim_due()) or store.stats().queued[INTERACTIVE] + len(due)  # noqa: E731
        wait_until(lambda: sent() >= 4, "a message for each")
        assert store.stats().queued[INTERACTIVE] > 1, "a broken connection is not kept"


@pytest.mark.slow
def test_a_message_that_cannot_be_sent_is_due_in_a_second(store):
    queue = JobQueue(celery_app(f"redis://127.0.0.1:{free_port()}/0"), store)
    job = Job(new_id(), ThumbnailRequest(CaptureOptions(locate(PAGE))), time.time())
    queue.enqueue([job])
    due = []
    wait_until(lambda: due.extend(store.agenda.claim_due()) or due, "the message's time")
    assert due == [TaskMessage(CAPTURE, INTERACTIVE, job.id)]


def test_the_picture_can_be_read_once_the_job_has_ended(client, built):
    id_ = ask(client, url=PAGE, w=64, format="webp").json["job_id"]
    early = client.get(f"/jobs/{id_}/image")
    assert (early.status_code, early.json["code"]) == (409, "not_ready")
    assert int(early.headers["Retry-After"]) > 0
    complete(built, id_)
    image = client.get(f"/jobs/{id_}/image")
    assert (image.status_code, image.content_type) == (200, "image/webp")
    assert image.headers["Cache-Control"].startswith("private")
    assert image.headers["X-Content-Type-Options"] == "nosniff"
    assert client.get(f"/jobs/{id_}/image", headers={"If-None-Match": image.headers["ETag"]}).status_code == 304


def test_a_failed_job_says_why_and_has_no_picture(client, store):
    id_ = ask(client).json["job_id"]
    fail(store, id_)
    job = client.get(f"/jobs/{id_}").json
    assert job["status"] == "failed"
    assert job["image_url"] is None
    assert job["error"] == {
        "status": 502,
        "code": "capture_failed",
        "title": "Capture failed",
        "detail": "the page could not be captured",
        "retryable": True,
    }
    assert client.get(f"/jobs/{id_}/image").status_code == 404


@contextmanager
def worker_that(ends, built):
    """Wait for the one job, and let `ends` end it."""

    def work():
        wait_until(lambda: built.jobs.store.stats().jobs["pending"], "the job")
        (found,) = list(built.connections.state.client.scan_iter("thumb:{jobs}:job:*"))
        ends(found.decode().rpartition(":")[2])

    worker = threading.Thread(target=work)
    worker.start()
    yield
    worker.join()


def test_a_caller_that_waits_gets_the_finished_job_at_once(client, built):
    began = time.monotonic()
    with worker_that(lambda id_: complete(built, id_), built):
        response = ask(client, url=PAGE, wait=60)
    assert (response.status_code, response.json["status"]) == (200, "completed")
    assert response.headers["Location"] == f"/jobs/{response.json['job_id']}"
    assert time.monotonic() - began < 30


def test_a_caller_that_waited_too_short_gets_the_pending_job(client, store):
    response = ask(client, url=PAGE, wait=1)
    assert (response.status_code, response.json["status"]) == (202, "pending")
    assert store.get(response.json["job_id"]).wanted.delivery.wait is None, "the worker must not know it"


ASYNC = {"Prefer": "respond-async"}


def thumb(client, headers=ASYNC, **query):
    return client.get("/thumb", query_string={"url": PAGE} | query, headers=headers)


def test_a_caller_that_prefers_not_to_wait_gets_a_job(client, api, store):
    response = thumb(client, wait=30)
    assert response.status_code == 202
    assert response.headers["Preference-Applied"] == "respond-async"
    assert response.headers["Location"] == f"/jobs/{response.json['job_id']}"
    assert response.headers["Cache-Control"] == "no-store"
    assert store.get(response.json["job_id"]).wanted.capture.url == PAGE
    assert not api.calls


WAITING = {"Prefer": "respond-async, wait=60"}


@pytest.mark.parametrize(("fresh", "kept"), [(0, "public"), (1, "no-store")])
def test_a_caller_that_prefers_a_short_wait_gets_the_picture_if_it_is_ready(client, api, built, fresh, kept):
    with worker_that(lambda id_: complete(built, id_), built):
        response = thumb(client, WAITING, fresh=fresh)
    assert (response.status_code, response.content_type) == (200, "image/png")
    assert response.headers["Cache-Control"].startswith(kept)
    assert len(api.calls) == 1, "the job's own"


def test_a_caller_that_prefers_a_short_wait_gets_the_error_of_a_failed_page(client, api, built):
    api.behave(refuse(404, "not_found"))

    def fail_to_capture(id_):
        with pytest.raises(CaptureError):
            built.thumbnailer.get(Ask(built.jobs.store.get(id_).wanted), stale_ok=False)
        fail(built.jobs.store, id_)

    with worker_that(fail_to_capture, built):
        response = thumb(client, WAITING)
    assert (response.status_code, response.json["code"]) == (502, "capture_failed")
    assert len(api.calls) == 1


def test_a_caller_whose_short_wait_is_over_gets_the_job(client, store):
    began = time.monotonic()
    response = thumb(client, {"Prefer": "respond-async, wait=1"})
    assert (response.status_code, response.json["status"]) == (202, "pending")
    assert time.monotonic() - began >= 1


def test_a_known_picture_is_served_despite_the_preference(client, api):
    client.get("/thumb", query_string={"url": PAGE})
    assert thumb(client).status_code == thumb(client, w=64).status_code == 200
    assert thumb(client, fresh=1).status_code == 202
    assert len(api.calls) == 1


def test_a_picture_element_never_gets_a_job(client):
    assert thumb(client, headers=ASYNC | {"Accept": "image/avif,image/webp,*/*"}).status_code == 200


def test_a_job_by_preference_has_the_requirements_of_a_job(make_client):
    client = make_client(**KEYS, job_limit="1 per hour")
    assert thumb(client).json["code"] == "key_required"
    assert thumb(client, headers=ASYNC | CMS).status_code == 202
    assert thumb(client, headers=ASYNC | CMS).status_code == 429


def pending(store, **changes):
    job = Job(new_id(), ThumbnailRequest(CaptureOptions(locate(PAGE))), time.time(), **changes)
    (message,) = store.add([job])
    return job, message


RESULT = JobResult("jobs/k.png", "image/png", 1, 1, 1, 0.0)


def test_a_message_that_comes_twice_is_worked_on_once(store):
    _, message = pending(store)
    run = store.runs.begin(message)
    assert store.runs.begin(message) is None, "its worker is alive"
    assert store.runs.complete(run, RESULT)
    assert store.runs.begin(message) is None, "it is done"
    assert not store.runs.complete(run, RESULT)


def test_a_worker_that_got_no_answer_may_begin_again_with_its_token(store):
    _, message = pending(store)
    assert store.runs.begin(message, "mine") == store.runs.begin(message, "mine")
    assert store.runs.begin(message, "another") is None


def test_a_message_that_no_queue_holds_is_resent(built, store):
    (_, message), (_, other), (begun, _) = pending(store), pending(store), pending(store)
    store.runs.postpone(store.runs.begin(other), 60, retry=True)
    store.runs.begin(TaskMessage(CAPTURE, INTERACTIVE, begun.id))
    assert store.agenda.claim_due() == [], "they may still arrive"
    built.connections.state.client.zincrby("thumb:{jobs}:due", -6, str(message))
    built.connections.state.client.lpush("thumb:celery:bulk", "a message")
    assert store.agenda.claim_due() == [], "one of them may be ours"
    built.connections.state.client.delete("thumb:celery:bulk")
    assert store.agenda.claim_due() == [message]
    assert store.agenda.claim_due() == []


def test_a_lost_message_is_found_behind_any_number_of_retries(built, store):
    for _ in range(150):
        _, begun = pending(store)
        store.runs.postpone(store.runs.begin(begun), 300, retry=True)
    _, message = pending(store)
    built.connections.state.client.zincrby("thumb:{jobs}:due", -6, str(message))
    assert store.agenda.claim_due() == [message]


def test_the_message_of_a_retry_whose_worker_died_before_it_began_is_resent(built, store):
    job, message = pending(store)
    store.runs.postpone(store.runs.begin(message), 0, retry=True)
    retry = replace(message, turn=2)
    assert store.agenda.claim_due() == [retry], "a worker takes it, and dies"
    assert store.agenda.claim_due() == [], "it may still begin"
    built.connections.state.client.zincrby("thumb:{jobs}:due", -6, str(retry))
    assert store.agenda.claim_due() == [retry]
    store.runs.postpone(store.runs.begin(retry), 300, retry=True)
    assert store.agenda.claim_due() == [], "the third turn waits for its time"
    assert store.get(job.id).turn == 3


def finish_with_webhooks(store, number):
    for _ in range(number):
        _, message = pending(store, webhook_url="https://example.com/hook")
        assert store.runs.complete(store.runs.begin(message), RESULT)


def test_work_that_is_due_does_not_wait_behind_any_number_of_webhooks(store):
    finish_with_webhooks(store, 150)
    _, begun = pending(store)
    store.runs.postpone(store.runs.begin(begun), 0, retry=True)
    refresh = TaskMessage(RECAPTURE, BULK, "picture")
    store.agenda.schedule(refresh, 0)
    first = store.agenda.claim_due()
    assert {replace(begun, turn=2), refresh} < set(first)
    assert len(first) == 102
    assert Counter(each.task for each in store.agenda.claim_due()) == {DELIVER_WEBHOOK: 50}


def test_webhooks_wait_in_the_agenda_while_their_queue_is_long(built, store, redis_url):
    finish_with_webhooks(store, 150)
    queue = JobQueue(celery_app(redis_url), store)
    assert [queue.send_due() for _ in range(2)] == [100, 0]
    built.connections.state.client.ltrim("thumb:celery:webhooks", 0, 69)
    assert queue.send_due() == 30
    assert (store.stats().queued[WEBHOOKS], store.stats().undelivered) == (100, 150)


def test_queued_messages_are_not_resent(built, store, redis_url):
    queue = JobQueue(celery_app(redis_url), store)
    queue.enqueue(
        [Job(new_id(), ThumbnailRequest(CaptureOptions(locate(PAGE))), time.time(), queue="bulk") for _ in range(30)]
    )

    def wait_a_quarter_of_an_hour():
        for message in built.connections.state.client.zrange("thumb:{jobs}:due", 0, -1):
            built.connections.state.client.zincrby("thumb:{jobs}:due", -901, message)
        return queue.send_due()

    assert [wait_a_quarter_of_an_hour() for _ in range(3)] == [0, 0, 0]
    built.connections.state.client.rpop("thumb:celery:bulk")
    assert wait_a_quarter_of_an_hour() == 1, "one was lost"
    assert store.stats().queued["bulk"] == 30


def test_an_outcome_is_retried_while_redis_is_unavailable(monkeypatch):
    clock = iter(range(1000))
    monkeypatch.setattr("jobs.redis_errors.time", SimpleNamespace(monotonic=lambda: next(clock), sleep=lambda _: None))
    answers = iter([QueueUnavailable("unreachable")] * 90 + ["back"])

    def ask():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert retry_while_unavailable(ask) == "back"


def test_a_postponed_job_ignores_old_messages(store):
    job, message = pending(store)
    assert store.runs.postpone(store.runs.begin(message), 0, retry=True)
    assert store.runs.begin(message) is None
    (later,) = store.agenda.claim_due()
    assert (later.subject, later.turn) == (job.id, 2)
    assert store.runs.begin(later).job.retries == 1


def test_a_worker_that_does_not_renew_its_lease_loses_the_job(built):
    store = JobStore(built.connections.state, lease=0.2)
    _, message = pending(store)
    lost = store.runs.begin(message)
    claimed = []
    wait_until(lambda: claimed.extend(store.agenda.claim_due()) or claimed, "the end of the lease")
    assert claimed == [message]
    found = store.runs.begin(message)
    assert found.starts == 2
    assert not store.runs.complete(lost, RESULT)
    assert store.runs.complete(found, RESULT)


def test_a_living_worker_keeps_its_job_longer_than_a_lease(built):
    store = JobStore(built.connections.state, lease=0.4)
    _, message = pending(store)
    run = store.runs.begin(message)
    with store.runs.renewing(run):
        time.sleep(1.2)  # three leases
        assert store.runs.begin(message) is None
        assert store.agenda.claim_due() == []
    assert store.runs.complete(run, RESULT)


def test_old_records_are_removed_and_no_longer_counted(built, store):
    done, message = pending(store)
    store.runs.complete(store.runs.begin(message), RESULT)
    young, _ = pending(store)
    assert store.retention.prune() == 0
    built.connections.state.client.zadd("thumb:{jobs}:index", {f"job:{done.id}": 1})
    assert store.retention.prune() == 1
    assert (store.get(done.id), store.get(young.id)) == (None, young)
    assert store.stats().jobs == {"pending": 1, "processing": 0, "completed": 0, "failed": 0}


def test_records_that_expired_by_themselves_are_no_longer_counted_in_the_end(built, store):
    """As after days without a worker."""
    redis_client = built.connections.state.client
    done, message = pending(store)
    store.runs.complete(store.runs.begin(message), RESULT)
    assert 86400 < redis_client.ttl(f"thumb:{{jobs}}:job:{done.id}") <= 2 * 86400
    redis_client.delete(f"thumb:{{jobs}}:job:{done.id}")
    grow_old(redis_client, done)
    store.retention.prune()
    assert set(store.stats().jobs.values()) == {0}


def grow_old(connection, *jobs):
    """Let a day pass since these jobs were created, or ended."""
    connection.zadd("thumb:{jobs}:index", {f"job:{job.id}": 1 for job in jobs}, xx=True)


def test_a_job_that_does_not_begin_within_a_day_fails_and_says_so(built, store):
    job, message = pending(store, queue="bulk", webhook_url="https://example.com/hook")
    store.runs.postpone(store.runs.begin(message), 90_000, retry=False)
    grow_old(built.connections.state.client, job)
    store.retention.prune()

    failed = store.get(job.id)
    assert (failed.state, failed.problem.code, failed.completed_at is None) == ("failed", "over_capacity", False)
    assert store.agenda.claim_due() == [TaskMessage(DELIVER_WEBHOOK, WEBHOOKS, job.id)], "its webhook, and no capture"
    assert store.stats().oldest_seconds is None
    assert store.retention.prune() == 0, "it is kept for another day"
    assert store.runs.begin(TaskMessage(CAPTURE, "bulk", job.id, 2)) is None


def test_a_job_in_progress_may_end_after_its_day(built, store):
    job, message = pending(store)
    run = store.runs.begin(message)
    grow_old(built.connections.state.client, job)
    store.retention.prune()
    assert store.runs.complete(run, RESULT)


def test_in_a_full_redis_old_records_are_removed_and_running_jobs_end():
    with running_redis() as server, redis.Redis.from_url(server.url) as connection:
        store = JobStore(as_state(connection))
        done, begun, waiting, postponed = (pending(store) for _ in range(4))
        store.runs.complete(store.runs.begin(done[1]), RESULT)
        runs = [store.runs.begin(message) for _, message in (begun, postponed)]
        grow_old(connection, done[0])
        connection.config_set("maxmemory", 1)
        with pytest.raises(redis.ResponseError, match="maxmemory"):
            connection.set("more", 1)

        assert store.runs.complete(runs[0], RESULT)
        assert store.runs.postpone(runs[1], 60, retry=True)
        assert store.runs.fail(store.runs.begin(waiting[1]), Problem.of(CaptureFailed("no")))
        assert store.retention.prune() == 1
        assert store.get(done[0].id) is None


def test_one_redis_for_all_evicts_pictures_and_keeps_unfinished_jobs():
    options = ("--maxmemory", "8mb", "--maxmemory-policy", "volatile-lru")
    with running_redis(*options) as server, redis.Redis.from_url(server.url) as connection:
        store = JobStore(as_state(connection))
        kept = [pending(store)[0] for _ in range(50)]
        for number in range(200):
            connection.set(f"thumb:picture:{number}", bytes(100_000), ex=1000)
        assert connection.info()["evicted_keys"] > 100
        assert store.get_all(job.id for job in kept) == kept
