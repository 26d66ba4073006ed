"""Batches give way to visitors and single jobs, and keep to their limit."""

import threading
from collections import Counter

from tests.support.deployment import PAGE
from tests.support.engine import running_engine
from tests.support.processes import wait_until
from tests.support.screenshot_api import blank, refuse, running_screenshot_api
from tests.support.site import running_site


def test_single_jobs_are_captured_before_batches(deployment):
    deployment = deployment(worker_concurrency=1)
    gate = threading.Event()
    deployment.api.hold(gate, url=f"{PAGE}0")
    batch = deployment.ask(urls=[f"{PAGE}{number}" for number in range(20)])
    deployment.start_worker()
    wait_until(lambda: deployment.calls(f"{PAGE}0") == 1, "the first capture")
    singles = [f"{PAGE}single{number}" for number in range(3)]
    for url in singles:
        deployment.ask(url=url)
    gate.set()
    deployment.ended(batch)

    assert [call.params["url"] for call in deployment.api.calls][1:4] == singles


def test_a_visitor_does_not_wait_for_batches_in_our_engine(deployment):
    """The worker has as many captures in progress as the engine has slots."""
    gate = threading.Event()
    with running_site() as site, running_engine(PRIVATE_TARGETS=site.address, ENGINE_CONCURRENCY=2) as engine:
        deployment = deployment(
            capture_api="engine", capture_url=engine.url, private_targets=site.address, worker_concurrency=2
        )
        imports = [site.add(f"/import{number}", "<h1>An import", gate=gate) for number in range(4)]
        visited, single = (site.add(path, f"<h1>{path}") for path in ("/visited", "/single"))
        path = deployment.ask(urls=imports)
        deployment.start_worker()
        wait_until(lambda: engine.health()["queued"] == 1, "an import that is queued")
        for _ in range(2):
            assert (
                deployment.client.get("/thumb", query_string={"url": visited, "fresh": 1}).headers["X-Cache"] == "MISS"
            )
        assert (engine.health()["in_flight"], deployment.look(path)["completed"]) == (1, 0)
        gate.set()
        assert deployment.ended(path, timeout=60)["completed"] == 4
        assert deployment.ended(deployment.ask(url=single))["status"] == "completed"


def test_only_batches_are_sent_with_a_low_priority(deployment):
    with running_screenshot_api("engine") as engine:
        deployment = deployment(capture_api="engine", capture_url=engine.url)
        deployment.start_worker()
        deployment.ended(deployment.ask(url=f"{PAGE}single"))
        deployment.ended(deployment.ask(urls=[f"{PAGE}import"]))
        deployment.ended(deployment.ask(urls=[f"{PAGE}kept"], persist=True))
        deployment.client.get("/thumb", query_string={"url": f"{PAGE}visitor"})

    told = {call.params["url"].removeprefix(PAGE): call.headers.get("Priority") for call in engine.calls}
    assert told == {"single": None, "import": "u=7", "kept": "u=7", "visitor": None}


def test_a_batch_is_postponed_without_a_retry_when_the_engine_is_full(deployment):
    with running_screenshot_api("engine") as engine:
        deployment = deployment(capture_api="engine", capture_url=engine.url)
        engine.behave(refuse(429, "rate_limited", headers={"Retry-After": "0"}), times=3)
        path = deployment.ask(urls=[PAGE])
        deployment.start_worker()
        job = deployment.ended(path)["jobs"][0]

    assert (job["status"], job["retries"], len(engine.calls)) == ("completed", 0, 4)


def test_batches_yield_to_visitors(deployment):
    deployment = deployment(bulk_limit="6 per hour")
    for number in range(4):
        assert deployment.client.get("/thumb", query_string={"url": f"{PAGE}visitor{number}"}).status_code == 200
    deployment.start_worker()
    path = deployment.ask(urls=[f"{PAGE}{number}" for number in range(4)])
    wait_until(lambda: deployment.look(path)["completed"] == 2, "what is left")
    wait_until(lambda: deployment.look(path)["pending"] == 2, "the postponement of the others")

    assert deployment.client.get("/thumb", query_string={"url": f"{PAGE}another"}).status_code == 200
    assert deployment.ended(deployment.ask(url=f"{PAGE}single"))["status"] == "completed"
    assert {job["retries"] for job in deployment.look(path)["jobs"]} == {0}
    assert len(deployment.api.calls) == 8


def test_every_call_to_the_api_counts_including_retries_and_second_captures(deployment):
    deployment = deployment(bulk_limit="6 per hour", worker_concurrency=1)
    deployment.api.behave(refuse(502), url=f"{PAGE}visitor", times=2)
    deployment.api.behave(blank, url=f"{PAGE}0", times=2)
    deployment.api.behave(refuse(502), url=f"{PAGE}1", times=9)
    assert deployment.client.get("/thumb", query_string={"url": f"{PAGE}visitor"}).status_code == 200
    deployment.start_worker()
    path = deployment.ask(urls=[f"{PAGE}{number}" for number in range(8)])
    wait_until(lambda: deployment.due_in_more_than(1200) >= 6, "the postponement of those over the limit")

    calls = Counter(call.params["url"].removeprefix(PAGE) for call in deployment.api.calls)
    assert calls == {"visitor": 3, "0": 2, "1": 1}
    jobs = deployment.look(path)["jobs"]
    assert [job["retries"] for job in jobs] == [1, 1, 0, 0, 0, 0, 0, 0]


def test_batches_continue_when_the_limit_allows(deployment):
    deployment = deployment(bulk_limit="5 per second")
    deployment.start_worker()
    assert deployment.ended(deployment.ask(urls=[f"{PAGE}{number}" for number in range(12)]))["completed"] == 12
    assert len(deployment.api.calls) == 12
