"""Jobs outlive their worker: killed, hung, stopped, or without Redis for a while."""

import os
import re
import signal
import socket
import threading
from collections import Counter
from contextlib import ExitStack

import pytest
import redis

from tests.support.deployment import PAGE
from tests.support.processes import wait_until
from tests.support.redis import replicate, running_address, running_redis
from tests.support.worker import HUNG, UNCLOSABLE, children_of

CREDENTIALS = {"aws_access_key_id": "test", "aws_secret_access_key": "an-s3-key-of-the-tests"}
PAUSE = re.compile(r"Trying again in ([\d.]+) seconds")
BRIEF = {"job_time_limit": 8, "capture_timeout": 5}  # a killed worker is missed after a second


@pytest.mark.parametrize("victim", ["child", "worker"])
def test_a_job_outlives_its_worker_and_is_repeated_once(deployment, victim):
    deployment = deployment(**BRIEF)
    worker = deployment.start_worker()
    gate = threading.Event()
    deployment.api.hold(gate)
    path = deployment.ask(url=PAGE)
    wait_until(lambda: deployment.calls() == 1, "the capture")
    if victim == "child":
        for pid in children_of(worker):
            os.kill(pid, signal.SIGKILL)
    else:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
        deployment.start_worker()
    gate.set()

    assert deployment.ended(path)["status"] == "completed"
    assert deployment.calls() == 2
    deployment.settled()


def test_a_page_that_kills_its_worker_each_time_fails(deployment):
    deployment = deployment(**BRIEF)
    worker = deployment.start_worker()
    deployment.api.hold(threading.Event())
    path = deployment.ask(url=PAGE)
    for start in range(1, 4):
        wait_until(lambda start=start: deployment.calls() == start, f"capture {start}")
        for pid in children_of(worker):
            os.kill(pid, signal.SIGKILL)
    job = deployment.ended(path)

    assert (job["status"], job["error"]["code"]) == ("failed", "capture_timeout")
    assert deployment.calls() == 3


def test_a_hung_job_is_stopped_by_the_soft_limit_and_retried(deployment):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = "http://{}:{}".format(*silent.getsockname())
        deployment = deployment(job_time_limit=4, s3_bucket="pics", s3_region="eu-central-1", s3_endpoint_url=endpoint)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(deployment, "settings", deployment.settings | CREDENTIALS)
            deployment.start_worker()
        path = deployment.ask(url=PAGE)
        wait_until(lambda: deployment.look(path)["retries"] == 1, "a retry")
        wait_until(lambda: '"reason":"capture_timeout"' in deployment.log(), "the reason in the log")


def test_a_job_that_ignores_the_soft_limit_is_ended_by_the_hard_one_and_repeated(deployment):
    deployment = deployment(job_time_limit=4)
    deployment.start_worker(HUNG)
    job = deployment.ended(deployment.ask(url=PAGE))

    assert (job["status"], job["retries"], deployment.calls()) == ("completed", 0, 1)
    assert "Hard time limit (4" in deployment.log()
    deployment.settled()


def test_a_worker_that_is_stopped_finishes_its_job(deployment):
    deployment = deployment()
    worker = deployment.start_worker()
    gate = threading.Event()
    deployment.api.hold(gate)
    path = deployment.ask(url=PAGE)
    wait_until(lambda: deployment.calls() == 1, "the capture")
    worker.terminate()
    wait_until(lambda: "Warm shutdown" in deployment.log(), "the shutdown's beginning")
    gate.set()

    assert worker.wait(20) == 0
    assert deployment.look(path)["status"] == "completed"
    assert deployment.calls() == 1


@pytest.mark.timeout(240)
def test_a_restart_of_redis_loses_nothing_and_does_nothing_twice(deployment, tmp_path):
    keeps = ("--appendonly", "yes", "--appendfsync", "everysec", "--dir", str(tmp_path))
    with ExitStack() as stack:
        server = stack.enter_context(running_redis(*keeps))
        deployment = deployment(redis_url=server.url)
        deployment.start_worker(UNCLOSABLE)
        gate = threading.Event()
        deployment.api.hold(gate, url=f"{PAGE}10")
        path = deployment.ask(urls=[f"{PAGE}{number}" for number in range(60)])
        wait_until(lambda: deployment.calls(f"{PAGE}10") == 1, "a capture in the middle")
        server.process.kill()
        server.process.wait()
        gate.set()
        wait_until(lambda: "jobs_unreachable" in deployment.log(), "an outcome that cannot be written")
        stack.enter_context(running_redis(*keeps, port=int(server.url.split(":")[2].split("/")[0])))
        wait_until(lambda: deployment.client.get(path).status_code == 200, "the restarted Redis")
        batch = deployment.ended(path, timeout=150)

    assert batch["completed"] == 60
    assert Counter(call.params["url"] for call in deployment.api.calls) == {
        f"{PAGE}{number}": 1 for number in range(60)
    }


@pytest.mark.parametrize("state", ["a replica", "full"])
def test_a_worker_waits_for_a_redis_that_refuses_to_write(deployment, state):
    with running_redis("--maxmemory-policy", "noeviction") as server, redis.Redis.from_url(server.url) as operator:
        refusing(operator, state)
        deployment = deployment(redis_url=server.url)
        deployment.start_worker(said=b"redis_refuses")
        willing(operator)
        assert deployment.ended(deployment.ask(url=PAGE))["status"] == "completed"


def test_a_worker_looks_every_two_seconds_for_a_redis_that_is_away(deployment):
    with running_redis() as server:
        deployment = deployment(redis_url=server.url)
        deployment.start_worker()
        server.process.kill()
        wait_until(lambda: len(PAUSE.findall(deployment.log())) >= 3, "three tries")
        assert set(PAUSE.findall(deployment.log())) == {"2.00"}


def test_a_worker_outlives_a_failover(deployment):
    with ExitStack() as stack:
        primary, replica = (stack.enter_context(running_redis("--repl-diskless-sync-delay", "0")) for _ in range(2))
        replicate(replica, primary)
        address = stack.enter_context(running_address(primary))
        deployment = deployment(redis_url=address.url)
        worker = deployment.start_worker()
        address.fail_over(replica)
        assert deployment.ended(deployment.ask(url=PAGE))["status"] == "completed"
        assert worker.poll() is None


def refusing(operator, state):
    """Make Redis refuse to write: as the replica of a primary that is away, or for lack of memory."""
    if state == "full":
        operator.config_set("maxmemory", "100kb")
    else:
        operator.slaveof("127.0.0.1", 9)


def willing(operator):
    operator.config_set("maxmemory", 0)
    operator.slaveof()
