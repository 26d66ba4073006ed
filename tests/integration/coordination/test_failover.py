"""A failover of Redis behind a steady address, and a Redis that refuses to write."""

from contextlib import ExitStack

import pytest
import redis

from tests.support.processes import wait_until
from tests.support.redis import replicate, running_address, running_redis
from tests.support.visitors import PAGE, get

OTHER, THIRD = "https://example.org/", "https://example.net/"


@pytest.fixture
def pair():
    """A primary, its replica, and an address that leads to the primary."""
    with ExitStack() as stack:
        primary, replica = (stack.enter_context(running_redis("--repl-diskless-sync-delay", "0")) for _ in range(2))
        replicate(replica, primary)
        yield stack.enter_context(running_address(primary)), replica


def leading_to(address, purpose, other):
    """Settings by which the servers behind `address` serve `purpose`, and the Redis `other` the rest."""
    urls = {"cache": (address.url, other), "state": (other, address.url), "both": (address.url, None)}
    return dict(zip(("redis_url", "state_redis_url"), urls[purpose], strict=True))


@pytest.mark.parametrize("purpose", ["cache", "state", "both"])
def test_after_a_failover_pictures_are_kept_and_limits_counted_again(make_client, api, pair, redis_url, purpose):
    address, replica = pair
    client = make_client(**leading_to(address, purpose, redis_url), thumb_limit="2 per hour")
    assert get(client, PAGE).headers["X-Cache"] == "MISS"
    address.fail_over(replica)

    assert get(client, PAGE).headers["X-Cache"] == "HIT"
    assert [get(client, OTHER).headers["X-Cache"] for _ in range(3)] == ["MISS", "HIT", "HIT"]
    assert len(api.calls) == 2
    assert get(client, THIRD).status_code == 429, "the limit is counted in the new primary"
    ready = client.get("/ready")
    assert (ready.status_code, ready.json["cache"], ready.json["state"]) == (200, "ok", "ok")


def test_after_a_failover_jobs_are_taken_again(make_client, pair):
    address, replica = pair
    client = make_client(redis_url=address.url)
    assert client.post("/screenshots", json={"url": PAGE}).status_code == 202
    address.fail_over(replica)

    for url in (OTHER, THIRD):
        assert client.post("/screenshots", json={"url": url}).status_code == 202
    jobs = client.application.extensions["services"].jobs
    with redis.Redis.from_url(replica.url) as new:
        # The first message after the failover is sent again by the worker's clock, a second later.
        wait_until(lambda: jobs.send_due() or new.llen("thumb:celery:interactive") == 3, "all messages in the queue")


@pytest.mark.parametrize("purpose", ["cache", "state"])
def test_a_replica_serves_known_pictures_but_is_not_ready(make_client, pair, redis_url, capsys, purpose):
    address, replica = pair
    client = make_client(**leading_to(address, purpose, redis_url))
    get(client, PAGE)
    address.fail_over(replica)
    address.server = replica
    with redis.Redis.from_url(replica.url) as client_of_replica:
        client_of_replica.slaveof("127.0.0.1", 9)  # its new primary is away

    assert get(client, PAGE).headers["X-Cache"] == "HIT"
    ready = client.get("/ready")
    states = {"cache": "ok", "state": "ok"} | {purpose: "unreachable"}
    assert (ready.status_code, {name: ready.json[name] for name in states}) == (503, states)
    assert ready.json["limits"] == ("redis" if purpose == "cache" else "memory")
    output = capsys.readouterr().out
    assert "read only replica" in output
    assert f"dependency={purpose}" in output


@pytest.mark.parametrize("purpose", ["cache", "state"])
def test_a_full_redis_that_evicts_nothing_is_not_ready(make_client, redis_url, purpose):
    with running_redis("--maxmemory-policy", "noeviction") as server:
        client = make_client(**leading_to(server, purpose, redis_url))
        assert client.get("/ready").json[purpose] == "ok"
        with redis.Redis.from_url(server.url) as operator:
            operator.config_set("maxmemory", "100kb")
        assert client.get("/ready").json[purpose] == "unreachable"
        assert get(client, PAGE).status_code == 200
