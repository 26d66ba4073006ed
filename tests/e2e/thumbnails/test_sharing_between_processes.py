"""Coalescing across real processes: two services, one Redis, one screenshot API."""

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
import redis
import requests

from tests.support.processes import wait_until
from tests.support.screenshot_api import running_screenshot_api
from tests.support.web import running_web_process


@pytest.fixture(scope="module")
def upstream():
    with running_screenshot_api("snapsharp", "sk_live_test") as server:
        yield server


@pytest.fixture
def api(upstream):
    upstream.reset()
    return upstream


@pytest.fixture
def store(redis_url):
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture(scope="module")
def start(redis_server, upstream, tmp_path_factory):
    """Start web services on one Redis and one screenshot API."""
    folder = tmp_path_factory.mktemp("services")
    return partial(
        running_web_process,
        folder / "web.log",
        redis_url=redis_server.url,
        snapsharp_api_key="sk_live_test",
        capture_url=upstream.url,
        resolve_targets="false",
        request_limit="100000 per minute",
        persist_dir=folder / "media",
    )


@pytest.fixture(scope="module")
def survivor(start):
    """A service of two workers for all tests: its start takes longer than they do."""
    with start(web_concurrency=2) as service:
        yield service


@pytest.fixture
def services(start, survivor, api, store):
    """Two services, the first of them to be killed."""
    with start(web_concurrency=1) as mortal:
        yield mortal, survivor


@pytest.fixture
def page(request):
    """A page for each test, as the surviving service remembers the pictures of the test before."""
    return f"https://example.com/{request.node.name}"


@pytest.fixture
def pool():
    with ThreadPoolExecutor(100) as executor:
        yield executor


def thumb(service, page):
    return requests.get(f"{service}/thumb", {"url": page}, timeout=60)


def test_a_herd_on_two_services_is_one_capture(services, api, pool, store, page):
    gate = threading.Event()
    api.hold(gate)
    answers = [pool.submit(thumb, url, page) for url, _ in services * 50]
    try:
        wait_until(lambda: followers(store) > 0, "another process that waits")
        wait_until(lambda: len(api.calls) > 0, "the capture")
    finally:
        gate.set()

    assert {answer.result().status_code for answer in answers} == {200}
    assert len(api.calls) == 1


def followers(store):
    """How many processes sleep until the holder of a lease is done."""
    return store.info("clients")["blocked_clients"]


def test_a_follower_takes_over_when_the_leader_is_killed(services, api, pool, store, page):
    """Within three seconds, as a lease lives; the bound here is for a machine that has much else to do."""
    (first, process), (second, _) = services
    gate = threading.Event()
    api.hold(gate)
    doomed = pool.submit(thumb, first, page)
    try:
        wait_until(lambda: len(api.calls) == 1, "the first capture")
        follower = pool.submit(thumb, second, page)
        wait_until(lambda: followers(store) == 1, "a follower that waits")
        os.killpg(process.pid, signal.SIGKILL)
        wait_until(lambda: len(api.calls) == 2, "the follower's capture", timeout=10)
    finally:
        gate.set()

    assert follower.result().status_code == 200
    with pytest.raises(requests.ConnectionError):
        doomed.result()
    assert len(api.calls) == 2


def test_an_idempotency_key_outlives_the_process_that_held_it(services, api, pool, page):
    (first, process), (second, _) = services
    gate = threading.Event()
    api.hold(gate)
    doomed = pool.submit(persist, first, page)
    try:
        wait_until(lambda: len(api.calls) == 1, "the first capture")
        assert persist(second, page).status_code == 409
        os.killpg(process.pid, signal.SIGKILL)
    finally:
        gate.set()
    with pytest.raises(requests.ConnectionError):
        doomed.result()
    wait_until(lambda: persist(second, page).status_code != 409, "the key's release")

    assert persist(second, page).json()["width"] == 1280


def test_an_order_is_one_job_though_its_process_dies_while_the_caller_waits(services, pool, page):
    (first, process), (second, _) = services
    doomed = pool.submit(order, first, page)
    wait_until(lambda: kept(second) == 1, "the job")
    os.killpg(process.pid, signal.SIGKILL)
    with pytest.raises(requests.ConnectionError):
        doomed.result()
    answers = []
    wait_until(lambda: answers.append(order(second, page)) or answers[-1].status_code != 409, "the key's release", 60)

    assert answers[-1].status_code == 202
    assert kept(second) == 1
    assert order(second, page).json() == answers[-1].json()


def order(service, page):
    body, headers = {"url": page, "wait": 8}, {"Idempotency-Key": "order-1"}
    return requests.post(f"{service}/screenshots", json=body, headers=headers, timeout=60)


def kept(url):
    return sum(requests.get(f"{url}/ready", timeout=60).json()["jobs"]["jobs"].values())


def persist(service, page):
    return requests.post(f"{service}/persist", json={"url": page}, headers={"Idempotency-Key": "order-1"}, timeout=60)
