"""What a soak has found, as bench/soak.md with its plots, and the verdict."""

import math
import os
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bench.report import machine
from bench.soak.plots import chart
from bench.soak.traffic import (
    COLD_SECONDS,
    CONDITIONAL,
    FORMS,
    HELD_BACK,
    IMPORT_SECONDS,
    IMPORTED,
    KNOWN_BY,
    VISITOR_SECONDS,
    Traffic,
)
from bench.soak.verdict import (
    BAD,
    CANNOT_TELL,
    GOOD,
    GROWS,
    RECOVERY_SECONDS,
    UNCERTAIN,
    Bounds,
    Fault,
    Slope,
    Verdict,
    by_cause,
    quantiles,
    settled,
    slope,
    split,
    unexplained,
)
from bench.soak.watch import Samples, Watch

GRACE_SECONDS = 120  # in which a process that has just started loads its code and fills its tables
RESTARTED = "Redis restarted"  # how the names of crashes end after which what uses Redis connects again
WITHOUT_REDIS = ("engine", "browser", "browser, parts")
MEMORY_MIB, DESCRIPTORS = Bounds(leak=16, most=64), Bounds(leak=5, most=20)  # an hour and process
JUDGED = ("web, main", "web, worker", "worker, main", "worker, pool", "beat", "engine", "browser", "browser, parts")
SERVERS = ("Redis (cache)", "Redis (state)")  # their memory has limits of its own, their descriptors are the clients'
LIMITS_MIB = {"Redis (cache)": 32, "originals": 96}  # as bench.soak.service sets them
BUCKET_SECONDS = 10
BUSY_LOAD = 3  # for each core; without other work, a soak stays below
MOST_LINES = 5  # of errors in a plot
SHOWN = (0.5, 0.95, 0.99)
OUTCOMES = {
    GOOD: "**Good.** No kind of process grows by more than its bound, and each error follows a crash.",
    BAD: "**Bad.**",
    CANNOT_TELL: "**Cannot tell.** Nothing is known to be bad, but not all is known to be good:",
}


@dataclass
class Soak:
    """A run: what was seen, and when what was killed."""

    seconds: float
    traffic: Traffic
    watch: Watch
    crashes: dict[float, str] = field(default_factory=dict)
    not_killed: list[str] = field(default_factory=list)  # what was not there when it was to be killed
    load_before: float = 0

    def slopes(self, lives: Mapping[tuple[str, int, int], Samples], kind: str) -> Slope | None:
        of_kind = [each for (name, *_), each in lives.items() if name == kind]
        restarts = [time for time, name in self.crashes.items() if name.endswith(RESTARTED)]
        ends = [] if kind in WITHOUT_REDIS else restarts
        parts = [part for each in of_kind for part in split(each, ends)]
        return slope(settled(each, self.seconds / 2, GRACE_SECONDS) for each in parts)

    def unexplained(self) -> list[Fault]:
        return unexplained(self.traffic.faults, list(self.crashes))


def verdict(soak: Soak) -> Verdict:
    """Judge a run. It is good only if all is known to be well."""
    bad, unknown = _judge_growth(soak)
    bad += _broken_promises(soak)
    if not soak.traffic.answers:
        unknown.append("no request was answered: look at the log of the service")
    if not soak.crashes:
        unknown.append("nothing was killed; run it for two minutes or more")
    if soak.not_killed:
        unknown.append(f"not there to be killed: {', '.join(soak.not_killed)}; look at the log of the service")
    return Verdict(bad, unknown)


def _judge_growth(soak: Soak) -> tuple[list[str], list[str]]:
    bad, unknown = [], []
    for name, lives, kinds, bounds, unit in _judged(soak):
        for kind in kinds:
            rate, subject = soak.slopes(lives, kind), f"{kind}: {name} of a process"
            if rate is None:
                unknown.append(f"{subject}: no process ran for long enough; run it for longer")
                continue
            told, said = f"{subject}: {rate.per_hour:+.1f} ± {rate.margin:.1f}{unit} an hour", rate.judged_by(bounds)
            if said == GROWS:
                bad.append(f"{told}, which is more than {bounds.leak:g}")
            elif said == UNCERTAIN:
                minutes = math.ceil(rate.seconds_needed(bounds, soak.seconds) / 300) * 5
                unknown.append(f"{told} may be more than {bounds.most:g}; run it for about {minutes} minutes")
    return bad, unknown


