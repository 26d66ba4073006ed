"""Two web processes and a worker on two Redis servers, on one, and two installations on one Redis."""

from contextlib import ExitStack

import pytest
import redis
import requests

from tests.support import redis_keys
from tests.support.preloaded import production_environ, run_python
from tests.support.processes import wait_until
from tests.support.redis import running_redis
from tests.support.screenshot_api import refuse, running_screenshot_api
from tests.support.web import running_web
from tests.support.worker import FAST_CLOCK, running_beat, running_worker

PAGE = "https://example.com/"
ENDED = ("completed", "failed")

pytestmark = pytest.mark.slow


class Installation:
    """Two web processes, a worker and a screenshot API of their own."""

    def __init__(self, stack, folder, **settings):
        folder.mkdir()
        self.api = stack.enter_context(running_screenshot_api("snapsharp", "sk_live_test"))
        self.settings = {
            "snapsharp_api_key": "sk_live_test",
            "capture_url": self.api.url,
            "resolve_targets": "false",
            "persist_dir": folder / "media",
            "request_limit": "100000 per minute",
            "refresh_budget": 1000,
            "web_concurrency": 2,
        } | settings
        self.log = folder / "web.log"
        self.web = stack.enter_context(running_web(self.log, **self.settings))
        self.worker_log = folder / "worker.log"
        stack.enter_context(running_worker(self.worker_log, FAST_CLOCK, **self.settings))
        stack.enter_context(running_beat(folder / "beat.log", FAST_CLOCK, **self.settings))

    def thumb(self, url=PAGE, **options):
        return requests.get(f"{self.web}/thumb", {"url": url} | options, timeout=60)

    def post(self, path, key="", **body):
        headers = {"Idempotency-Key": key} if key else {}
        return requests.post(self.web + path, json=body, headers=headers, timeout=60)

    def look(self, path):
        return requests.get(self.web + path, timeout=60).json()

    def ended(self, response):
        path = response.headers["Location"]
        wait_until(lambda: self.look(path)["status"] in ENDED, "the end of a job")
        return self.look(path)

    def captured(self):
        return {call.params["url"] for call in self.api.calls}


def be_busy(here):
    """Use all that is kept in Redis: captures, failures, permanent pictures, jobs, a batch, refreshes."""
    here.api.behave(refuse(404, "not_found"), url=f"{PAGE}broken")
    here.api.behave(refuse(500, "internal"), url=f"{PAGE}failing", times=9)
    for name in ("one", "two", "broken", "failing"):
        for _ in range(4):
            here.thumb(PAGE + name, w=64)
    assert here.post("/persist", "order-1", url=f"{PAGE}one").status_code == 201
    single = here.post("/screenshots", "order-1", url=f"{PAGE}job")
    batch = here.post("/screenshots", "order-2", urls=[f"{PAGE}{number}" for number in range(5)])
    assert [here.ended(each)["status"] for each in (single, batch)] == ["completed"] * 2
    wait_until(lambda: b'"queue_stats"' in here.worker_log.read_bytes(), "a round of beat")
    assert requests.get(f"{here.web}/ready", timeout=20).status_code == 200


def unexplained(client, server):
    """Return the keys that the table of keys does not know for `server`, and those without expiry and without a reason."""
    rows = [row for row in redis_keys.rows() if server in row.servers]
    found = []
    for key in client.scan_iter(count=1000):
        known = [row for row in rows if row.matches(key.decode().partition(":")[2])]
        if not known or (client.ttl(key) == -1 and not any(row.lasts for row in known)):
            found.append(key)
    return found


def lasting_jobs(client):
    """Return the jobs without expiry that have ended."""
    jobs = [key for key in client.scan_iter("*:{jobs}:job:*", count=1000) if client.ttl(key) == -1]
    return [key for key in jobs if client.hget(key, "state").decode() in ENDED]


