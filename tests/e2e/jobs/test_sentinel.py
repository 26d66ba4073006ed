"""A worker and beat on Redis behind three Sentinels outlive the loss of the primary."""

from contextlib import ExitStack

import pytest

from tests.support.processes import wait_until
from tests.support.sentinels import SECRETS, running_service
from tests.support.worker import FAST_CLOCK, running_beat

PAGE = "https://example.com/"

pytestmark = pytest.mark.slow


def test_a_worker_and_beat_go_on_at_the_new_primary(deployment, tmp_path):
    with ExitStack() as stack:
        watched = stack.enter_context(running_service(tmp_path / "sentinels"))
        here = deployment(redis_url=watched.url)
        worker = here.start_worker(FAST_CLOCK)
        beat = stack.enter_context(running_beat(tmp_path / "beat.log", FAST_CLOCK, **here.settings))
        first = here.ask(url=PAGE)
        assert here.ended(first)["status"] == "completed"
        watched.replicated()
        watched.kill_primary()
        watched.promoted()
        watched.restart_old_primary()

        wait_until(lambda: here.client.get(first).status_code == 200, "the new primary")
        assert here.look(first)["status"] == "completed"
        assert here.ended(here.ask(url=f"{PAGE}after"))["status"] == "completed"
        stats = here.log().count("queue_stats")
        wait_until(lambda: here.log().count("queue_stats") > stats, "a round of beat")
        assert (worker.poll(), beat.poll()) == (None, None)
        logs = here.log() + (tmp_path / "beat.log").read_text()
        assert not [secret for secret in SECRETS if secret in logs]
