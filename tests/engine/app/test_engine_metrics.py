"""Each metric of the engine and of the outlet is moved by what it counts: a real engine with its browser."""

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import NamedTuple

import pytest
import requests

from tests.support.engine import Engine, eventually, running_engine
from tests.support.processes import accepts
from tests.support.scrape import Metrics, measured
from tests.support.site import Site

CONNECTIONS = 512  # of an outlet for one capture at a time
MOST_CAPTURES = 4
# Holds more memory than its browser may have, and stays busy for long enough that the engine sees it.
GREEDY = """<!doctype html><script>const held = []; for (let n = 0; n < 60; n++) held.push(new Uint8Array(1 << 24).fill(n));
const end = Date.now() + 1500; while (Date.now() < end);</script>greedy"""
PARTS = ("queue", "prepare", "arrive", "settle", "shoot")


class MeasuredEngine(NamedTuple):
    engine: Engine
    metrics: Metrics
    outlet: Metrics
    outlet_address: tuple[str, int]
    outlet_pid: int


@pytest.fixture(scope="module")
def running(site: Site, closed_port: int) -> Iterator[MeasuredEngine]:
    """An engine for one capture at a time, behind an outlet."""
    metrics, setting = measured()
    outlet, outlet_setting = measured()
    targets = f"{site.address},127.0.0.1:{closed_port}"
    exempt = {"PRIVATE_TARGETS": targets, "ENGINE_FILTER_LISTS": "/nowhere.txt", "ENGINE_CONCURRENCY": 1}
    browser = {"ENGINE_MAX_CAPTURES": MOST_CAPTURES, "ENGINE_MEMORY_LIMIT": 700, "ENGINE_RENDERER_LIMIT": 4096}
    with running_engine("engine.outlet", **exempt, METRICS_PORT=outlet_setting["metrics_port"]) as gate:
        address = gate.logged("ready")[0]["address"]
        egress = f"{address[0]}:{address[1]}"
        with running_engine(**exempt, **browser, ENGINE_EGRESS=egress, METRICS_PORT=setting["metrics_port"]) as engine:
            yield MeasuredEngine(engine, metrics, outlet, (address[0], address[1]), gate.process.pid)


def test_captures_are_counted_by_outcome_and_by_part(running: MeasuredEngine, site: Site) -> None:
    site.add("/measured", "<!doctype html><h1>measured</h1>")
    site.add("/gone-now", "gone", status=410)
    metrics, name = running.metrics, "thumbnails_engine_captures_total"
    before = {part: metrics.count("thumbnails_engine_capture_part_duration_seconds", part=part) for part in PARTS}
    with (
        metrics.moves(name, by=1, outcome="ok"),
        metrics.moves(name, by=1, outcome="page_status"),
        metrics.moves(name, by=1, outcome="blocked_url"),
        metrics.moves("thumbnails_guard_verdicts_total", verdict="loopback"),
        metrics.moves("thumbnails_guard_verdicts_total", verdict="exempt"),
        running.outlet.moves("thumbnails_outlet_connections_total", outcome="connected"),
        running.outlet.moves("thumbnails_outlet_connections_total", outcome="held"),
    ):
        assert running.engine.capture(site.url("/measured")).status_code == 200
        assert running.engine.capture(site.url("/gone-now")).status_code == 422
        assert running.engine.capture("http://127.0.0.1:80/").status_code == 400
    after = {part: metrics.count("thumbnails_engine_capture_part_duration_seconds", part=part) for part in PARTS}
    assert {part: after[part] - before[part] for part in PARTS} == dict.fromkeys(PARTS, 2) | {"shoot": 1}


def test_captures_that_run_and_wait_are_shown(running: MeasuredEngine, site: Site) -> None:
    released, name = threading.Event(), "thumbnails_engine_captures_in_progress"
    site.add("/held", "<!doctype html>held", gate=released)
    assert running.metrics.value("thumbnails_engine_concurrency") == 1
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(running.engine.capture, site.url("/held")) for _ in range(2)]
        running.metrics.wait_for(name, lambda count: count == 1, state="running")
        running.metrics.wait_for(name, lambda count: count == 1, state="queued")
        released.set()
        assert [each.result().status_code for each in asked] == [200, 200]
    running.metrics.wait_for(name, lambda count: count == 0, state="running")


