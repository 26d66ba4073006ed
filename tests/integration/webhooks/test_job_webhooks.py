"""A real worker sends webhooks to receivers, and the job shows the state of the delivery."""

import os
import signal
import threading
import time
from contextlib import ExitStack
from itertools import pairwise

import pytest
import redis
from standardwebhooks import Webhook

import services
from app import create_app
from config import Settings
from jobs import (
    DELIVER_WEBHOOK,
    WEBHOOKS,
    Job,
    JobResult,
    TaskMessage,
    WebhookProgress,
    WebhookState,
    new_id,
)
from model import ThumbnailRequest
from options import CaptureOptions
from tests.support.processes import free_port, wait_until
from tests.support.receiver import drip, running_receiver
from tests.support.redis import as_state, running_redis
from tests.support.screenshot_api import running_screenshot_api
from tests.support.worker import children_of, running_worker
from urls import locate
from webhooks import Availability, Receivers

OUTBOX = "thumb:{jobs}:outbox"
PAGE = "https://example.com/"
MANY = [f"127.0.1.{number}" for number in range(1, 5)]  # hosts that one stranger owns
SECRET = "whsec_" + "czNjcmV0" * 5

pytestmark = pytest.mark.slow


class WebhookDeployment:
    """A client of the web process, a worker behind it, and a receiver; `spare` is a free port."""

    def __init__(self, client, worker, redis_url, receiver, spare):
        self.client = client
        self.worker = worker
        self.redis_url = redis_url
        self.receiver = receiver
        self.spare = spare

    def submit(self, port=0, host="127.0.0.1", **body):
        hook = f"http://{host}:{port or self.receiver.port}/hook?token=s3cret"
        response = self.client.post("/screenshots", json=(body or {"url": PAGE}) | {"webhook_url": hook})
        assert response.status_code == 202, response.json
        return response.json

    def job(self, id_):
        return self.client.get(f"/jobs/{id_}").json

    def outcome(self, id_):
        wait_until(lambda: self.job(id_)["webhook"]["state"] != "pending", "the webhook's outcome")
        return self.job(id_)["webhook"]

    def hurried_outcome(self, id_):
        """The same, without pauses between the attempts."""
        while self.job(id_)["webhook"]["state"] == "pending":
            self.hurry()
            time.sleep(0.05)
        return self.job(id_)["webhook"]

    def hurry(self):
        """Make everything in the outbox due now."""
        with redis.Redis.from_url(self.redis_url) as store:
            for message in store.zrange(OUTBOX, 0, -1):
                store.zadd(OUTBOX, {message: 0}, xx=True)

    def postponed(self, id_):
        """Return whether a job's message is due within a minute, not in a quarter of an hour."""
        with redis.Redis.from_url(self.redis_url) as store:
            (message,) = self.due(id_)
            return 0 < store.zscore(OUTBOX, message) - time.time() < 60

    def due(self, id_):
        with redis.Redis.from_url(self.redis_url) as store:
            return [message for message in store.zrange(OUTBOX, 0, -1) if id_.encode() in message]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("webhooks")
    with (
        running_redis() as redis_server,
        running_screenshot_api("snapsharp", key="sk_live_test") as api,
        running_receiver() as receiver,
    ):
        spare = free_port()
        settings = {
            "redis_url": redis_server.url,
            "capture_api": "snapsharp",
            "capture_url": api.url,
            "capture_api_key": "sk_live_test",
            "persist_dir": folder / "media",
            "originals_dir": folder / "originals",
            "private_targets": ",".join(
                [f"127.0.0.1:{receiver.port}"] + [f"{host}:{spare}" for host in ["127.0.0.1", *MANY]]
            ),
            "webhook_secret": SECRET,
            "resolve_targets": "false",
            "request_limit": "100000 per minute",
        }
        chosen = Settings.of(**settings)
        built = services.build(chosen)
        with running_worker(folder / "worker.log", **settings) as worker:
            yield WebhookDeployment(create_app(chosen, built).test_client(), worker, redis_server.url, receiver, spare)
        built.close()


@pytest.fixture
def deployment(running):
    running.receiver.posts.clear()
    running.receiver.statuses.clear()
    running.receiver.answer = None
    return running


