"""The worker as it runs: a real Celery with a pool of processes, a real Redis, killed and restarted in the middle."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from contextlib import ExitStack

import pytest
import redis

import services
from app import create_app
from config import Settings
from tests.support.engine import running_engine
from tests.support.processes import wait_until
from tests.support.redis import running_redis
from tests.support.screenshot_api import blank, refuse, running_screenshot_api
from tests.support.site import running_site
from tests.support.web import ROOT
from tests.support.worker import DEAF, children_of, running_worker

PAGE = "https://example.com/"
SMALL = {"width": 320, "height": 240}
STATES = ("pending", "processing", "completed", "failed")
ENDED = ("completed", "failed")


class Deployment:
    """A web application in the test's process, and workers beside it, on one Redis and one screenshot API."""

    def __init__(self, api, stack, folder, settings):
        self.api = api
        self.folder = folder
        self.settings = settings
        self._stack = stack
        chosen = Settings.of(**settings)
        self.services = services.build(chosen)
        stack.callback(self.services.close)
        self.client = create_app(chosen, self.services).test_client()

    def start_worker(self, app="worker"):
        return self._stack.enter_context(running_worker(self.folder / "worker.log", app, **self.settings))

    def ask(self, **body):
        """Ask for one picture, or for a batch, and return the job's path."""
        response = self.client.post("/screenshots", json=SMALL | body)
        assert response.status_code == 202, response.text
        return response.headers["Location"]

    def look(self, path):
        return self.client.get(path).json

    def ended(self, path, timeout=30):
        """Wait until the job has ended and describe it."""
        wait_until(lambda: self.look(path)["status"] in ENDED, f"the end of {path}", timeout)
        return self.look(path)

    def calls(self, url=PAGE):
        return sum(call.params["url"] == url for call in self.api.calls)

    def settled(self):
        """Assert that Redis holds no message, nothing due, and as many ended jobs as it counts."""
        with redis.Redis.from_url(self.settings["redis_url"]) as client:
            queues = [
                "thumb:celery:" + name for name in ("interactive", "bulk", "webhooks", "unacked", "unacked_index")
            ]
            plans = ["thumb:{jobs}:" + name for name in ("due", "outbox", "unfinished")]
            wait_until(lambda: not client.exists(*queues, *plans), "the end of all work")
            jobs = [client.hget(key, "state").decode() for key in client.scan_iter("thumb:{jobs}:job:*")]
        assert self.services.jobs.store.stats().jobs == {name: jobs.count(name) for name in STATES}

    def due_in_more_than(self, seconds):
        """Count the messages that are due in more than `seconds`."""
        with redis.Redis.from_url(self.settings["redis_url"]) as client:
            return client.zcount("thumb:{jobs}:due", client.time()[0] + seconds, "+inf")

    def log(self):
        return (self.folder / "worker.log").read_text()


@pytest.fixture
def api():
    with running_screenshot_api("snapsharp", key="sk_live_test") as server:
        yield server


@pytest.fixture
def deployment(api, redis_url, tmp_path):
    """Make deployments; an argument changes a setting."""
    with ExitStack() as stack:

        def make(**changes):
            settings = {
                "redis_url": redis_url,
                "capture_api": "snapsharp",
                "capture_url": api.url,
                "capture_api_key": "sk_live_test",
                "persist_dir": tmp_path / "media",
                "resolve_targets": False,
                "worker_niceness": 0,
                "job_limit": "10000 per minute",
                "bulk_limit": "10000 per minute",
                "request_limit": "100000 per minute",
            }
            return Deployment(api, stack, tmp_path, settings | changes)

        yield make


CREDENTIALS = {"aws_access_key_id": "test", "aws_secret_access_key": "an-s3-key-of-the-tests"}
BRIEF = {"job_time_limit": 8, "capture_timeout": 5}  # a killed worker is missed after a second


def test_a_worker_captures_the_picture_of_a_job(deployment):
    deployment = deployment()
    deployment.start_worker()
    path = deployment.ask(url=PAGE, format="webp", w=100)
    job = deployment.ended(path)
    image = deployment.client.get(f"{path}/image")

    assert (job["status"], job["error"], job["retries"]) == ("completed", None, 0)
    assert job["image_url"] == f"http://localhost{path}/image"
    assert job["completed_at"] >= job["created_at"]
    assert image.content_type == "image/webp"
    assert image.data[8:12] == b"WEBP"
    assert deployment.client.get(f"{path}/image", headers={"If-None-Match": image.headers["ETag"]}).status_code == 304


