"""Beat without a worker: its messages do not pile up."""

import pytest
import redis

from jobs import INTERACTIVE
from tests.support.processes import wait_until
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
