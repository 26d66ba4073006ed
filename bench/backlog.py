"""The effect of a long job queue on visitors: hits and single misses, with the worker running and with it frozen."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median

import requests

from bench.load import Load, wrk
from bench.load import median as middle
from bench.report import Row, times
from bench.report import count as figure
from bench.servers import HUGE_LIMIT, SITE, path, running_fake_api, running_ours, running_worker
from tests.support.redis import running_redis

JOBS = 1000
AT_ONCE = 100  # URLs in a batch
CAPTURE_SECONDS = 0.15  # the time of our engine for a typical page
ROUNDS = 5
SECONDS = 2
MISSES = 6


@dataclass(frozen=True)
class Round:
    """Hits under load, the median time of a single miss in milliseconds, and the jobs done in that time."""

    hits: Load
    miss_ms: float
    done: int


def rows(work: Path) -> list[Row]:
    with (
        running_redis() as redis,
        running_fake_api(work) as api,
        running_ours(work, redis, api, job_limit=HUGE_LIMIT, job_queue_limit=1_000_000) as ours,
    ):
        api.set_latency(CAPTURE_SECONDS)
        with running_worker(work, redis, api, bulk_limit=HUGE_LIMIT) as group:
            idle, busy = _rounds(ours, group)
    return [_hit_row(idle, busy), _miss_row(idle, busy)]


def _rounds(ours: str, group: int) -> tuple[list[Round], list[Round]]:
    """Measure alternately with the worker frozen and with the worker running on at least `JOBS` jobs."""
    idle: list[Round] = []
    busy: list[Round] = []
    pages = count()
    requests.get(ours + path("hot"), timeout=30).raise_for_status()
    wrk(ours, [path("hot")], 1)
    for _ in range(ROUNDS):
        with _frozen(group):
            _fill(ours, pages)
            idle.append(_measure(ours, pages))
        busy.append(_measure(ours, pages))
        if _jobs(ours)["pending"] < JOBS / 2:
            raise RuntimeError(f"the queue became too short: {_jobs(ours)}")
    if not sum(each.done for each in busy):
        raise RuntimeError("the worker did nothing")
    return idle, busy


@contextmanager
def _frozen(group: int) -> Iterator[None]:
    os.killpg(group, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(group, signal.SIGCONT)


def _fill(ours: str, pages: Iterator[int]) -> None:
    while _jobs(ours)["pending"] < JOBS:
        urls = [f"{SITE}/job-{next(pages)}" for _ in range(AT_ONCE)]
        requests.post(f"{ours}/screenshots", json={"urls": urls}, timeout=30).raise_for_status()


def _jobs(ours: str) -> dict[str, int]:
    found: dict[str, int] = requests.get(f"{ours}/ready", timeout=30).json()["jobs"]["jobs"]
    return found


def _measure(ours: str, pages: Iterator[int]) -> Round:
    before = _jobs(ours)["completed"]
    misses = [_miss(ours, path(f"miss-{next(pages)}")) for _ in range(MISSES)]
    hits = wrk(ours, [path("hot")], SECONDS)
    return Round(hits, median(misses) * 1000, _jobs(ours)["completed"] - before)


def _miss(ours: str, wanted: str) -> float:
    began = time.perf_counter()
    answer = requests.get(ours + wanted, timeout=30)
    answer.raise_for_status()
    if answer.headers["X-Cache"] != "MISS":
        raise RuntimeError(f"expected a miss, got {answer.headers['X-Cache']}")
    return time.perf_counter() - began


def _hit_row(idle: list[Round], busy: list[Round]) -> Row:
    """Compare p99s. The two halves of a round are close in time, so the median of the rounds' ratios counts."""
    ratio = median(b.hits.p99 / i.hits.p99 for i, b in zip(idle, busy, strict=True))
    return Row(
        f"hit p99 while {JOBS:,} jobs are queued",
        _describe(busy) + f"; {sum(each.done for each in busy)} jobs done in that time",
        f"worker frozen {_describe(idle)}",
        times(ratio),
        "≤ 1.5 × idle",
        ratio <= 1.5 and all(each.hits.clean for each in idle + busy),
        headline=True,
    )


def _describe(rounds: list[Round]) -> str:
    hits = middle([each.hits for each in rounds])
    return f"{hits.p99:.1f} ms at {figure(hits.rate)} hits/s{hits.faults}"


def _miss_row(idle: list[Round], busy: list[Round]) -> Row:
    ratio = median(b.miss_ms / i.miss_ms for i, b in zip(idle, busy, strict=True))
    mine, rest = (median(each.miss_ms for each in rounds) for rounds in (busy, idle))
    return Row(
        f"one miss in that time (fake API without slots, {CAPTURE_SECONDS * 1000:.0f} ms)",
        f"{mine:.0f} ms",
        f"worker frozen {rest:.0f} ms",
        times(ratio),
        "≤ 1.5 × idle",
        ratio <= 1.5,
    )
