"""Redis behind three Sentinels: a failover makes another server the primary, at another address."""

import stat
from pathlib import Path

import pytest

from coordination import open_connections
from tests.support.processes import wait_until
from tests.support.sentinels import SECRETS, running_service
from tests.support.visitors import PAGE, get

OTHER, THIRD = "https://example.org/", "https://example.net/"


@pytest.fixture
def watched(tmp_path):
    with running_service(tmp_path / "sentinels") as service:
        yield service


def spelled(watched, purpose, other):
    """Settings by which the watched service serves `purpose`, and the Redis `other` the rest."""
    urls = {"cache": (watched.url, other), "state": (other, watched.url), "both": (watched.url, None)}
    return dict(zip(("redis_url", "state_redis_url"), urls[purpose], strict=True))


def states(client):
    ready = client.get("/ready")
    return ready.status_code, ready.json["cache"], ready.json["state"]


def calls_both(client):
    """Whether the process calls both purposes' Redis again, after an error of one of them."""
    found = client.application.extensions["services"].connections
    return all(each.breaker.call("test", each.client.ping)[1] for each in (found.cache, found.state))


def sockets():
    """Count the open sockets of this process."""
    return sum(stat.S_ISSOCK(each.stat().st_mode) for each in Path("/proc/self/fd").iterdir() if each.exists())


@pytest.mark.slow
def test_connections_to_sentinels_are_closed_with_the_others(watched):
    before = sockets()
    connections = open_connections(watched.url, watched.url, "thumb", 1)
    assert connections.state.client.ping()
    assert sockets() >= before + 2
    connections.close()
    assert sockets() == before


@pytest.mark.slow
@pytest.mark.parametrize("failover", ["of a killed primary", "of a frozen primary", "on request"])
def test_looks_limits_and_jobs_go_on_at_the_new_primary(make_client, api, watched, failover, capsys):
    client = make_client(redis_url=watched.url, thumb_limit="2 per hour")
    assert get(client, PAGE).headers["X-Cache"] == "MISS"
    assert client.post("/screenshots", json={"url": PAGE}).status_code == 202
    assert states(client) == (200, "ok", "ok")
    watched.replicated()
    if failover == "on request":
        watched.fail_over()
        leaves_the_old_primary(client, watched)
    else:
        lose, find = {
            "of a killed primary": (watched.kill_primary, watched.restart_old_primary),
            "of a frozen primary": (watched.freeze_primary, watched.thaw_old_primary),
        }[failover]
        lose()
        assert states(client) == (503, "unreachable", "unreachable")
        watched.promoted()
        find()
    wait_until(lambda: calls_both(client), "the end of the breaker's pause")
    assert states(client) == (200, "ok", "ok")

    assert get(client, PAGE).headers["X-Cache"] == "HIT"
    assert [get(client, OTHER).headers["X-Cache"] for _ in range(2)] == ["MISS", "HIT"]
    assert get(client, THIRD).status_code == 429, "the limit is counted in the new primary"
    assert len(api.calls) == 2
    jobs = client.application.extensions["services"].jobs
    for url in (OTHER, THIRD):
        assert client.post("/screenshots", json={"url": url}).status_code == 202
    with watched.client(watched.primary) as new:
        # The first message after the failover is sent again by the worker's clock, a second later.
        wait_until(lambda: jobs.send_due() or new.llen("thumb:celery:interactive") == 3, "all messages in the queue")
    watched.demoted()
    assert strangers(watched) == [], "no connection stays with the old primary"
    output = capsys.readouterr().out
    assert not [secret for secret in SECRETS if secret in output]


def leaves_the_old_primary(client, watched):
    """Assert that the process finds the new primary while the old one still accepts writes, which would be lost."""
    with watched.client(watched.primary) as new, watched.client(watched.replica) as old:
        new.delete("thumb:ready")
        wait_until(lambda: states(client)[0] == 200 and new.exists("thumb:ready"), "a write to the new primary")
        assert old.role()[0] == b"master"


def strangers(watched):
    """Return the connections to the old primary that are not those of Sentinels, of the replication or of this test."""
    with watched.client(watched.replica) as old:
        known = old.client_id()
        return [
            each
            for each in old.client_list()
            if not each["name"].startswith("sentinel-") and "M" not in each["flags"] and int(each["id"]) != known
        ]


@pytest.mark.slow
@pytest.mark.parametrize("purpose", ["cache", "state"])
def test_each_purpose_may_have_a_service_of_its_own(make_client, watched, redis_url, purpose):
    client = make_client(**spelled(watched, purpose, redis_url))
    assert [get(client, PAGE).headers["X-Cache"] for _ in range(2)] == ["MISS", "HIT"]
    watched.kill_primary()
    broken = {"cache": (503, "unreachable", "ok"), "state": (503, "ok", "unreachable")}
    assert states(client) == broken[purpose]
    assert get(client, PAGE).status_code == 200
    watched.promoted()
    wait_until(lambda: calls_both(client), "the end of the breaker's pause")
    assert states(client) == (200, "ok", "ok")
    assert [get(client, OTHER).headers["X-Cache"] for _ in range(2)] == ["MISS", "HIT"]


def test_sentinels_that_are_down_are_passed_over(make_client, watched):
    watched.sentinels[0].shutdown(nosave=True)
    client = make_client(redis_url=watched.url)
    assert states(client) == (200, "ok", "ok")


def test_a_wrong_name_of_the_service_is_told_in_the_log(make_client, watched, capsys):
    client = make_client(redis_url=watched.url.replace("/thumbs/", "/thumbz/"))
    assert states(client) == (503, "unreachable", "unreachable")
    output = capsys.readouterr().out
    assert "No master found for 'thumbz'" in output
    assert not [secret for secret in SECRETS if secret in output]