def test_a_receiver_gets_a_message_for_each_finished_job(deployment):
    ids = [job["job_id"] for job in deployment.submit(urls=[PAGE, "https://example.net/"])["jobs"]]
    ids.append(deployment.submit(url=PAGE, selector="#not-with-this-api")["job_id"])
    outcomes = [deployment.outcome(id_) for id_ in ids]

    assert outcomes == [{"state": "delivered", "attempts": 1, "last_status": 204}] * 3
    posts = deployment.receiver.posts
    assert sorted(post.headers["webhook-id"] for post in posts) == sorted(f"msg_{id_}" for id_ in ids)
    messages = [Webhook(SECRET).verify(post.body, post.headers) for post in posts]
    assert sorted(message["event"] for message in messages) == ["screenshot.completed"] * 2 + ["screenshot.failed"]
    for message in messages:
        shown = deployment.job(message["job"]["job_id"])
        assert message["event"] == f"screenshot.{shown['status']}"
        assert message["job"].pop("webhook") == {"state": "pending", "attempts": 0, "last_status": None}
        del shown["webhook"]
        shown["image_url"] = shown["image_url"] and shown["image_url"].removeprefix("http://localhost")
        assert message["job"] == shown


def test_a_receiver_that_was_down_gets_the_message_once_it_is_up(deployment):
    id_ = deployment.submit(deployment.spare)["job_id"]
    wait_until(lambda: deployment.job(id_)["webhook"]["attempts"] == 1, "the first attempt")
    assert deployment.job(id_)["webhook"] == {"state": "pending", "attempts": 1, "last_status": None}

    with running_receiver(port=deployment.spare) as receiver:
        receiver.statuses = [503, 503]
        assert deployment.hurried_outcome(id_) == {"state": "delivered", "attempts": 4, "last_status": 204}
        assert deployment.due(id_) == []
        assert len(receiver.posts) == 3, "two refusals and a delivery"
        assert {post.headers["webhook-id"] for post in receiver.posts} == {f"msg_{id_}"}


def test_five_retries_and_no_more(deployment):
    deployment.receiver.statuses = [500] * 20
    id_ = deployment.submit()["job_id"]

    assert deployment.hurried_outcome(id_) == {"state": "failed", "attempts": 6, "last_status": 500}
    assert len(deployment.receiver.posts) == 6
    assert deployment.due(id_) == []
    assert deployment.job(id_)["status"] == "completed"


def test_a_410_ends_the_retries(deployment):
    deployment.receiver.statuses = [410]
    id_ = deployment.submit()["job_id"]

    assert deployment.outcome(id_) == {"state": "failed", "attempts": 1, "last_status": 410}
    assert deployment.due(id_) == []


def test_a_message_to_the_worker_that_comes_twice_is_delivered_once(deployment):
    gate = threading.Event()

    def wait_then_take(handler):
        gate.wait(20)
        handler.send_response(204)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    deployment.receiver.answer = wait_then_take
    id_ = deployment.submit()["job_id"]
    try:
        wait_until(lambda: deployment.receiver.posts, "the delivery")
        deployment.hurry()  # the copy finds the receiver busy with the first
        wait_until(lambda: deployment.postponed(id_), "the copy to be postponed")
    finally:
        gate.set()
    assert deployment.outcome(id_) == {"state": "delivered", "attempts": 1, "last_status": 204}
    deployment.client.application.extensions["services"].jobs.send([TaskMessage(DELIVER_WEBHOOK, WEBHOOKS, id_)])
    after = deployment.submit()["job_id"]  # queued behind that copy
    assert deployment.outcome(after)["state"] == "delivered"
    assert [post.headers["webhook-id"] for post in deployment.receiver.posts] == [f"msg_{id_}", f"msg_{after}"]


def test_a_worker_killed_during_a_delivery_loses_nothing(deployment):
    gate = threading.Event()
    deployment.receiver.answer = lambda _handler: gate.wait(20)
    id_ = deployment.submit()["job_id"]
    try:
        wait_until(lambda: deployment.receiver.posts, "the delivery")
        for child in children_of(deployment.worker):
            os.kill(child, signal.SIGKILL)
    finally:
        deployment.receiver.answer = None
        gate.set()
    with redis.Redis.from_url(deployment.redis_url) as store:
        store.delete(*store.keys("thumb:receiver:*"))  # as if its locks had expired

    assert deployment.hurried_outcome(id_) == {"state": "delivered", "attempts": 1, "last_status": 204}
    assert {post.headers["webhook-id"] for post in deployment.receiver.posts} == {f"msg_{id_}"}
    assert len(deployment.receiver.posts) == 2


