"""What is read at intervals, from real servers."""

import os

import pytest
import redis

from measurements import Measurements
from telemetry import metrics
from tests.support.processes import wait_until
from tests.support.redis import running_redis


@pytest.fixture(scope="module")
def small_redis():
    with running_redis("--maxmemory", "3mb", "--maxmemory-policy", "allkeys-lru") as server:
        yield server


def read(gauge):
    return {labels[0]: value for labels, value in gauge.read()}


def evict(url):
    with redis.Redis.from_url(url) as client:
        for number in range(60):
            client.set(f"junk:{number}", bytes(100_000))
        return client.info("stats")["evicted_keys"]


def test_what_one_redis_for_both_purposes_evicts_is_lost_to_the_state_too(make_client, small_redis):
    services = make_client(redis_url=small_redis.url).application.extensions["services"]
    evicted = evict(small_redis.url)
    Measurements(services).read_shared()
    assert evicted > 0
    assert read(metrics.REDIS_EVICTIONS) == {"cache": evicted, "state": evicted}
    assert read(metrics.REDIS_MEMORY_LIMIT) == {"cache": 3 * 2**20, "state": 3 * 2**20}


def test_each_of_two_redis_tells_of_itself(make_client, small_redis, redis_url):
    services = make_client(redis_url=small_redis.url, state_redis_url=redis_url).application.extensions["services"]
    evicted = evict(small_redis.url)
    Measurements(services).read_shared()
    assert read(metrics.REDIS_EVICTIONS) == {"cache": evicted, "state": 0}


def test_a_redis_that_does_not_answer_tells_nothing(make_client):
    services = make_client(redis_url="redis://127.0.0.1:1/0").application.extensions["services"]
    Measurements(services).read_shared()
    assert read(metrics.REDIS_EVICTIONS) == read(metrics.REDIS_MEMORY) == {}


def test_folders_are_measured_beside_the_rest(make_client, tmp_path):
    """A large one takes minutes, in which nothing else would be read."""
    (tmp_path / "media").mkdir()
    os.mkfifo(tmp_path / "media" / "pipe")  # is no obstacle
    (tmp_path / "media" / "picture").write_bytes(bytes(5000))
    measurements = Measurements(make_client().application.extensions["services"])
    measurements.read_shared()
    wait_until(lambda: read(metrics.KEPT_BYTES).get("permanent") == 5000, "the size of the folder")
