"""The log of the web process: an event for each request, although several are written together."""

import json
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import requests

from tests.support.preloaded import ROOT, production_environ
from tests.support.processes import free_port, running
from tests.support.redis import running_redis

# The shipped configuration, with more time in which requests are collected.
CONFIGURATION = """
import importlib.util
spec = importlib.util.spec_from_file_location("shipped", {shipped!r})
shipped = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shipped)
shipped.LOG_SECONDS = {seconds}
globals().update(vars(shipped))
"""


@pytest.fixture(scope="module")
def redis():
    with running_redis() as server:
        yield server


@contextmanager
def running_web(folder, redis, stderr, seconds):
    shipped = str(ROOT / "deploy" / "gunicorn.conf.py")
    configuration = folder / "gunicorn.conf.py"
    configuration.write_text(CONFIGURATION.format(shipped=shipped, seconds=seconds), encoding="utf-8")
    port = free_port()
    env = production_environ() | {"PORT": str(port), "REDIS_URL": redis.url, "LOG_FORMAT": "json"}
    command = [sys.executable, "-m", "gunicorn", "-c", str(configuration), "app:app"]
    with running(command, port, env=env, cwd=ROOT, stderr=stderr):
        yield f"http://127.0.0.1:{port}"


def ids_of_requests(log):
    """Return the ids of the requests in a log. Every line that begins an event must be a whole one."""
    found = [json.loads(line) for line in log.splitlines() if line.startswith(b"{")]
    return Counter(each["request_id"] for each in found if each["event"] == "request")


def ask(url, ids):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda id_: requests.get(f"{url}/health", headers={"X-Request-ID": id_}, timeout=20), ids))


def test_a_process_that_stops_has_logged_all_that_it_responded_to(redis, tmp_path):
    ids = [f"request-{number:04}" for number in range(100)]
    log = tmp_path / "web.log"
    with log.open("wb") as file, running_web(tmp_path, redis, file, seconds=1000) as url:
        ask(url, ids)
    logged = ids_of_requests(log.read_bytes())
    assert [logged[id_] for id_ in ids] == [1] * len(ids)
