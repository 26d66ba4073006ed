"""Pages that are not known: what they cost others, and how few captures they take."""

import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median as middle

import requests

from bench.crowd import fetch_all, pending
from bench.load import Load, median, wait_for_quiet, wrk
from bench.report import Row, count, times
from bench.servers import Fake, path, running_fake, running_ours, running_tutorial
from tests.support.redis import running_redis

CALLERS = 200
HERD = 500
MISS_SECONDS = 3.0
ROUNDS = 3
PEERS_ROUNDS = 1  # its figure is none, and its queue takes long to drain


def rows(work: Path) -> list[Row]:
    with ExitStack() as stack:
        redis = stack.enter_context(running_redis())
        api, peers_api = stack.enter_context(running_fake(work)), stack.enter_context(running_fake(work))
        tutorial = stack.enter_context(running_tutorial(work, redis, peers_api))
        with running_ours(work, redis, api) as ours:
            shared = [_herd(ours, api, tutorial, peers_api), _renditions(ours, api, tutorial, peers_api)]
            shipped = _under_siege(ours, api, "each")
            same = _under_siege(ours, api, "same", cold=False)
            refusals = _refusals(ours, api)
        with running_ours(work, redis, api, capture_concurrency=CALLERS // 2) as ours:
            roomy = _under_siege(ours, api, "roomy")
        peer = _under_siege(tutorial, peers_api, "peer", rounds=PEERS_ROUNDS)
    return [
        _siege_row(f"hit p99 while {CALLERS} callers ask for pages that take {MISS_SECONDS:.0f} s", shipped, peer),
        _siege_row("the same, all of them in flight (`CAPTURE_CONCURRENCY=100`)", roomy, peer),
        _siege_row(f"hit p99 while {CALLERS} callers wait for one and the same page", same, peer),
        refusals,
        *shared,
    ]


@dataclass(frozen=True)
class Siege:
    """Hits alone and `besieged`, both medians of the same rounds; what the besiegers got, and captures begun."""

    idle: Load
    besieged: Load
    statuses: Counter[int]
    refusals: list[float]
    calls: int


def _under_siege(url: str, api: Fake, name: str, *, cold: bool = True, rounds: int = ROUNDS) -> Siege:
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
    for number in range(rounds):
        idle.append(wrk(url, hot, 2))
        api.answer_after(MISS_SECONDS)
        begun = api.calls()
        with pending(url, CALLERS, path(f"{name}-{number}-") + ("{}" if cold else "one")) as seen:
            _let_begin(api, begun)
            besieged.append(wrk(url, hot, 2))  # while they are pending: none lands in it
        statuses += seen.statuses
        refusals += seen.refusals
        api.answer_after(0)
        _drain(url, hot[0])
    return Siege(median(idle), median(besieged), statuses, refusals, api.calls() - before)


def _refusals(url: str, api: Fake) -> Row:
    """How soon one more caller is refused while all captures are taken and their callers ask on; no hits besides."""
    taken: list[float] = []
    api.answer_after(MISS_SECONDS)
    begun = api.calls()
    with pending(url, CALLERS, path("beyond-") + "{}") as crowd:
        while len(crowd.refusals) < CALLERS / 2:  # its arrival is over
            time.sleep(0.1)
        _let_begin(api, begun)
        with requests.Session() as session:
            for number in range(100):
                began = time.monotonic()
                answer = session.get(url + path(f"one-more-{number}"), timeout=30)
                taken += [(time.monotonic() - began) * 1000] if answer.status_code == 503 else []
    api.answer_after(0)
    _drain(url, path("hot"))
    slowest = sorted(taken)[int(len(taken) * 0.99)]
    return Row(
        f"time to refuse a capture beyond those in flight, {CALLERS} callers asking on",
        f"p50 {middle(taken):.1f} ms, p99 {slowest:.1f} ms, {len(taken)} refused",
        goal="≤ 50 ms",
        met=len(taken) >= 50 and slowest <= 50,
        headline=True,
    )


def _let_begin(api: Fake, before: int) -> None:
    """Wait until captures were begun after those `before`, and for a moment no more: all that may be pending are."""
    begun = before
    while begun == before or begun != api.calls():
        begun = api.calls()
        time.sleep(0.3)


def _drain(url: str, hot: str) -> None:
    """Let what the crowd left behind end, renditions too."""
    time.sleep(MISS_SECONDS)
    requests.get(url + hot, timeout=60)
    wait_for_quiet()


def _siege_row(measure: str, ours: Siege, peer: Siege) -> Row:
    idle, besieged = ours.idle, ours.besieged
    stalled = besieged.rate < idle.rate / 100
    ratio = besieged.p99 / idle.p99
    return Row(
        measure,
        f"{besieged.p99:.1f} ms at {count(besieged.rate)} hits/s{besieged.faults}; "
        f"idle {idle.p99:.1f} ms at {count(idle.rate)}{idle.faults}; "
        f"{ours.calls / ROUNDS:.0f} captures begun a round, {_told(ours)}",
        f"tutorial's design {count(peer.besieged.rate)} hits/s{peer.besieged.faults}",
        "stands still" if stalled else times(ratio),
        "≤ 2 × idle",
        ratio <= 2 and not stalled and besieged.clean and idle.clean,
        headline=True,
    )


def _told(siege: Siege) -> str:
    """Say what the besiegers got that was no picture."""
    refused = sum(n for status, n in siege.statuses.items() if status >= 400)
    told = f"{refused / ROUNDS:.0f} requests told to come back"
    if siege.refusals:
        slowest = sorted(siege.refusals)[int(len(siege.refusals) * 0.99)]
        told += f" (after {middle(siege.refusals) * 1000:.0f} ms, p99 {slowest * 1000:.0f} ms)"
    return told + (f", {siege.statuses[0] / ROUNDS:.0f} got no answer" if siege.statuses[0] else "")


def _herd(ours: str, api: Fake, tutorial: str, peers_api: Fake) -> Row:
    """Many callers of one cold page at the same time."""
    captures = []
    answers: dict[str, Counter[int]] = {}
    for url, fake in ((ours, api), (tutorial, peers_api)):
        fake.answer_after(0.5)
        before = fake.calls()
        answers[url] = fetch_all(url, [path("herd")] * HERD, HERD)
        captures.append(fake.calls() - before)
        fake.answer_after(0)
    (mine, peers), got = captures, answers[ours]
    others = "".join(f", {n} got {status or 'no answer'}" for status, n in got.items() if status != 200)
    return Row(
        f"captures for {HERD} simultaneous requests of one cold page, 2 workers",
        f"{mine}; {got[200]} got the picture{others}",
        f"tutorial's design {peers} (4 workers), {answers[tutorial][200]} got the picture",
        goal="1, and the picture for all",
        met=mine == 1 and got[200] == HERD,
        headline=True,
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
        headline=True,
    )