def _broken_promises(soak: Soak) -> list[str]:
    found = []
    if errors := Counter(fault.what for fault in soak.unexplained()):
        told = ", ".join(f"{number} × {what}" for what, number in errors.most_common())
        found.append(f"errors without a crash in the {RECOVERY_SECONDS} s before: {told}")
    if soak.traffic.lost_jobs:
        found.append(f"jobs lost: {'; '.join(soak.traffic.lost_jobs)}")
    for name, limit in LIMITS_MIB.items():
        kept = max((value for _, value in soak.watch.kept.get(name, ())), default=0)
        if kept > limit * 1.1:
            found.append(f"{name}: {kept:.0f} MiB are kept; the limit is {limit}")
    return found


def write(soak: Soak, folder: Path) -> None:
    """Write `soak.md` and its plots into `folder`."""
    plots = folder / "soak"
    plots.mkdir(parents=True, exist_ok=True)
    for name, draw in PLOTS.items():
        (plots / f"{name}.svg").write_text(draw(soak), encoding="utf-8")
    (folder / "soak.md").write_text(text(soak), encoding="utf-8")


def text(soak: Soak) -> str:
    found = verdict(soak)
    return f"""\
# What `make soak` measured

{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {soak.seconds / 60:.0f} minutes, {machine()}.
{_load(soak)}

{OUTCOMES[found.outcome]}
{_list(found.bad)}{_not_known(found)}

The service is that of `make run`: gunicorn with two workers, Celery, beat, the engine with Chromium, two Redis, SQLite,
and the supervisor that restarts what ends. But its caches are smaller, so that they are full soon, and there are two
Celery workers and two engines. Of two processes of a kind, crashes take the younger one, so that the older one shows what
a long life does.

Visitors ask {1 / VISITOR_SECONDS:.0f} times a second, by Zipf's law, for the pages that are known so far, of {soak.traffic.pages:,} in all, in
{len(FORMS)} sizes and formats; {CONDITIONAL:.0%} of the repeated requests are conditional. A new page is asked for every
{COLD_SECONDS:g} s, until all are known, at {KNOWN_BY:.0%} of the run; then for a new picture of one. Programs ask for states, create jobs, and purge pages. Every {IMPORT_SECONDS} s,
{IMPORTED} sites are imported, those of the last import are captured again, and the pages change. Each minute, one part is
killed, or a Redis is restarted: the dashed lines.

## Growth

The slope over the second half of the run, with its 95 % interval, of processes that have run for {GRACE_SECONDS} s: each
life of a process has its own level, all of a kind have one slope. A restart of Redis, after which what uses it connects
again, ends a life here. A kind grows if the whole interval is above
{MEMORY_MIB.leak:g} MiB or {DESCRIPTORS.leak:g} descriptors an hour and process. It is steady if the whole interval is below
{MEMORY_MIB.most:g} MiB or {DESCRIPTORS.most:g} descriptors. {MEMORY_MIB.leak:g} MiB are {_a_request()} a request of a web worker.

{_growth(soak)}

The memory of all is PSS: what processes share counts in part. The slope is of RSS, since a process has a larger part of
what is shared when another one ends, and of the least in 15 s, since work raises a level for moments. The memory of a
Redis is bounded by its own limit, and its descriptors are those of its clients.

![Memory](soak/memory.svg)

![Descriptors](soak/descriptors.svg)

## Answers

{_latencies(soak)}

The last column leaves out the {RECOVERY_SECONDS} s after each crash.

![Latency](soak/latency.svg)

## Errors

Each error must come within {RECOVERY_SECONDS} s after a crash: {len(soak.traffic.faults) - len(soak.unexplained())} did, \
{len(soak.unexplained())} did not. "Last" is the most seconds after a crash at which an error came.

{_errors(soak)}

![Errors](soak/errors.svg)

{soak.traffic.counts["jobs"]} jobs were accepted, {soak.traffic.counts["jobs completed"]} had completed at the end, \
{len(soak.traffic.lost_jobs)} were lost.

## What is kept, and what waits

{_counted(soak)}

![Kept](soak/kept.svg)

![Waiting](soak/waiting.svg)
"""