def test_messages_for_one_receiver_follow_each_other_without_a_pause(deployment):
    host = f"127.0.0.1:{deployment.receiver.port}"
    held, line = f"thumb:receiver:held:{host}", f"thumb:receiver:line:{host}"
    with redis.Redis.from_url(deployment.redis_url) as store:
        store.set(held, "another worker's delivery")
        ids = [job["job_id"] for job in deployment.submit(urls=[f"{PAGE}{number}" for number in range(12)])["jobs"]]
        wait_until(lambda: store.zcard(line) == 12, "the queue of all messages")
        *others, last = store.zrange(line, 0, -1)
        store.zadd(OUTBOX, dict.fromkeys(others, time.time() + 600))  # only the end of one delivery can start the next
        store.delete(held)
        store.zadd(OUTBOX, {last: 0})

    assert [deployment.outcome(id_)["attempts"] for id_ in ids] == [1] * 12
    assert len(deployment.receiver.posts) == 12


def test_a_slow_receiver_does_not_keep_jobs_from_being_captured(deployment):
    with running_receiver(port=deployment.spare) as receiver:
        receiver.answer = drip
        made = [
            deployment.submit(deployment.spare, url=f"https://example.com/{number}")["job_id"] for number in range(6)
        ]
        wait_until(lambda: receiver.posts, "the first delivery")
        for id_ in made:
            wait_until(lambda id_=id_: deployment.job(id_)["status"] == "completed", "the captures")

        assert len(receiver.posts) == 1, "one at a time, and the first still drips"


def test_any_number_of_slow_receivers_leaves_the_worker_a_process_for_captures(deployment):
    spans = []

    def drip_for_a_while(handler):
        span = [time.monotonic(), None]
        spans.append(span)
        try:
            drip(handler)
        finally:
            span[1] = time.monotonic()

    with ExitStack() as stack:
        for host in MANY:
            stack.enter_context(running_receiver(host, deployment.spare)).answer = drip_for_a_while
            deployment.submit(deployment.spare, host)
        wait_until(lambda: spans, "the first delivery")
        for number in range(4):
            job = deployment.client.post("/screenshots", json={"url": f"https://example.net/{number}"}).json
            wait_until(lambda job=job: deployment.job(job["job_id"])["status"] == "completed", "the capture")
        now = time.monotonic()
        begun = sorted((begin, end or now) for begin, end in spans)

    # A receiver notices a little late that the sender has timed out.
    assert all(later[0] > before[1] - 3 for before, later in pairwise(begun)), begun


@pytest.mark.parametrize(
    ("url", "code", "says"),
    [
        ("https://127.0.0.2/", "blocked_url", "webhook_url: the target is not a public web address, or does not exist"),
        ("http://93.184.216.34/", "invalid_url", "webhook_url: must start with https://"),
        ("ftp://example.com/", "invalid_url", "webhook_url: must start with http:// or https://"),
        ("", "invalid_url", "webhook_url: is missing"),
        (7, "invalid_option", "webhook_url: must be an absolute https:// URL"),
    ],
)
def test_a_webhook_url_that_cannot_be_used_is_refused_and_costs_nothing(make_client, url, code, says):
    client = make_client(job_limit="1 per hour", webhook_secret=SECRET)
    response = client.post("/screenshots", json={"url": PAGE, "webhook_url": url})

    assert (response.status_code, response.json["code"]) == (400, code)
    assert response.json["detail"].startswith(says)
    assert client.post("/screenshots", json={"url": PAGE}).status_code == 202


def test_without_a_secret_a_webhook_url_is_refused(make_client):
    response = make_client().post("/screenshots", json={"url": PAGE, "webhook_url": PAGE})

    assert (response.status_code, response.json["code"]) == (400, "invalid_option")
    assert "WEBHOOK_SECRET" in response.json["detail"]


