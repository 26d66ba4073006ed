"""The engine's file descriptors: it raises its limit, and survives running out of them with few lines in the log."""

import contextlib
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from engine.descriptors import PER_CAPTURE
from tests.engine.conftest import small_engine
from tests.engine.page.test_hostile_pages import failure
from tests.engine.page.test_options import GREEN, body, colour
from tests.support.engine import Engine, eventually, running_engine
from tests.support.site import Site

USED_UP = "the egress proxy cannot accept connections"


def limited(soft: int, hard: int) -> list[str]:
    return ["prlimit", f"--nofile={soft}:{hard}"]


def limits(pid: int) -> list[str]:
    (line,) = [
        line for line in Path(f"/proc/{pid}/limits").read_text().splitlines() if line.startswith("Max open files")
    ]
    return line.split()[3:5]


def listening(engine: Engine) -> set[int]:
    """The loopback ports on which the engine listens for its browsers."""
    sockets = {str(link.readlink())[8:-1] for link in Path(f"/proc/{engine.process.pid}/fd").iterdir()}
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ports = {int(line[1].partition(":")[2], 16) for line in lines if line[3] == "0A" and line[9] in sockets}
    return ports - {int(engine.url.rpartition(":")[2])}


@pytest.mark.parametrize("module", ["engine", "engine.outlet"])
def test_the_limit_is_raised_to_the_hard_limit_but_not_for_the_browser(module: str):
    settings = {"ENGINE_CONCURRENCY": 2, "ENGINE_FILTER_LISTS": "/nowhere.txt"}
    with running_engine(module, limited(700, 9000), **settings) as running:
        assert limits(running.process.pid) == ["9000", "9000"]
        assert not [event for event in running.events if "open files" in event["event"]]
        for browser in running.browser_pids:  # an outlet has none
            assert int(limits(browser)[0]) <= 8192  # Chromium itself raises its limit to this


def test_an_engine_that_runs_out_of_descriptors_survives_logs_briefly_and_captures_again(site: Site):
    gate = threading.Event()
    site.add("/late.png", gate=gate)
    plain, slow = site.add("/plain", body("green")), site.add("/slow", body("green", "<img src=/late.png>"))
    named = plain.replace("127.0.0.1", "localhost")
    settings: dict[str, Any] = {
        "PRIVATE_TARGETS": f"{site.address},localhost:{site.port}",
        "ENGINE_CONCURRENCY": 2,
        "ENGINE_ISOLATION": "flags",  # so that the test can connect to the proxies
    }
    with (
        small_engine(site, prefix=limited(120, 120), **settings) as engine,
        ThreadPoolExecutor(2) as pool,
        contextlib.ExitStack() as silent,
    ):
        (warning,) = [event for event in engine.events if event["event"].startswith("the limit of open files is low")]
        assert (warning["allowed"], warning["wanted"]) == (120, 2 * PER_CAPTURE)
        # Both over persistent connections: new ones will fail.
        assert [colour(answer) for answer in pool.map(engine.capture, [plain, named])] == [GREEN, GREEN]
        capture, began = pool.submit(engine.capture, slow), time.monotonic()
        eventually(lambda: site.hits("/late.png"))
        for port in listening(engine):
            for _ in range(130):
                silent.enter_context(socket.create_connection(("127.0.0.1", port)))
        eventually(lambda: len(engine.logged(USED_UP)) > 1)
        assert failure(engine.capture(named))[:2] == (503, "resolver_busy")
        silent.close()
        gate.set()
        assert colour(capture.result()) == GREEN
        assert colour(engine.capture(plain)) == GREEN
        kinds = 3  # of errors, each logged once a second: new connections, the memory watch, and one in reserve
        assert len(engine.events) < 15 + kinds * (time.monotonic() - began + 1)
