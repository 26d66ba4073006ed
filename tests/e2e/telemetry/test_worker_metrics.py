"""Each metric of the worker and of beat is moved by what it counts: a real Celery with a pool, Redis, and an API."""

import os
import signal
from contextlib import ExitStack
from typing import NamedTuple

import pytest

from tests.support.deployment import PAGE, Deployment
from tests.support.processes import wait_until
from tests.support.receiver import Receiver, running_receiver
from tests.support.redis import running_redis
from tests.support.scrape import Metrics, measured
from tests.support.screenshot_api import refuse, running_screenshot_api
from tests.support.worker import children_of, running_beat, running_worker

WORKER = "tests.support.measured_worker"


class Working(NamedTuple):
    deployment: Deployment
    worker: Metrics
    beat: Metrics
    process: object
    receiver: Receiver

    def ask(self, page, **options):
        return self.deployment.ask(url=PAGE + page, **options)


@pytest.fixture(scope="module")
def working(_migrated_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("working")
    (folder / "thumbnails.db").write_bytes(_migrated_file.read_bytes())
    worker, worker_setting = measured()
    beat, beat_setting = measured()
    with ExitStack() as stack:
        redis = stack.enter_context(running_redis())
        state = stack.enter_context(running_redis())
        api = stack.enter_context(running_screenshot_api("snapsharp", "sk_live_test"))
        receiver = stack.enter_context(running_receiver())
        settings = {
            "redis_url": redis.url,
            "state_redis_url": state.url,
            "capture_api": "snapsharp",
            "capture_url": api.url,
            "capture_api_key": "sk_live_test",
            "persist_dir": folder / "media",
            "originals_dir": folder / "originals",
            "database_url": f"sqlite:///{folder}/thumbnails.db",
            "resolve_targets": False,
            "private_targets": (f"127.0.0.1:{receiver.port}",),
            "webhook_secret": ("whsec_" + "c2VjcmV0" * 6,),
            "worker_niceness": 0,
            "worker_concurrency": 2,
        }
        limited = settings | beat_setting | {"job_queue_limit": 1}
        stack.enter_context(running_beat(folder / "beat.log", WORKER, **limited))
        beat.wait_until_served()
        with beat.moves("thumbnails_beat_messages_total", outcome="held_back"):  # no worker takes the first ones
            assert beat.wait_for("thumbnails_beat_messages_total", outcome="sent") >= 1
        deployment = Deployment(api, stack, folder, settings)
        process = stack.enter_context(running_worker(folder / "worker.log", WORKER, **settings | worker_setting))
        yield Working(deployment, worker, beat, process, receiver)


def test_runs_of_jobs_are_counted_by_what_came_of_them(working):
    api, name = working.deployment.api, "thumbnails_job_runs_total"
    api.behave(refuse(404, "not_found"), times=9, url=PAGE + "refused")
    api.behave(refuse(422, "page_error"), url=PAGE + "again")
    with (
        working.worker.moves(name, by=2, outcome="completed"),
        working.worker.moves(name, by=1, outcome="failed"),
        working.worker.moves(name, by=1, outcome="retried"),
        working.worker.moves("thumbnails_captures_total", by=2, outcome="ok"),
    ):
        for path in [working.ask(page) for page in ("good", "refused", "again")]:
            working.deployment.ended(path)
    working.worker.wait_for("thumbnails_jobs", lambda count: count == 2, state="completed")


def test_attempts_to_deliver_webhooks_are_counted(working):
    name, url = "thumbnails_webhook_attempts_total", f"http://127.0.0.1:{working.receiver.port}/"
    working.receiver.statuses[:] = [204, 410, 503]
    for outcome in ("delivered", "failed", "pending"):
        with working.worker.moves(name, by=1, outcome=outcome):
            working.ask(f"hook-{outcome}", webhook_url=url)
    working.worker.wait_for("thumbnails_webhooks_undelivered", lambda count: count == 1)
    assert working.worker.count("thumbnails_guard_verdicts_total", verdict="exempt") >= 3


def test_captures_of_sites_are_counted(working):
    client, name = working.deployment.client, "thumbnails_site_captures_total"
    working.deployment.api.behave(refuse(404, "not_found"), times=9, url=PAGE + "site-bad")
    with working.worker.moves(name, by=1, outcome="captured"), working.worker.moves(name, by=1, outcome="failed"):
        for page in ("site", "site-bad"):
            assert client.post("/sites", json={"url": PAGE + page, "title": page}).status_code == 201


def test_a_killed_process_of_the_pool_takes_no_counts_with_it(working):
    before = working.worker.count("thumbnails_job_runs_total")
    children = children_of(working.process)
    os.kill(children[0], signal.SIGKILL)
    wait_until(lambda: len(set(children_of(working.process)) - set(children)) == 1, "a process in its place")
    with working.worker.moves("thumbnails_job_runs_total", by=3, outcome="completed"):
        for path in [working.ask(f"after-{number}") for number in range(3)]:
            working.deployment.ended(path)
    assert working.worker.count("thumbnails_job_runs_total") == before + 3


def test_the_processes_are_measured(working):
    for metrics, process, children in ((working.worker, "worker", 2), (working.beat, "beat", 0)):
        assert metrics.value("thumbnails_build_info", process=process) == 1
        metrics.wait_for("thumbnails_processes", lambda count, wanted=children: count == wanted, kind="child")
    assert working.worker.wait_for("thumbnails_redis_memory_bytes", redis="state") > 0
    assert working.beat.value("thumbnails_redis_memory_bytes") is None  # beat reads nothing


def test_what_waits_for_the_api_is_counted_as_postponed(working):
    """The last test but one: it opens the breaker for good."""
    working.deployment.api.behave(refuse(402, "quota_exceeded"), times=99)
    with (
        working.worker.moves("thumbnails_job_runs_total", outcome="postponed"),
        working.worker.moves("thumbnails_breaker_trips_total"),
    ):
        for number in range(3):
            working.ask(f"late-{number}")
    working.worker.wait_for("thumbnails_breaker_open")
    with working.worker.moves("thumbnails_site_captures_total", outcome="postponed"):
        working.deployment.client.post("/sites", json={"url": PAGE + "late-site", "title": "late"})


def test_calls_that_the_state_does_not_answer_are_counted(working):
    """The last test: it kills that Redis."""
    with working.worker.moves("thumbnails_redis_errors_total", redis="state", error="unreachable"):
        state = working.deployment.services.connections.state.client
        state.shutdown(nosave=True)
