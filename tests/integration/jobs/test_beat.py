"""Beat without a worker, whose messages do not pile up, and beat while Redis is away."""

from contextlib import ExitStack

import pytest
import redis

from jobs import INTERACTIVE
from tests.support.processes import free_port, wait_until
from tests.support.redis import running_redis
from tests.support.worker import FAST_CLOCK, running_beat


@pytest.mark.slow
def test_without_a_worker_beat_sends_no_more_than_the_queue_may_hold(settings, redis_url, tmp_path):
    log = tmp_path / "beat.log"
    with (
        running_beat(log, FAST_CLOCK, **settings, job_queue_limit=2),
        redis.Redis.from_url(redis_url) as store,
    ):
        wait_until(lambda: log.read_bytes().count(b"beat_held_back") >= 2, "two messages that were not sent")
        assert store.llen(f"thumb:celery:{INTERACTIVE}") == 2


@pytest.mark.slow
def test_beat_goes_on_when_redis_was_away(settings, tmp_path):
    log, port = tmp_path / "beat.log", free_port()
    with ExitStack() as stack:
        with running_redis(port=port) as server:
            process = stack.enter_context(running_beat(log, FAST_CLOCK, **settings | {"redis_url": server.url}))
            wait_until(lambda: waiting(port) > 0, "a message")
        wait_until(lambda: log.read_bytes().count(b"beat_unsent") >= 1, "a message that could not be sent")
        with running_redis(port=port):
            wait_until(lambda: waiting(port) > 0, "a message after that")
        assert process.poll() is None


def waiting(port):
    with redis.Redis(port=port) as store:
        return store.llen(f"thumb:celery:{INTERACTIVE}")
