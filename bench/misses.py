"""Misses: their effect on simultaneous hits, and the number of captures that they cause."""

import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median as middle

import requests

from bench.crowd import IMPATIENT, OBEDIENT, keep_requesting, request_all
from bench.load import Load, median, wait_for_quiet, wrk
from bench.report import Row, count, times
from bench.servers import FakeApi, path, running_fake_api, running_ours, running_tutorial
from tests.support.redis import running_redis

CALLERS = 200
HERD = 500
MISS_SECONDS = 3.0
ROUNDS = 3
PEER_ROUNDS = 1  # the peer serves no hits meanwhile, and its queue drains slowly


def rows(work: Path) -> list[Row]:
    with ExitStack() as stack:
        redis = stack.enter_context(running_redis())
        api, peer_api = stack.enter_context(running_fake_api(work)), stack.enter_context(running_fake_api(work))
        tutorial = stack.enter_context(running_tutorial(work, redis, peer_api))
        with running_ours(work, redis, api) as ours:
            shared = [_herd(ours, api, tutorial, peer_api), _renditions(ours, api, tutorial, peer_api)]
            shipped = _measure_during_misses(ours, api, "each", patience=OBEDIENT)
            impatient = _measure_during_misses(ours, api, "again")
            same = _measure_during_misses(ours, api, "same", cold=False)
            refusals = _refusals(ours, api)
        with running_ours(work, redis, api, capture_concurrency=CALLERS // 2) as ours:
            roomy = _measure_during_misses(ours, api, "roomy")
        peer = _measure_during_misses(tutorial, peer_api, "peer", rounds=PEER_ROUNDS)
    return [
        _during_misses_row(
            f"hit p99 while {CALLERS} callers request pages that take {MISS_SECONDS:.0f} s, and obey `Retry-After`",
            shipped,
            peer,
            goal=1.5,
        ),
        _during_misses_row("the same, while refused callers come back each second", impatient, peer),
        _during_misses_row("the same, all of them in flight (`CAPTURE_CONCURRENCY=100`)", roomy, peer),
        _during_misses_row(f"hit p99 while {CALLERS} callers wait for the same page", same, peer),
        refusals,
        *shared,
    ]


@dataclass(frozen=True)
class MissRounds:
    """Hits without misses (`idle`) and during misses (`loaded`), as medians of the same rounds.

    `statuses` and `refusals` are those of the callers that miss, and `calls` counts the captures that began.
    """

    idle: Load
    loaded: Load
    statuses: Counter[int]
    refusals: list[float]
    calls: int


def _measure_during_misses(
    url: str, api: FakeApi, name: str, *, cold: bool = True, rounds: int = ROUNDS, patience: float = IMPATIENT
) -> MissRounds:
    """Measure hits without and during pending misses. The callers request a `cold` page each, or all the same page.

    Refused callers stay away as `Retry-After` says, but no longer than `patience` seconds.
    """
    hot = [path("hot")]
    api.set_latency(0)
    requests.get(url + hot[0], timeout=30)
    wrk(url, hot, 1)
    idle: list[Load] = []
    loaded: list[Load] = []
    statuses: Counter[int] = Counter()
    refusals: list[float] = []
    before = api.calls()
    for number in range(rounds):
        idle.append(wrk(url, hot, 2))
        api.set_latency(MISS_SECONDS)
        begun = api.calls()
        asked = path(f"{name}-{number}-") + ("{}" if cold else "one")
        with keep_requesting(url, CALLERS, asked, patience) as seen:
            _wait_until_captures_began(api, begun)
            loaded.append(wrk(url, hot, 2))  # no capture ends in this time
        statuses += seen.statuses
        refusals += seen.refusals
        api.set_latency(0)
        _drain(url, hot[0])
    return MissRounds(median(idle), median(loaded), statuses, refusals, api.calls() - before)


def _refusals(url: str, api: FakeApi) -> Row:
    """Measure the time to refuse one more caller while all capture slots are taken and their callers retry."""
    taken: list[float] = []
    api.set_latency(MISS_SECONDS)
    begun = api.calls()
    with keep_requesting(url, CALLERS, path("beyond-") + "{}") as crowd:
        while len(crowd.refusals) < CALLERS / 2:  # until the whole crowd has arrived
            time.sleep(0.1)
        _wait_until_captures_began(api, begun)
        with requests.Session() as session:
            for number in range(100):
                began = time.monotonic()
                answer = session.get(url + path(f"one-more-{number}"), timeout=30)
                taken += [(time.monotonic() - began) * 1000] if answer.status_code == 503 else []
    api.set_latency(0)
    _drain(url, path("hot"))
    slowest = sorted(taken)[int(len(taken) * 0.99)]
    return Row(
        f"time to refuse one more capture while {CALLERS} callers keep requesting",
        f"p50 {middle(taken):.1f} ms, p99 {slowest:.1f} ms, {len(taken)} refused",
        goal="≤ 50 ms",
        met=len(taken) >= 50 and slowest <= 50,
        headline=True,
    )


def _wait_until_captures_began(api: FakeApi, before: int) -> None:
    """Wait until captures began after the first `before` ones, and then none for a moment: all slots are taken."""
    begun = before
    while begun == before or begun != api.calls():
        begun = api.calls()
        time.sleep(0.3)


def _drain(url: str, hot: str) -> None:
    """Wait until the crowd's captures and renditions have ended."""
    time.sleep(MISS_SECONDS)
    requests.get(url + hot, timeout=60)
    wait_for_quiet()


def _during_misses_row(measure: str, ours: MissRounds, peer: MissRounds, goal: float = 2) -> Row:
    idle, loaded = ours.idle, ours.loaded
    stalled = loaded.rate < idle.rate / 100
    ratio = loaded.p99 / idle.p99
    return Row(
        measure,
        f"{loaded.p99:.1f} ms at {count(loaded.rate)} hits/s{loaded.faults}; "
        f"idle {idle.p99:.1f} ms at {count(idle.rate)}{idle.faults}; "
        f"{ours.calls / ROUNDS:.0f} captures began per round, {_refusals_text(ours)}",
        f"tutorial's design {count(peer.loaded.rate)} hits/s{peer.loaded.faults}",
        "stalled" if stalled else times(ratio),
        f"≤ {goal:g} × idle",
        ratio <= goal and not stalled and loaded.clean and idle.clean,
        headline=True,
    )


def _refusals_text(measured: MissRounds) -> str:
    """Describe the responses without a picture, per round."""
    refused = sum(n for status, n in measured.statuses.items() if status >= 400)
    text = f"{refused / ROUNDS:.0f} requests refused"
    if measured.refusals:
        slowest = sorted(measured.refusals)[int(len(measured.refusals) * 0.99)]
        text += f" (after {middle(measured.refusals) * 1000:.0f} ms, p99 {slowest * 1000:.0f} ms)"
    return text + (f", {measured.statuses[0] / ROUNDS:.0f} got no response" if measured.statuses[0] else "")


def _herd(ours: str, api: FakeApi, tutorial: str, peer_api: FakeApi) -> Row:
    """Count the captures for many simultaneous requests of one cold page."""
    captures = []
    answers: dict[str, Counter[int]] = {}
    for url, fake in ((ours, api), (tutorial, peer_api)):
        fake.set_latency(0.5)
        before = fake.calls()
        answers[url] = request_all(url, [path("herd")] * HERD, HERD)
        captures.append(fake.calls() - before)
        fake.set_latency(0)
    (mine, peers), got = captures, answers[ours]
    others = "".join(f", {n} got {status or 'no response'}" for status, n in got.items() if status != 200)
    return Row(
        f"captures for {HERD} simultaneous requests of one cold page, 2 workers",
        f"{mine}; {got[200]} got the picture{others}",
        f"tutorial's design {peers} (4 workers), {answers[tutorial][200]} got the picture",
        goal="1, and the picture for all",
        met=mine == 1 and got[200] == HERD,
        headline=True,
    )


def _renditions(ours: str, api: FakeApi, tutorial: str, peer_api: FakeApi) -> Row:
    """Count the captures for 3 sizes × 2 pixel ratios × 3 formats of one page."""
    wanted = [(w * ratio, format_) for w in (160, 240, 400) for ratio in (1, 2) for format_ in ("png", "webp", "jpeg")]
    before, peers_before = api.calls(), peer_api.calls()
    for w, format_ in wanted:
        requests.get(ours + path("many", w=w, format=format_), timeout=30).raise_for_status()
        requests.get(tutorial + path("many", width=w, height=w * 9 // 16, format=format_), timeout=30)
    captures, peers = api.calls() - before, peer_api.calls() - peers_before
    return Row(
        f"captures for {len(wanted)} renditions of one page",
        f"{captures}",
        f"tutorial's design {peers}",
        goal="1",
        met=captures == 1,
        headline=True,
    )