def test_an_attempt_at_an_unresponsive_receiver_is_postponed_without_a_call(make_client):
    with running_receiver() as receiver:
        host = f"127.0.0.1:{receiver.port}"
        built = make_client(webhook_secret=SECRET, private_targets=host).application.extensions["services"]
        id_ = completed(built.jobs.store, f"http://{host}/")
        Receivers(built.connections.state).mark_unresponsive(host)
        built.deliveries.attempt(TaskMessage(DELIVER_WEBHOOK, WEBHOOKS, id_))

        assert built.jobs.store.get(id_).webhook == WebhookProgress(WebhookState.PENDING, 0, None)
        assert receiver.posts == []
        due = built.connections.state.client.zscore(OUTBOX, str(TaskMessage(DELIVER_WEBHOOK, WEBHOOKS, id_)))
        assert 0 < due - time.time() < 60
        built.connections.state.client.delete(*built.connections.state.client.keys("thumb:receiver:silent:*"))
        built.deliveries.attempt(TaskMessage(DELIVER_WEBHOOK, WEBHOOKS, id_))
        assert built.jobs.store.get(id_).webhook == WebhookProgress(WebhookState.DELIVERED, 1, 204)


def completed(store, webhook_url):
    job = Job(new_id(), ThumbnailRequest(CaptureOptions(locate(PAGE))), time.time(), webhook_url=webhook_url)
    (message,) = store.add([job])
    store.runs.complete(store.runs.begin(message), JobResult("jobs/k.png", "image/png", 1, 1, 1, time.time()))
    return job.id


def test_one_delivery_locks_a_receiver_and_an_unresponsive_one_pauses(redis_url):
    with redis.Redis.from_url(redis_url) as store:
        receivers = Receivers(as_state(store), 3)
        locked = receivers.locked
        with (
            locked("a.example", "me") as first,
            locked("a.example", "me") as second,
            locked("b.example", "me") as other,
        ):
            assert (first, second, other) == (Availability.FREE, Availability.BUSY, Availability.FREE)
        with receivers.locked("a.example", "me") as again:
            assert again is Availability.FREE, "finding it busy did not release the lock"
            receivers.mark_unresponsive("a.example")
        with receivers.locked("a.example", "me") as later, receivers.locked("b.example", "me") as other:
            assert (later, other) == (Availability.UNRESPONSIVE, Availability.FREE)


def test_a_receiver_s_locks_expire(redis_url):
    with redis.Redis.from_url(redis_url) as store, Receivers(as_state(store)).locked("a.example", "me"):
        held = store.keys("thumb:receiver:*")
        assert len(held) == 2, "the receiver and the slot"
        assert all(0 < store.ttl(name) <= 60 for name in held)


def test_an_expired_lock_is_not_released_under_its_next_owner(redis_url):
    with redis.Redis.from_url(redis_url) as store, ExitStack() as stack:
        receivers, late = Receivers(as_state(store)), ExitStack()
        late.enter_context(receivers.locked("a.example", "me"))
        store.delete(*store.keys("thumb:receiver:*"))  # as if its locks had expired
        assert stack.enter_context(receivers.locked("a.example", "me")) is Availability.FREE
        late.close()
        assert len(store.keys("thumb:receiver:*")) == 2
        assert stack.enter_context(receivers.locked("a.example", "me")) is Availability.BUSY


@pytest.mark.parametrize(("concurrency", "most"), [(1, 1), (2, 1), (4, 3)])
def test_one_of_a_worker_s_processes_stays_free_of_deliveries(redis_url, concurrency, most):
    with redis.Redis.from_url(redis_url) as store, ExitStack() as stack:
        receivers = Receivers(as_state(store), concurrency)
        found = [stack.enter_context(receivers.locked(f"{number}.example", "me")) for number in range(most + 2)]
        assert found == [Availability.FREE] * most + [Availability.BUSY] * 2
        stack.close()
        assert store.keys("thumb:receiver:held:*") == store.keys("thumb:receiver:place:*") == []


def test_a_released_receiver_and_slot_each_resume_their_first_waiter(redis_url):
    with redis.Redis.from_url(redis_url) as store, ExitStack() as stack:
        receivers, late = Receivers(as_state(store)), ExitStack()
        late.enter_context(receivers.locked("a.example", "at it"))
        for host, waiter in [("a.example", "1"), ("a.example", "2"), ("a.example", "1"), ("b.example", "3")]:
            assert stack.enter_context(receivers.locked(host, waiter)) is Availability.BUSY
        late.close()
        assert receivers.pop_waiting("a.example") == ["3", "1"]
        with receivers.locked("a.example", "2"):
            assert receivers.pop_waiting("a.example") == [], "a delivery that has begun has left the queue"
        assert all(0 < store.ttl(name) <= 60 for name in store.keys("thumb:receiver:*"))
