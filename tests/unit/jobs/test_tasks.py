"""What a task leaves behind in its process, which does others next."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import structlog

import tasks
from errors import QueueUnavailable


def services(conclude):
    """A job whose picture is taken; `conclude` is told of it."""
    run = SimpleNamespace(job=SimpleNamespace(request_id="a-request"), starts=1)
    runs = SimpleNamespace(begin=lambda *_: run, held=lambda _: nullcontext())
    return SimpleNamespace(
        jobs=SimpleNamespace(store=SimpleNamespace(runs=runs)),
        job_pictures=SimpleNamespace(take=lambda _: "a picture", conclude=conclude),
        settings=SimpleNamespace(job_time_limit=0),
    )


def test_a_job_is_named_in_the_log_while_it_lasts_and_no_longer_however_it_ends():
    seen = []
    tasks.capture(services(lambda *_: seen.append(structlog.contextvars.get_contextvars())), "a-job", 1, "bulk")
    assert seen == [{"job_id": "a-job", "request_id": "a-request"}]
    assert structlog.contextvars.get_contextvars() == {}

    def refuse(*_):
        raise QueueUnavailable("Redis does not answer")

    with pytest.raises(QueueUnavailable):
        tasks.capture(services(refuse), "a-job", 1, "bulk")
    assert structlog.contextvars.get_contextvars() == {}