def _list(lines: Sequence[str]) -> str:
    return "".join(f"\n- {each}" for each in lines)


def _not_known(found: Verdict) -> str:
    heading = "\n\nNot known yet:\n" if found.bad and found.unknown else ""
    return heading + _list(found.unknown)


def _load(soak: Soak) -> str:
    values = [value for _, value in soak.watch.load]
    mean = statistics.fmean(values)
    text = (
        f"Load before the run: {soak.load_before:.1f}; during it: {mean:.1f} on average, {max(values):.1f} at most. "
        "Servers, clients and browser share the cores."
    )
    if mean > BUSY_LOAD * (os.cpu_count() or 1):
        text += "\n**The machine was busy with other work**: read the latencies as the worst case."
    return text


def _judged(soak: Soak) -> list[tuple[str, Mapping[tuple[str, int, int], Samples], tuple[str, ...], Bounds, str]]:
    return [
        ("memory", soak.watch.memory_of, JUDGED, MEMORY_MIB, " MiB"),
        ("descriptors", soak.watch.descriptors_of, JUDGED, DESCRIPTORS, ""),
    ]


def _a_request() -> str:
    return f"{MEMORY_MIB.leak * (1 << 20) / (3600 / VISITOR_SECONDS / 2):,.0f} bytes"


