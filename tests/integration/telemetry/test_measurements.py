"""What is read at intervals, from real servers."""

import os
import time

import pytest
import redis

from measurements import Measurements
from telemetry import metrics
from tests.support.cdn import running_cdn
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


def test_a_purge_counts_from_its_first_time_until_each_cache_in_front_has_confirmed_it(make_built, monkeypatch):
    """An operator who still sees the page purges it again. The wait goes on."""
    with running_cdn() as cdn, running_cdn() as other:
        cloudflare = {
            "cloudflare_zone_id": "023e105f",
            "cloudflare_api_token": "a-token",
            "cloudflare_api_url": cdn.url,
        }
        services = make_built(purge_urls=f"{cdn.url}/edge,{other.url}", **cloudflare)
        in_front, measurements, clock = services.purging.in_front, Measurements(services), time.time()
        monkeypatch.setattr(time, "time", lambda: clock)
        measurements.read_shared()
        assert read(metrics.PURGE_UNCONFIRMED_AGE) == {"cloudflare": 0, "purge_urls": 0}  # nginx and Fastly are missing
        cdn.status = 403
        in_front.tell(["p-1"], clock)
        for _ in range(3):
            clock += 200
            in_front.tell_pending()
            in_front.tell(["p-1"], clock)
        measurements.read_shared()
        assert read(metrics.PURGE_UNCONFIRMED_AGE) == {"cloudflare": 600, "purge_urls": 600}

        cdn.status, clock = 200, clock + 60
        assert in_front.tell_pending() == 0
        measurements.read_shared()
        assert read(metrics.PURGE_UNCONFIRMED_AGE) == {"cloudflare": 0, "purge_urls": 0}


def test_purges_that_become_one_of_everything_count_from_the_first(make_built, monkeypatch):
    with running_cdn() as cdn:
        services = make_built(purge_urls=cdn.url)
        cdn.status, clock = 500, time.time()
        monkeypatch.setattr(time, "time", lambda: clock)
        services.purging.in_front.tell(["p-1"], clock)
        clock += 700
        services.purging.in_front.tell([f"s-{number}" for number in range(10_000)], clock)
        state = services.connections.state
        assert state.client.hkeys(state.keys.purges_pending(cdn.url)) == [b"thumbs"]
        Measurements(services).read_shared()
        assert read(metrics.PURGE_UNCONFIRMED_AGE) == {"purge_urls": 700}


def test_of_purges_nothing_is_told_while_the_state_cannot_be_read(make_built):
    """A 0 would say that all is purged, though a page that was taken down may still be shown."""
    metrics.PURGE_UNCONFIRMED_AGE.set(700, "purge_urls")
    services = make_built(purge_urls="http://127.0.0.1:1", redis_url="redis://127.0.0.1:1/0")
    Measurements(services).read_shared()
    assert read(metrics.PURGE_UNCONFIRMED_AGE) == {}


def test_folders_are_measured_beside_the_rest(make_client, tmp_path):
    """A large one takes minutes, in which nothing else would be read."""
    (tmp_path / "media").mkdir()
    os.mkfifo(tmp_path / "media" / "pipe")  # is no obstacle
    (tmp_path / "media" / "picture").write_bytes(bytes(5000))
    measurements = Measurements(make_client().application.extensions["services"])
    measurements.read_shared()
    wait_until(lambda: read(metrics.KEPT_BYTES).get("permanent") == 5000, "the size of the folder")