def test_the_worker_loads_no_flask(redis_url):
    script = (
        "import sys, worker; worker.services(); "
        "print([name for name in ('flask', 'flask_limiter', 'werkzeug', 'web') if name in sys.modules])"
    )
    env = os.environ | {"REDIS_URL": redis_url}
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("victim", ["child", "worker"])
def test_a_job_outlives_its_worker_and_is_repeated_once(deployment, victim):
    deployment = deployment(**BRIEF)
    worker = deployment.start_worker()
    gate = threading.Event()
    deployment.api.hold(gate)
    path = deployment.ask(url=PAGE)
    wait_until(lambda: deployment.calls() == 1, "the capture")
    if victim == "child":
        for pid in children_of(worker):
            os.kill(pid, signal.SIGKILL)
    else:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
        deployment.start_worker()
    gate.set()

    assert deployment.ended(path)["status"] == "completed"
    assert deployment.calls() == 2
    deployment.settled()


def test_a_page_that_kills_its_worker_each_time_fails(deployment):
    deployment = deployment(**BRIEF)
    worker = deployment.start_worker()
    deployment.api.hold(threading.Event())
    path = deployment.ask(url=PAGE)
    for start in range(1, 4):
        wait_until(lambda start=start: deployment.calls() == start, f"capture {start}")
        for pid in children_of(worker):
            os.kill(pid, signal.SIGKILL)
    job = deployment.ended(path)

    assert (job["status"], job["error"]["code"]) == ("failed", "capture_timeout")
    assert deployment.calls() == 3


def test_a_hung_job_is_stopped_by_the_soft_limit_and_retried(deployment):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = "http://{}:{}".format(*silent.getsockname())
        deployment = deployment(job_time_limit=4, s3_bucket="pics", s3_region="eu-central-1", s3_endpoint_url=endpoint)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(deployment, "settings", deployment.settings | CREDENTIALS)
            deployment.start_worker()
        path = deployment.ask(url=PAGE)
        wait_until(lambda: deployment.look(path)["retries"] == 1, "a retry")
    assert '"reason":"capture_timeout"' in deployment.log()


def test_a_job_that_ignores_the_soft_limit_is_ended_by_the_hard_one_and_repeated(deployment):
    deployment = deployment(job_time_limit=4)
    deployment.start_worker(DEAF)
    job = deployment.ended(deployment.ask(url=PAGE))

    assert (job["status"], job["retries"], deployment.calls()) == ("completed", 0, 1)
    assert "Hard time limit (4" in deployment.log()
    deployment.settled()


def test_a_worker_that_is_stopped_finishes_its_job(deployment):
    deployment = deployment()
    worker = deployment.start_worker()
    gate = threading.Event()
    deployment.api.hold(gate)
    path = deployment.ask(url=PAGE)
    wait_until(lambda: deployment.calls() == 1, "the capture")
    worker.terminate()
    wait_until(lambda: "Warm shutdown" in deployment.log(), "the shutdown's beginning")
    gate.set()

    assert worker.wait(20) == 0
    assert deployment.look(path)["status"] == "completed"
    assert deployment.calls() == 1


def test_a_restart_of_redis_loses_nothing_and_does_nothing_twice(deployment, tmp_path):
    keeps = ("--appendonly", "yes", "--appendfsync", "everysec", "--dir", str(tmp_path))
    with ExitStack() as stack:
        server = stack.enter_context(running_redis(*keeps))
        deployment = deployment(redis_url=server.url)
        deployment.start_worker()
        gate = threading.Event()
        deployment.api.hold(gate, url=f"{PAGE}10")
        path = deployment.ask(urls=[f"{PAGE}{number}" for number in range(60)])
        wait_until(lambda: deployment.calls(f"{PAGE}10") == 1, "a capture in the middle")
        server.process.kill()
        server.process.wait()
        gate.set()
        wait_until(lambda: "jobs_unreachable" in deployment.log(), "an outcome that cannot be written")
        stack.enter_context(running_redis(*keeps, port=int(server.url.split(":")[2].split("/")[0])))
        wait_until(lambda: deployment.client.get(path).status_code == 200, "the restarted Redis")
        batch = deployment.ended(path, timeout=60)

    assert batch["completed"] == 60
    assert Counter(call.params["url"] for call in deployment.api.calls) == {
        f"{PAGE}{number}": 1 for number in range(60)
    }


