"""Redis Cluster is refused when a process starts, and told by `/ready` and the log where it is found later."""

from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
import redis

from tests.support.processes import free_port, wait_until
from tests.support.redis import running_redis
from tests.support.visitors import PAGE, get

ADVICE = "Redis Cluster is not supported: set {} to a Redis without cluster mode, or to a service of Redis Sentinel"
SLOTS = 16384


@pytest.fixture(scope="module", params=["without slots", "of one", "of two"])
def cluster_url(request):
    """A server in cluster mode that refuses all keys, takes all keys, or takes half of them and redirects the others."""
    with ExitStack() as stack:
        # By default the port of the bus is 10,000 above, which another program may have.
        buses = [str(free_port()) for _ in range(2)]
        servers = [
            stack.enter_context(running_redis("--cluster-enabled", "yes", "--cluster-port", bus)) for bus in buses
        ]
        first, second = (stack.enter_context(redis.Redis.from_url(server.url)) for server in servers)
        if request.param == "of one":
            first.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, SLOTS - 1)
        elif request.param == "of two":
            first.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, SLOTS // 2 - 1)
            second.execute_command("CLUSTER", "ADDSLOTSRANGE", SLOTS // 2, SLOTS - 1)
            first.execute_command("CLUSTER", "MEET", "127.0.0.1", urlsplit(servers[1].url).port, buses[1])
        if request.param != "without slots":
            wait_until(lambda: first.cluster("INFO")["cluster_state"] == "ok", "the cluster")
        yield servers[0].url


@pytest.mark.parametrize("variable", ["REDIS_URL", "STATE_REDIS_URL"])
def test_a_cluster_that_is_found_later_is_told_by_ready_and_pictures_are_served(
    make_client, redis_url, cluster_url, variable, capsys
):
    urls = {"redis_url": redis_url, "state_redis_url": redis_url} | {variable.lower(): cluster_url}
    client = make_client(**urls)
    purpose = "state" if variable == "STATE_REDIS_URL" else "cache"
    ready = client.get("/ready")
    states = {"cache": "ok", "state": "ok"} | {purpose: ADVICE.format(variable)}
    assert (ready.status_code, {name: ready.json[name] for name in states}) == (503, states)
    assert get(client, PAGE).status_code == 200
    assert ADVICE.format(variable) in capsys.readouterr().out


def test_the_event_of_a_refused_command_says_what_to_do(make_client, cluster_url, capsys):
    client = make_client(redis_url=cluster_url)
    for number in range(8):  # of a cluster of two, one server takes half of the keys
        get(client, f"{PAGE}{number}")
    client.post("/screenshots", json={"url": PAGE})
    assert ADVICE.format("REDIS_URL and STATE_REDIS_URL") in capsys.readouterr().out
