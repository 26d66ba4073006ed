"""What it costs a hit that the web process counts for Prometheus: processor time of the same hits with metrics and without.

Both services run at the same time and are asked in turn, in short rounds, so that other load affects both alike. Processor
time tells more than the rate: it does not depend on what else the machine does meanwhile.
"""

import os
import statistics
import time
from pathlib import Path

import requests

from bench.load import Load, wrk
from bench.report import Row, count
from bench.servers import path, running_fake_api, running_ours_process
from tests.support.processes import free_port
from tests.support.redis import running_redis

ROUNDS, SECONDS = 12, 2
MOST = 0.02
TICK = os.sysconf("SC_CLK_TCK")


def rows(work: Path) -> list[Row]:
    port = free_port()
    for name in ("off", "on"):
        (work / name).mkdir()
    with (
        running_redis() as redis,
        running_fake_api(work) as api,
        running_ours_process(work / "off", redis, api) as (off, off_process),
        running_ours_process(work / "on", redis, api, metrics_port=port) as (on, on_process),
    ):
        for url in (off, on):
            wrk(url, [path("hot")], 1)  # warm-up
        pairs = []
        for number in range(ROUNDS):
            measured = {}
            # Each is first in every other round.
            for url, process in [(off, off_process), (on, on_process)][:: 1 if number % 2 else -1]:
                if url == on:
                    requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).raise_for_status()
                measured[url] = _measure(url, process.pid)
            pairs.append((measured[off], measured[on]))
    ratios = [with_metrics / without for (without, _), (with_metrics, _) in pairs]
    cost = statistics.median(ratios) - 1
    without, with_metrics = (statistics.median(pair[side][0] for pair in pairs) for side in (0, 1))
    rates = [statistics.median(pair[side][1].rate for pair in pairs) for side in (0, 1)]
    return [
        Row(
            f"processor time of a hit with metrics, median of {ROUNDS} pairs",
            f"{with_metrics * 1e6:.1f} µs, {count(rates[1])}/s",
            f"without: {without * 1e6:.1f} µs, {count(rates[0])}/s",
            f"{cost:+.1%} (quartiles {_quartiles(ratios)})",
            f"≤ +{MOST:.0%}",
            cost <= MOST,
        )
    ]


def _measure(url: str, pid: int) -> tuple[float, Load]:
    """Return the seconds of processor time for each hit, and the load. The main process and its children count."""
    before = _spent(pid)
    load = wrk(url, [path("hot")], SECONDS)
    if not load.clean:
        raise RuntimeError(f"some requests failed: {load}")
    time.sleep(1.2)  # until the last tallies are written
    return (_spent(pid) - before) / (load.rate * SECONDS), load


def _spent(pid: int) -> float:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    stats = [
        Path(f"/proc/{each}/stat").read_text(encoding="utf-8").rpartition(")")[2].split() for each in (pid, *children)
    ]
    return sum(int(fields[11]) + int(fields[12]) for fields in stats) / TICK


def _quartiles(ratios: list[float]) -> str:
    low, _, high = statistics.quantiles(ratios, n=4)
    return f"{low - 1:+.1%} to {high - 1:+.1%}"
