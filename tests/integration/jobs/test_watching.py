"""The state of all jobs shows on /ready, in the log and in Celery's events."""

import json
import os
import threading
from pathlib import Path

import pytest

from jobs import BULK, CAPTURE, Problem, TaskMessage, celery_app
from tests.support.processes import free_port, wait_until
from tests.support.worker import FAST_CLOCK, children_of, running_beat, running_worker

URLS = [f"https://page{number}.example.com/" for number in range(3)]


@pytest.fixture
def settings(settings):
    """The settings of web process and worker, which make no lookups."""
    return settings | {"resolve_targets": False}


def post(client, *urls):
    return client.post("/screenshots", json={"urls": list(urls)})


def events(log, name):
    found = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return [event for event in found if event["event"] == name]


@pytest.mark.slow
def test_ready_shows_the_state_of_all_jobs(client, settings, tmp_path):
    empty = client.get("/ready").json["jobs"]
    assert empty["queued"] == {"interactive": 0, "bulk": 0, "webhooks": 0}
    assert set(empty["jobs"].values()) == {0}
    assert empty["oldest_seconds"] is None

    assert post(client, *URLS).status_code == 202
    waiting = client.get("/ready")
    assert waiting.status_code == 200
    assert waiting.json["jobs"]["queued"] == {"interactive": 0, "bulk": 3, "webhooks": 0}
    assert waiting.json["jobs"]["jobs"] == {"pending": 3, "processing": 0, "completed": 0, "failed": 0}
    assert waiting.json["jobs"]["oldest_seconds"] >= 0

    store = client.application.extensions["services"].jobs.store
    with running_worker(tmp_path / "worker.log", **settings):
        wait_until(lambda: store.stats().oldest_seconds is None, "the jobs' end")
    ended = client.get("/ready").json["jobs"]
    assert ended["jobs"] == {"pending": 0, "processing": 0, "completed": 3, "failed": 0}
    assert ended["queued"] == {"interactive": 0, "bulk": 0, "webhooks": 0}


def test_ready_shows_retries_and_every_state(client):
    ids = [job["job_id"] for job in post(client, *URLS, "https://one.more.example.com/").json["jobs"]]
    store = client.application.extensions["services"].jobs.store
    retried, failed, _ = [store.runs.begin(TaskMessage(CAPTURE, BULK, id_)) for id_ in ids[:3]]
    store.runs.postpone(retried, 60, retry=True)
    store.runs.fail(failed, Problem(502, "capture_failed", "Capture failed", "the page failed"))

    jobs = client.get("/ready").json["jobs"]
    assert jobs["retries"] == 1
    assert jobs["jobs"] == {"pending": 2, "processing": 1, "completed": 0, "failed": 1}


def test_ready_says_that_jobs_cannot_be_reached(make_client):
    ready = make_client(redis_url=f"redis://127.0.0.1:{free_port()}/0").get("/ready")

    assert (ready.status_code, ready.json["jobs"]) == (503, "unreachable")


@pytest.mark.slow
def test_the_log_repeats_the_state_of_all_jobs(settings, tmp_path):
    log, beats = tmp_path / "worker.log", tmp_path / "beat.log"
    with running_worker(log, FAST_CLOCK, **settings), running_beat(beats, FAST_CLOCK, **settings):
        wait_until(lambda: len(events(log, "queue_stats")) >= 2, "two events")

    event = events(log, "queue_stats")[-1]
    assert event["queued"] == {"interactive": 0, "bulk": 0, "webhooks": 0}
    assert set(event) >= {"jobs", "retries", "oldest_seconds"}


@pytest.fixture
def heard(settings):
    """The events that a listener such as Flower hears."""
    found = []
    app = celery_app(settings["redis_url"])
    with app.connection_for_read() as connection:
        receiver = app.events.Receiver(connection, handlers={"*": found.append})
        thread = threading.Thread(target=receiver.capture)
        thread.start()
        yield found
        receiver.should_stop = True
        thread.join()
    app.close()


@pytest.mark.slow
def test_celery_s_events_cover_every_job(client, settings, tmp_path, heard):
    with running_worker(tmp_path / "worker.log", **settings):
        wait_until(lambda: any(event["type"].startswith("worker-") for event in heard), "the worker's own events")
        post(client, URLS[0])
        wait_until(lambda: any(event["type"] == "task-succeeded" for event in heard), "the end of the task")

    by_task = {}
    for event in heard:
        by_task.setdefault(event.get("uuid"), {})[event["type"]] = event
    (task,) = (found for found in by_task.values() if found.get("task-received", {}).get("name") == "capture")
    assert set(task) >= {"task-received", "task-started", "task-succeeded"}


@pytest.mark.slow
def test_a_worker_runs_at_a_lower_priority(settings, tmp_path):
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    with running_worker(tmp_path / "worker.log", **settings | {"worker_niceness": 7}) as worker:
        pids = [worker.pid, *children_of(worker)]
        assert [os.getpriority(os.PRIO_PROCESS, pid) for pid in pids] == [min(ours + 7, 19)] * 3
        group = Path(f"/proc/{worker.pid}/autogroup")
        assert not group.exists() or group.read_text().endswith("nice 7\n")