def test_hundreds_of_jobs_all_end_as_they_must(deployment):
    """A tenth of the pages fail once before they can be captured; a twentieth are refused permanently."""
    deployment = deployment()
    urls = [f"{PAGE}{number}" for number in range(300)]
    failing, refused = set(urls[1:150:5]), set(urls[9::20])  # leaves the last failure time for its retry
    for url in failing:
        deployment.api.behave(refuse(422, "page_error"), url=url)
    for url in refused:
        deployment.api.behave(refuse(404, "not_found"), url=url, times=9)
    paths = [deployment.ask(urls=urls[first : first + 100]) for first in range(0, 300, 100)]
    deployment.start_worker()
    store = deployment.services.jobs.store
    wait_until(lambda: sum(map(store.stats().jobs.get, ENDED)) == 300, "the end of all", timeout=100)
    batches = [deployment.look(path) for path in paths]

    jobs = dict(zip(urls, (job for batch in batches for job in batch["jobs"]), strict=True))
    assert {url for url, job in jobs.items() if job["status"] == "failed"} == refused
    assert {url: job["retries"] for url, job in jobs.items()} == {url: int(url in failing) for url in urls}
    assert {jobs[url]["error"]["code"] for url in refused} == {"capture_failed"}
    calls = Counter(call.params["url"] for call in deployment.api.calls)
    assert calls == {url: 2 if url in failing else 1 for url in urls}
    deployment.settled()


def test_jobs_wait_for_the_end_of_an_api_outage_without_using_up_retries(deployment):
    deployment = deployment(worker_concurrency=1)
    deployment.api.behave(refuse(402, "quota_exceeded"))
    deployment.start_worker()
    path = deployment.ask(urls=[f"{PAGE}{number}" for number in range(10)])
    wait_until(lambda: '"breaker_open"' in deployment.log(), "the quota's end")
    wait_until(lambda: deployment.due_in_more_than(1200) == 9, "the postponement of all that were not attempted")

    jobs = deployment.look(path)["jobs"]
    assert {job["status"] for job in jobs} == {"pending"}
    assert sorted(job["retries"] for job in jobs) == [0] * 9 + [1]
    assert len(deployment.api.calls) == 1


def test_a_wrong_key_fails_a_whole_batch_at_once(deployment):
    deployment = deployment(capture_api_key="sk_live_wrong")
    deployment.start_worker()
    batch = deployment.ended(deployment.ask(urls=[f"{PAGE}{number}" for number in range(20)]))
    assert (batch["failed"], {job["retries"] for job in batch["jobs"]}) == (20, {0})


def test_a_page_that_a_visitor_found_permanently_refused_fails_its_job_at_once(deployment):
    deployment = deployment()
    deployment.api.behave(refuse(404, "not_found"))
    assert deployment.client.get("/thumb", query_string={"url": PAGE} | SMALL).status_code == 502
    deployment.start_worker()
    assert deployment.ended(deployment.ask(url=PAGE))["retries"] == 0
    assert deployment.calls() == 1


def test_single_jobs_are_captured_before_batches(deployment):
    deployment = deployment(worker_concurrency=1)
    gate = threading.Event()
    deployment.api.hold(gate, url=f"{PAGE}0")
    batch = deployment.ask(urls=[f"{PAGE}{number}" for number in range(20)])
    deployment.start_worker()
    wait_until(lambda: deployment.calls(f"{PAGE}0") == 1, "the first capture")
    singles = [f"{PAGE}single{number}" for number in range(3)]
    for url in singles:
        deployment.ask(url=url)
    gate.set()
    deployment.ended(batch)

    assert [call.params["url"] for call in deployment.api.calls][1:4] == singles