def test_browsers_are_counted_by_the_reason_of_their_start(running: MeasuredEngine, site: Site) -> None:
    name = "thumbnails_engine_browser_starts_total"
    site.add("/plain", "<!doctype html>plain")
    assert running.metrics.count(name, reason="first") == 1
    with running.metrics.moves(name, by=1, reason="crashed"):
        os.kill(running.engine.browser_pids[-1], signal.SIGKILL)
    with running.metrics.moves(name, by=1, reason="captures"):
        for _ in range(MOST_CAPTURES + 1):
            assert running.engine.capture(site.url("/plain")).status_code == 200
    site.add("/greedy", GREEDY)
    with running.metrics.moves(name, by=1, reason="memory"):
        running.engine.capture(site.url("/greedy"))


def test_connections_to_the_outlet_are_counted_by_what_came_of_them(running: MeasuredEngine, closed_port: int) -> None:
    name, private = "thumbnails_outlet_connections_total", b"\x05\xf0\x00\x01\x0a\x00\x00\x01\x00\x50"
    for outcome, sent in (
        ("invalid", b"GET / HTTP/1.1\r\n\r\n"),
        ("not_allowed", b"\x05\x01\x00" + private),
        ("looked_up", b"\x05\x01\x00\x05\xf0\x00\x01\x5d\xb8\xd8\x22\x00\x50"),
    ):
        with (
            running.outlet.moves(name, by=1, outcome=outcome),
            socket.create_connection(running.outlet_address) as line,
        ):
            line.sendall(sent)
            while line.recv(1024):
                pass
    with running.outlet.moves(name, outcome="failed"):
        assert running.engine.capture(f"http://127.0.0.1:{closed_port}/").status_code == 422


def test_connections_beyond_the_most_are_counted(running: MeasuredEngine) -> None:
    name = "thumbnails_outlet_connections_total"
    with running.outlet.moves(name, outcome="too_many"), ExitStack() as stack:
        for _ in range(CONNECTIONS + 8):
            stack.enter_context(socket.create_connection(running.outlet_address))
        running.outlet.wait_for("thumbnails_outlet_connections_in_progress", lambda count: count >= CONNECTIONS - 8)


def test_the_processes_are_measured_browsers_included(running: MeasuredEngine) -> None:
    for metrics, process, pid in (
        (running.metrics, "engine", running.engine.process.pid),
        (running.outlet, "outlet", running.outlet_pid),
    ):
        assert metrics.value("thumbnails_build_info", process=process) == 1
        metrics.show_a_held_loop("thumbnails_loop_delay_seconds", pid)
        judged = subprocess.run(
            ["promtool", "check", "metrics"], input=metrics.text(), capture_output=True, text=True, check=False
        )
        assert (judged.returncode, judged.stdout + judged.stderr) == (0, "")
    assert running.metrics.value("thumbnails_processes", kind="child") > 1
    assert running.metrics.value("thumbnails_process_resident_memory_bytes", kind="child") > 2**26


def test_a_client_that_hangs_up_is_counted(running: MeasuredEngine, site: Site) -> None:
    released = threading.Event()
    site.add("/left", "<!doctype html>left", gate=released)
    with running.metrics.moves("thumbnails_engine_captures_total", by=1, outcome="client_gone"):
        with pytest.raises(requests.ReadTimeout):
            running.engine.capture(site.url("/left"), timeout=2)
        released.set()


def test_an_engine_whose_port_for_metrics_is_taken_says_so_and_tries_again(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with running_engine("engine.outlet", PRIVATE_TARGETS=site.address, METRICS_PORT=port) as outlet:
            (told,) = outlet.logged("metrics_unavailable")
            taken.close()
            eventually(lambda: accepts(port))  # it has tried again
    assert (told["setting"], told["port"], told["level"]) == ("METRICS_PORT", port, "error")
    assert "set METRICS_PORT to a free port" in told["action"]
