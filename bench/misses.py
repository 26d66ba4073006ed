"""Pages that are not known: what they cost others, and how few captures they take."""

import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import requests

from bench.crowd import fetch_all, pending
from bench.load import Load, wrk
from bench.report import Row, count, times
from bench.servers import Fake, path, running_fake, running_ours, running_tutorial
from tests.support.redis import running_redis

CALLERS = 200
MISS_SECONDS = 3.0
ROUNDS = 2


def rows(work: Path) -> list[Row]:
    with ExitStack() as stack:
        redis = stack.enter_context(running_redis())
        api, peers_api = stack.enter_context(running_fake(work)), stack.enter_context(running_fake(work))
        tutorial = stack.enter_context(running_tutorial(work, redis, peers_api))
        with running_ours(work, redis, api) as ours:
            shared = [_herd(ours, api, tutorial, peers_api), _renditions(ours, api, tutorial, peers_api)]
            shipped = _under_siege(ours, api, "each")
            same = _under_siege(ours, api, "same", cold=False)
        with running_ours(work, redis, api, capture_concurrency=CALLERS // 2) as ours:
            roomy = _under_siege(ours, api, "roomy")
        peer = _under_siege(tutorial, peers_api, "peer")
    return [
        _siege_row(f"hit p99 while {CALLERS} callers ask for pages that take {MISS_SECONDS:.0f} s", shipped, peer),
        _siege_row("the same, all of them in flight (`CAPTURE_CONCURRENCY=100`)", roomy, peer),
        _siege_row(f"hit p99 while {CALLERS} callers wait for one and the same page", same, peer),
        *shared,
    ]


@dataclass(frozen=True)
class Siege:
    """`idle` and `besieged` are of hits; `statuses` are what the besiegers got, `calls` what the API saw."""

    idle: Load
    besieged: list[Load]
    statuses: Counter[int]
    refusals: list[float]
    calls: int

    @property
    def p99(self) -> float:
        return median(load.p99 for load in self.besieged)

    @property
    def rate(self) -> float:
        return median(load.rate for load in self.besieged)


def _under_siege(url: str, api: Fake, name: str, *, cold: bool = True) -> Siege:
    """Compare hits alone with hits while every round's crowd has its misses pending: a page each, or all the same."""
    hot = [path("hot")]
    api.answer_after(0)
    requests.get(url + hot[0], timeout=30)
    wrk(url, hot, 1)
    idle: list[Load] = []
    besieged: list[Load] = []
    statuses: Counter[int] = Counter()
    refusals: list[float] = []
    before = api.calls()
    for number in range(ROUNDS):
        idle.append(wrk(url, hot, 2))
        api.answer_after(MISS_SECONDS)
        with pending(url, CALLERS, path(f"{name}-{number}-") + ("{}" if cold else "one")) as seen:
            time.sleep(0.4)
            besieged.append(wrk(url, hot, 2))
        statuses += seen.statuses
        refusals += seen.refusals
        api.answer_after(0)
        _drain(url, hot[0])
    quiet = sorted(idle, key=lambda load: load.p99)[len(idle) // 2]
    return Siege(quiet, besieged, statuses, refusals, api.calls() - before)


def _drain(url: str, hot: str) -> None:
    """Let what the crowd left behind end."""
    time.sleep(MISS_SECONDS)
    requests.get(url + hot, timeout=60)


def _siege_row(measure: str, ours: Siege, peer: Siege) -> Row:
    stalled = ours.rate < ours.idle.rate / 100
    ratio = ours.p99 / ours.idle.p99
    refused = sum(n for status, n in ours.statuses.items() if status >= 400)
    told = f"{refused / ROUNDS:.0f} requests told to come back"
    if ours.refusals:
        slowest = sorted(ours.refusals)[int(len(ours.refusals) * 0.99)]
        told += f" (after {median(ours.refusals) * 1000:.0f} ms, p99 {slowest * 1000:.0f} ms)"
    return Row(
        measure,
        f"{ours.p99:.1f} ms at {count(ours.rate)} hits/s; idle {ours.idle.p99:.1f} ms at {count(ours.idle.rate)}; "
        f"{ours.calls / ROUNDS:.0f} captures begun a round, {told}",
        f"tutorial's design {count(peer.rate)} hits/s",
        "stands still" if stalled else times(ratio),
        "≤ 2 × idle",
        ratio <= 2 and not stalled,
    )


def _herd(ours: str, api: Fake, tutorial: str, peers_api: Fake) -> Row:
    """500 callers of one cold page at the same time."""
    captures = []
    answers: dict[str, Counter[int]] = {}
    for url, fake in ((ours, api), (tutorial, peers_api)):
        fake.answer_after(0.5)
        before = fake.calls()
        answers[url] = fetch_all(url, [path("herd")] * 500, 500)
        captures.append(fake.calls() - before)
        fake.answer_after(0)
    mine, peers = captures
    return Row(
        "captures for 500 simultaneous requests of one cold page, 2 workers",
        f"{mine}; {answers[ours][200]} got the picture, {500 - answers[ours][200]} were told to come back",
        f"tutorial's design {peers} (4 workers)",
        goal="1",
        met=mine == 1,
    )


def _renditions(ours: str, api: Fake, tutorial: str, peers_api: Fake) -> Row:
    """3 sizes × 2 pixel ratios × 3 formats of one page."""
    wanted = [(w * ratio, format_) for w in (160, 240, 400) for ratio in (1, 2) for format_ in ("png", "webp", "jpeg")]
    before, peers_before = api.calls(), peers_api.calls()
    for w, format_ in wanted:
        requests.get(ours + path("many", w=w, format=format_), timeout=30).raise_for_status()
        requests.get(tutorial + path("many", width=w, height=w * 9 // 16, format=format_), timeout=30)
    captures, peers = api.calls() - before, peers_api.calls() - peers_before
    return Row(
        f"captures for {len(wanted)} renditions of one page",
        f"{captures}",
        f"tutorial's design {peers}",
        goal="1",
        met=captures == 1,
    )