def _growth(soak: Soak) -> str:
    lines = [
        "| kind | MiB, all of it | MiB an hour and process | | descriptors, all of it | an hour and process | |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for kind in JUDGED + SERVERS:
        used, opened = soak.watch.memory[kind], soak.watch.descriptors[kind]
        cells = [kind, _range(used), *_rate(soak.slopes(soak.watch.memory_of, kind), MEMORY_MIB)]
        cells += [_range(opened), *_rate(soak.slopes(soak.watch.descriptors_of, kind), DESCRIPTORS)]
        if kind in SERVERS:
            cells[3] = cells[6] = ""
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _range(samples: Samples) -> str:
    """Tell the median and the maximum."""
    values = [value for _, value in samples]
    return f"{statistics.median(values):.0f} (at most {max(values):.0f})" if values else "–"


def _rate(found: Slope | None, bounds: Bounds) -> tuple[str, str]:
    if found is None:
        return "too short a run", ""
    return f"{found.per_hour:+.1f} ± {found.margin:.1f}", found.judged_by(bounds)


def _latencies(soak: Soak) -> str:
    lines = [
        "| state | answers | p50 | p95 | p99 | slowest | p99 without crashes |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    by_state = defaultdict(list)
    for each in soak.traffic.answers:
        by_state[each.state].append(each)
    for state, answers in sorted(by_state.items(), key=lambda item: -len(item[1])):
        seconds = [each.seconds for each in answers]
        calm = [
            each.seconds
            for each in answers
            if not any(crash <= each.time <= crash + RECOVERY_SECONDS for crash in soak.crashes)
        ]
        shown = [f"{each * 1000:,.0f} ms" for each in (*quantiles(seconds, SHOWN), max(seconds))]
        shown.append(f"{quantiles(calm, SHOWN[-1:])[0] * 1000:,.0f} ms" if calm else "–")
        lines.append(f"| {state} | {len(answers):,} | {' | '.join(shown)} |")
    held = ", ".join(
        f"{number:,} × {what.removesuffix(HELD_BACK).strip()}"
        for what, number in sorted(soak.traffic.counts.items())
        if what.endswith(HELD_BACK)
    )
    return "\n".join(lines) + (f"\n\nNot sent, since too many were open: {held}." if held else "")


def _errors(soak: Soak) -> str:
    lines = ["| crash | times | errors | last |", "| --- | --- | --- | --- |"]
    times = Counter(soak.crashes.values())
    for kind, found in by_cause(soak.traffic.faults, soak.crashes).items():
        errors = Counter(fault.what for _, fault in found)
        told = "; ".join(f"{number} × {what}" for what, number in errors.most_common()) or "none"
        last = f"{max(seconds for seconds, _ in found):.1f} s" if found else ""
        lines.append(f"| {kind} | {times[kind]} | {told} | {last} |")
    return "\n".join(lines)


def _counted(soak: Soak) -> str:
    lines = ["| what | number |", "| --- | --- |"]
    lines += [f"| {name}, by the metrics | {value:,.0f} |" for name, value in soak.watch.counted.items()]
    lines.append(f"| sites imported | {soak.traffic.counts['sites imported']:,} |")
    for name, samples in (soak.watch.kept | soak.watch.waiting).items():
        unit = "" if name in soak.watch.waiting else ", MiB"
        lines.append(f"| {name}{unit}: median, most, last | {_three(samples)} |")
    return "\n".join(lines)


def _three(samples: Samples) -> str:
    values = [value for _, value in samples]
    return f"{statistics.median(values):,.1f}, {max(values):,.1f}, {values[-1]:,.1f}"


def _latency_plot(soak: Soak) -> str:
    lines = {}
    for state, share in (("HIT", 0.5), ("HIT", 0.95), ("HIT", 0.99), ("304", 0.5), ("MISS", 0.5), ("MISS", 0.95)):
        buckets = defaultdict(list)
        for each in soak.traffic.answers:
            if each.state == state:
                buckets[int(each.time / BUCKET_SECONDS)].append(each.seconds * 1000)
        lines[f"{state}, p{share * 100:.0f}"] = [
            ((number + 0.5) * BUCKET_SECONDS, quantiles(values, [share])[0])
            for number, values in sorted(buckets.items())
        ]
    return chart(f"Latency in ms, by {BUCKET_SECONDS} s (logarithmic)", lines, list(soak.crashes), logarithmic=True)


def _errors_plot(soak: Soak) -> str:
    buckets = range(int(soak.seconds / BUCKET_SECONDS))
    most = [what for what, _ in Counter(fault.what for fault in soak.traffic.faults).most_common(MOST_LINES)]
    lines = {}
    for name, chosen in ({"all": None} | {what: what for what in most}).items():
        found = Counter(
            int(fault.answered / BUCKET_SECONDS) for fault in soak.traffic.faults if chosen in (None, fault.what)
        )
        lines[name] = [((number + 0.5) * BUCKET_SECONDS, found[number]) for number in buckets]
    return chart(f"Errors in {BUCKET_SECONDS} s", lines, list(soak.crashes))


def _of_kinds(title: str, kept: Callable[[Watch], Mapping[str, Samples]]) -> Callable[[Soak], str]:
    def draw(soak: Soak) -> str:
        found = kept(soak.watch)
        return chart(title, {kind: found[kind] for kind in JUDGED + SERVERS if kind in found}, list(soak.crashes))

    return draw


PLOTS: dict[str, Callable[[Soak], str]] = {
    "memory": _of_kinds("Memory of all processes of a kind (PSS), in MiB", lambda watch: watch.memory),
    "descriptors": _of_kinds("Open descriptors of all processes of a kind", lambda watch: watch.descriptors),
    "latency": _latency_plot,
    "errors": _errors_plot,
    "kept": lambda soak: chart("What is kept, in MiB", soak.watch.kept, list(soak.crashes)),
    "waiting": lambda soak: chart("What waits", soak.watch.waiting, list(soak.crashes)),
}
