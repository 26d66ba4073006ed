"""A task leaves no context behind in its process, which runs other tasks next."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import structlog

import tasks
from errors import QueueUnavailable
from telemetry.origin import UNKNOWN


def services(record_outcome):
    """Services with a job whose capture succeeds; `record_outcome` gets the outcome."""
    wanted = SimpleNamespace(target=SimpleNamespace(netloc="example.com"))
    run = SimpleNamespace(job=SimpleNamespace(request_id="a-request", origin=UNKNOWN, wanted=wanted), starts=1)
    runs = SimpleNamespace(begin=lambda *_: run, renewing=lambda _: nullcontext())
    return SimpleNamespace(
        jobs=SimpleNamespace(store=SimpleNamespace(runs=runs)),
        job_pictures=SimpleNamespace(capture=lambda _: "a picture", record_outcome=record_outcome),
        settings=SimpleNamespace(job_time_limit=0),
    )


def test_the_log_names_a_job_only_until_its_task_ends():
    seen = []
    tasks.capture(services(lambda *_: seen.append(structlog.contextvars.get_contextvars())), "a-job", 1, "bulk")
    assert seen == [{"job_id": "a-job", "request_id": "a-request"}]
    assert structlog.contextvars.get_contextvars() == {}

    def refuse(*_):
        raise QueueUnavailable("Redis does not answer")

    with pytest.raises(QueueUnavailable):
        tasks.capture(services(refuse), "a-job", 1, "bulk")
    assert structlog.contextvars.get_contextvars() == {}
