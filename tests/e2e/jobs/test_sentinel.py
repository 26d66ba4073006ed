"""Web processes, a worker and beat on Redis behind three Sentinels outlive the loss of the primary."""

from contextlib import ExitStack

import pytest
import requests

from tests.support.processes import wait_until
from tests.support.sentinels import SECRETS, running_service
from tests.support.web import running_web
from tests.support.worker import FAST_CLOCK, running_beat

PAGE = "https://example.com/"

pytestmark = pytest.mark.slow


def test_a_worker_and_beat_go_on_at_the_new_primary(deployment, tmp_path):
    with ExitStack() as stack:
        watched = stack.enter_context(running_service(tmp_path / "sentinels"))
        here = deployment(redis_url=watched.url)
        worker = here.start_worker(FAST_CLOCK)
        beat = stack.enter_context(running_beat(tmp_path / "beat.log", FAST_CLOCK, **here.settings))
        web = stack.enter_context(
            running_web(tmp_path / "web.log", web_concurrency=2, memory_cache_bytes=0, **here.settings)
        )
        first = here.ask(url=PAGE)
        assert here.ended(first)["status"] == "completed"
        wait_until(lambda: hits(web) == {"HIT"}, "hits in both processes")
        watched.replicated()
        watched.kill_primary()
        watched.promoted()
        watched.restart_old_primary()

        wait_until(lambda: requests.get(f"{web}/ready", timeout=20).status_code == 200, "the new primary")
        wait_until(lambda: hits(web) == {"HIT"}, "the end of the breaker's pause in both processes")
        wait_until(lambda: here.client.get(first).status_code == 200, "the new primary")
        assert here.look(first)["status"] == "completed"
        assert here.ended(here.ask(url=f"{PAGE}after"))["status"] == "completed"
        stats = here.log().count("queue_stats")
        wait_until(lambda: here.log().count("queue_stats") > stats, "a round of beat")
        assert (worker.poll(), beat.poll()) == (None, None)
        logs = here.log() + "".join((tmp_path / name).read_text() for name in ("beat.log", "web.log"))
        assert not [secret for secret in SECRETS if secret in logs]


def hits(web):
    """Return how the processes serve a known picture."""
    return {requests.get(f"{web}/thumb", {"url": PAGE}, timeout=60).headers["X-Cache"] for _ in range(12)}


def test_a_worker_waits_until_the_sentinels_know_a_primary(deployment, tmp_path):
    with running_service(tmp_path / "sentinels") as watched:
        here = deployment(redis_url=watched.url)
        watched.forget()
        worker = here.start_worker(said=b"Cannot connect to sentinel://")
        assert here.client.get("/ready").status_code == 503
        watched.remember()
        wait_until(lambda: here.client.get("/ready").status_code == 200, "the primary")
        wait_until(lambda: "ready." in here.log(), "the worker's connection")
        assert here.ended(here.ask(url=PAGE))["status"] == "completed"
        assert worker.poll() is None
        assert not [secret for secret in SECRETS if secret in here.log()]