@pytest.fixture(scope="module")
def apart(tmp_path_factory):
    """A busy installation on two Redis servers, and clients of these."""
    with ExitStack() as stack:
        cache = stack.enter_context(running_redis("--maxmemory", "8mb", "--maxmemory-policy", "allkeys-lru"))
        state = stack.enter_context(running_redis("--maxmemory", "64mb"))
        folder = tmp_path_factory.mktemp("apart") / "here"
        here = Installation(stack, folder, redis_url=cache.url, state_redis_url=state.url, persist_limit="2 per hour")
        be_busy(here)
        clients = (stack.enter_context(redis.Redis.from_url(server.url)) for server in (cache, state))
        yield here, dict(zip(("cache", "state"), clients, strict=True))


def test_after_a_busy_time_every_key_is_known_and_expires(apart):
    here, clients = apart
    wait_until(lambda: clients["state"].exists("thumb:views"), "the views")
    assert {name: unexplained(client, name) for name, client in clients.items()} == {"cache": [], "state": []}
    assert lasting_jobs(clients["state"]) == []
    assert {"picture", "original", "failure"} <= {key.decode().split(":")[1] for key in clients["cache"].scan_iter()}
    assert "redis_shared" not in here.log.read_text() + here.worker_log.read_text()


@pytest.mark.parametrize("loss", ["flushed", "full", "away"])
def test_limits_jobs_and_idempotency_outlive_the_cache_in_every_process(apart, loss):
    here, clients = apart
    cache = clients["cache"]
    job = here.post("/screenshots", f"before-{loss}", url=f"{PAGE}{loss}")
    assert here.ended(job)["status"] == "completed"
    if loss == "flushed":
        cache.flushall()
    elif loss == "full":
        for number in range(200):
            cache.set(f"thumb:picture:{number}", bytes(100_000), ex=1000)
    else:
        cache.shutdown(nosave=True)
    again = [here.post("/screenshots", f"before-{loss}", url=f"{PAGE}{loss}") for _ in range(4)]
    assert {response.text for response in again} == {job.text}
    assert here.look(job.headers["Location"])["status"] == "completed"
    assert here.ended(here.post("/screenshots", url=f"{PAGE}after-{loss}"))["status"] == "completed"
    persist = [here.post("/persist", url=f"{PAGE}one").status_code for _ in range(3)]
    assert persist[-1] == 429, "counted in the state, by both processes"
    assert here.thumb(f"{PAGE}seen-{loss}").status_code == 200


def test_one_redis_holds_both_and_each_process_warns(tmp_path):
    with ExitStack() as stack:
        server = stack.enter_context(running_redis("--maxmemory", "64mb", "--maxmemory-policy", "volatile-lru"))
        here = Installation(stack, tmp_path / "here", redis_url=server.url)
        be_busy(here)
        for log in (here.log, here.worker_log):
            assert "limits and jobs are evicted with pictures" in log.read_text()


def test_two_installations_on_one_redis_do_each_their_own_jobs(tmp_path):
    with ExitStack() as stack:
        server = stack.enter_context(running_redis())
        here, there = (
            Installation(stack, tmp_path / prefix, redis_url=server.url, redis_prefix=prefix)
            for prefix in ("here", "there")
        )
        jobs = {
            each: [each.post("/screenshots", url=f"{PAGE}{name}/{number}") for number in range(5)]
            for each, name in ((here, "here"), (there, "there"))
        }
        for each, responses in jobs.items():
            assert [each.ended(response)["status"] for response in responses] == ["completed"] * 5
        assert here.captured() == {f"{PAGE}here/{number}" for number in range(5)}
        assert there.captured() == {f"{PAGE}there/{number}" for number in range(5)}
        client = stack.enter_context(redis.Redis.from_url(server.url))
        assert {key.decode().split(":")[0] for key in client.scan_iter()} == {"here", "there"}
        assert [_nodes(tmp_path, server.url, prefix) for prefix in ("here", "there", "nobody")] == [1, 1, 0]


def _nodes(folder, url, prefix):
    """Count the workers that answer to `celery inspect`."""
    env = production_environ() | {"REDIS_URL": url, "REDIS_PREFIX": prefix}
    words = ("--app", "worker", "inspect", "ping", "--timeout", "3")
    return run_python("celery", *words, env=env, cwd=folder).stdout.count("pong")