def test_a_visitor_does_not_wait_for_batches_in_our_engine(deployment):
    """The worker has as many captures in progress as the engine has slots."""
    gate = threading.Event()
    with running_site() as site, running_engine(PRIVATE_TARGETS=site.address, ENGINE_CONCURRENCY=2) as engine:
        deployment = deployment(
            capture_api="engine", capture_url=engine.url, private_targets=site.address, worker_concurrency=2
        )
        imports = [site.add(f"/import{number}", "<h1>An import", gate=gate) for number in range(4)]
        visited, single = (site.add(path, f"<h1>{path}") for path in ("/visited", "/single"))
        path = deployment.ask(urls=imports)
        deployment.start_worker()
        wait_until(lambda: engine.health()["queued"] == 1, "an import that is queued")
        for _ in range(2):
            assert (
                deployment.client.get("/thumb", query_string={"url": visited, "fresh": 1}).headers["X-Cache"] == "MISS"
            )
        assert (engine.health()["in_flight"], deployment.look(path)["completed"]) == (1, 0)
        gate.set()
        assert deployment.ended(path, timeout=60)["completed"] == 4
        assert deployment.ended(deployment.ask(url=single))["status"] == "completed"


def test_only_batches_are_sent_with_a_low_priority(deployment):
    with running_screenshot_api("engine") as engine:
        deployment = deployment(capture_api="engine", capture_url=engine.url)
        deployment.start_worker()
        deployment.ended(deployment.ask(url=f"{PAGE}single"))
        deployment.ended(deployment.ask(urls=[f"{PAGE}import"]))
        deployment.ended(deployment.ask(urls=[f"{PAGE}kept"], persist=True))
        deployment.client.get("/thumb", query_string={"url": f"{PAGE}visitor"})

    told = {call.params["url"].removeprefix(PAGE): call.headers.get("Priority") for call in engine.calls}
    assert told == {"single": None, "import": "u=7", "kept": "u=7", "visitor": None}


def test_a_batch_is_postponed_without_a_retry_when_the_engine_is_full(deployment):
    with running_screenshot_api("engine") as engine:
        deployment = deployment(capture_api="engine", capture_url=engine.url)
        engine.behave(refuse(429, "rate_limited", headers={"Retry-After": "0"}), times=3)
        path = deployment.ask(urls=[PAGE])
        deployment.start_worker()
        job = deployment.ended(path)["jobs"][0]

    assert (job["status"], job["retries"], len(engine.calls)) == ("completed", 0, 4)


def test_batches_get_what_visitors_leave(deployment):
    deployment = deployment(bulk_limit="6 per hour")
    for number in range(4):
        assert deployment.client.get("/thumb", query_string={"url": f"{PAGE}visitor{number}"}).status_code == 200
    deployment.start_worker()
    path = deployment.ask(urls=[f"{PAGE}{number}" for number in range(4)])
    wait_until(lambda: deployment.look(path)["completed"] == 2, "what is left")
    wait_until(lambda: deployment.look(path)["pending"] == 2, "the postponement of the others")

    assert deployment.client.get("/thumb", query_string={"url": f"{PAGE}another"}).status_code == 200
    assert deployment.ended(deployment.ask(url=f"{PAGE}single"))["status"] == "completed"
    assert {job["retries"] for job in deployment.look(path)["jobs"]} == {0}
    assert len(deployment.api.calls) == 8


def test_every_call_to_the_api_counts_including_retries_and_second_captures(deployment):
    deployment = deployment(bulk_limit="6 per hour", worker_concurrency=1)
    deployment.api.behave(refuse(502), url=f"{PAGE}visitor", times=2)
    deployment.api.behave(blank, url=f"{PAGE}0", times=2)
    deployment.api.behave(refuse(502), url=f"{PAGE}1", times=9)
    assert deployment.client.get("/thumb", query_string={"url": f"{PAGE}visitor"}).status_code == 200
    deployment.start_worker()
    path = deployment.ask(urls=[f"{PAGE}{number}" for number in range(8)])
    wait_until(lambda: deployment.due_in_more_than(1200) >= 6, "the postponement of those over the limit")

    calls = Counter(call.params["url"].removeprefix(PAGE) for call in deployment.api.calls)
    assert calls == {"visitor": 3, "0": 2, "1": 1}
    jobs = deployment.look(path)["jobs"]
    assert (jobs[0]["status"], jobs[1]["retries"], {job["retries"] for job in jobs[2:]}) == ("completed", 1, {0})


def test_batches_continue_when_the_limit_allows(deployment):
    deployment = deployment(bulk_limit="5 per second")
    deployment.start_worker()
    assert deployment.ended(deployment.ask(urls=[f"{PAGE}{number}" for number in range(12)]))["completed"] == 12
    assert len(deployment.api.calls) == 12
