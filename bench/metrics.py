"""What it costs a hit that the web process counts for Prometheus: processor time of the same hits with metrics and without.

Both services run at the same time, with one worker each. One client asks them in turn, request by request, so that other
load affects both alike. The rate would tell less: it depends on what else the machine does meanwhile. What the processes
spend without hits, such as on writing their tallies once a second, is measured apart and subtracted.
"""

import http.client
import statistics
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests

from bench.report import Row
from bench.servers import path, running_fake_api, running_ours_process
from tests.support.processes import free_port
from tests.support.redis import running_redis

BLOCKS, HITS = 60, 250  # blocks, and hits of each service in a block
IDLE_SECONDS = 10
MOST = 0.02


@dataclass(frozen=True)
class Asked:
    """A connection to a service, and the process ids of its main process and its worker."""

    connection: http.client.HTTPConnection
    pids: list[int]

    def hit(self) -> None:
        self.connection.request("GET", path("hot"))
        answer = self.connection.getresponse()
        answer.read()
        if answer.getheader("X-Cache") != "HIT":
            raise RuntimeError(f"not a hit: {answer.status} {answer.getheader('X-Cache')}")

    def spent(self) -> float:
        """Return the processor time so far, in microseconds, of all threads."""
        tasks = (task for pid in self.pids for task in Path(f"/proc/{pid}/task").glob("*/schedstat"))
        return sum(int(task.read_text(encoding="ascii").split()[0]) for task in tasks) / 1000


def rows(work: Path) -> list[Row]:
    port, usual = free_port(), {"web_concurrency": 1}
    for name in ("off", "on"):
        (work / name).mkdir()
    with (
        running_redis() as redis,
        running_fake_api(work) as api,
        running_ours_process(work / "off", redis, api, **usual) as (off_url, off_process),
        running_ours_process(work / "on", redis, api, **usual, redis_prefix="on", metrics_port=port) as (
            on_url,
            on_process,
        ),
        closing(_connect(off_url)) as off,
        closing(_connect(on_url)) as on,
    ):
        services = Asked(off, _pids(off_process.pid)), Asked(on, _pids(on_process.pid))
        _block(services, (0, 0))  # warm-up
        idle = _idle(services)
        pairs = []
        for number in range(BLOCKS):
            if number % 10 == 0:  # Prometheus scrapes every few seconds
                requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).raise_for_status()
            pairs.append(_block(services, idle))
    ratios = [with_metrics / without for without, with_metrics in pairs]
    cost = statistics.median(ratios) - 1
    without, with_metrics = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
    low, _, high = statistics.quantiles(ratios, n=4)
    return [
        Row(
            f"processor time of a hit with metrics, median of {BLOCKS} pairs of {HITS} hits",
            f"{with_metrics:.1f} µs",
            f"without: {without:.1f} µs",
            f"{cost:+.1%} (quartiles {low - 1:+.1%} to {high - 1:+.1%})",
            f"≤ +{MOST:.0%}",
            cost <= MOST,
        ),
        Row(
            "processor time without hits, main process and one worker",
            f"{idle[1] / 1000:.1f} ms/s",
            f"without metrics: {idle[0] / 1000:.1f} ms/s",
        ),
    ]


def _connect(url: str) -> http.client.HTTPConnection:
    requests.get(url + path("hot"), timeout=60).raise_for_status()
    parts = urlsplit(url)
    return http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)


def _pids(main: int) -> list[int]:
    children = Path(f"/proc/{main}/task/{main}/children").read_text(encoding="ascii").split()
    return [main, *map(int, children)]


def _idle(services: tuple[Asked, Asked]) -> tuple[float, float]:
    """Return the microseconds that each service spends in a second without hits."""
    for each in services:
        each.connection.close()  # which is kept alive for less long; the next hit opens another
    before = [each.spent() for each in services]
    time.sleep(IDLE_SECONDS)
    off, on = (each.spent() - was for each, was in zip(services, before, strict=True))
    return off / IDLE_SECONDS, on / IDLE_SECONDS


def _block(services: tuple[Asked, Asked], idle: tuple[float, float]) -> tuple[float, float]:
    """Return the microseconds of a hit of each service."""
    before, began = [each.spent() for each in services], time.monotonic()
    for number in range(HITS):
        for each in services[:: 1 if number % 2 else -1]:  # each is first every other time
            each.hit()
    seconds = time.monotonic() - began
    off, on = (each.spent() - was - seconds * alone for each, was, alone in zip(services, before, idle, strict=True))
    return off / HITS, on / HITS
