"""Without a worker, jobs are refused instead of being kept for nobody."""

from contextlib import suppress

import pytest
import redis as redis_library

from tests.support.processes import wait_until
from tests.support.redis import running_redis
from tests.support.worker import running_worker

PAGE = "https://example.com/"
COUNTS = "thumb:{jobs}:counts"


@pytest.fixture
def settings(settings):
    return settings | {"resolve_targets": False}


@pytest.fixture
def redis(redis_url):
    with redis_library.Redis.from_url(redis_url) as client:
        yield client


def last_seen(redis, seconds):
    """Let the last word of a worker be `seconds` old."""
    redis.hset(COUNTS, "worker", redis.time()[0] - seconds)


def post(client):
    return client.post("/screenshots", json={"url": PAGE, "width": 320, "height": 240})


def test_a_new_installation_takes_jobs_while_its_worker_starts(client):
    assert [post(client).status_code for _ in range(2)] == [202, 202]


def test_jobs_are_refused_where_no_worker_has_been_seen_for_a_minute(client, redis):
    assert post(client).status_code == 202
    last_seen(redis, 61)
    refused = post(client)
    preferred = client.get("/thumb", query_string={"url": PAGE}, headers={"Prefer": "respond-async"})

    for answer in (refused, preferred):
        assert (answer.status_code, answer.json["code"], answer.json["retryable"]) == (503, "queue_unavailable", True)
        assert "worker" in answer.json["detail"]
        assert int(answer.headers["Retry-After"]) > 0
    assert client.get("/ready").json["jobs"]["jobs"]["pending"] == 1, "nothing was kept"


def test_a_refusal_for_want_of_a_worker_is_not_charged(make_client, redis):
    client = make_client(job_limit="2 per hour", job_queue_limit=1)
    last_seen(redis, 61)
    assert {post(client).json["code"] for _ in range(4)} == {"queue_unavailable"}
    last_seen(redis, 1)
    assert post(client).status_code == 202


def test_jobs_are_taken_for_a_minute_after_a_worker_was_seen(client, redis):
    last_seen(redis, 50)
    assert post(client).status_code == 202


def test_ready_says_when_a_worker_was_seen(client, redis):
    assert client.get("/ready").json["jobs"]["worker_seen_seconds"] is None
    last_seen(redis, 100)
    assert 100 <= client.get("/ready").json["jobs"]["worker_seen_seconds"] < 110


@pytest.mark.slow
def test_jobs_are_taken_again_when_a_worker_is_there(client, redis, settings, tmp_path):
    last_seen(redis, 3600)
    assert post(client).status_code == 503
    with running_worker(tmp_path / "worker.log", **settings):
        wait_until(lambda: client.get("/ready").json["jobs"]["worker_seen_seconds"] < 60, "the worker's word")
        assert post(client).status_code == 202


def test_a_worker_is_seen_in_a_full_redis_too(make_client):
    with running_redis("--maxmemory", "2mb", "--maxmemory-policy", "noeviction") as server:
        client = make_client(redis_url=server.url)
        workers = client.application.extensions["services"].jobs.store.workers
        with redis_library.Redis.from_url(server.url) as full:
            last_seen(full, 100)
            fill(full)
            workers.announce()
        assert client.get("/ready").json["jobs"]["worker_seen_seconds"] < 60


def fill(redis):
    """Store values until Redis refuses one."""
    with suppress(redis_library.exceptions.OutOfMemoryError):
        for number in range(10_000):
            redis.set(f"other:{number}", b"x" * 10_000)
