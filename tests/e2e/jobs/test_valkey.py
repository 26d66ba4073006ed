"""Valkey in the place of both Redis servers."""

from contextlib import ExitStack

import pytest
import redis

from tests.support.redis import running_redis, valkey_program
from tests.support.visitors import get
from tests.support.worker import FAST_CLOCK

PAGE = "https://example.com/"
PROGRAM = valkey_program()

pytestmark = [pytest.mark.slow, pytest.mark.skipif(PROGRAM is None, reason="no valkey-server on this machine")]


@pytest.fixture
def servers():
    with ExitStack() as stack:
        memory = ("--maxmemory", "64mb", "--maxmemory-policy")
        cache = stack.enter_context(running_redis(*memory, "allkeys-lru", program=PROGRAM))
        yield cache, stack.enter_context(running_redis(*memory, "noeviction", program=PROGRAM))


def test_pictures_limits_and_jobs_work_on_valkey(deployment, servers, api, capsys):
    cache, state = servers
    here = deployment(redis_url=cache.url, state_redis_url=state.url, thumb_limit="1 per hour")
    here.start_worker(FAST_CLOCK)
    here.services.warn_about_redis()
    assert [get(here.client, PAGE).headers["X-Cache"] for _ in range(2)] == ["MISS", "HIT"]
    assert get(here.client, f"{PAGE}other").status_code == 429
    batch = here.ask(urls=[f"{PAGE}{number}" for number in range(5)])
    assert here.ended(batch)["completed"] == 5
    ready = here.client.get("/ready").json
    assert (ready["cache"], ready["state"], ready["limits"]) == ("ok", "ok", "redis")
    with redis.Redis.from_url(state.url) as client:
        assert client.info("server")["server_name"] == "valkey"
    output = capsys.readouterr().out
    assert not [event for event in ("redis_shared", "state_evictable", "cache_unevictable") if event in output]


def test_a_full_valkey_says_so(deployment, servers):
    cache, state = servers
    here = deployment(redis_url=cache.url, state_redis_url=state.url)
    with redis.Redis.from_url(state.url) as operator:
        operator.config_set("maxmemory", "100kb")
    assert here.client.post("/screenshots", json={"url": PAGE}).json["code"] == "over_capacity"
    assert here.client.get("/ready").json["state"] == "unreachable"
    assert get(here.client, PAGE).status_code == 200
