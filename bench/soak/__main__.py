"""`make soak MINUTES=20`: run the service under honest traffic and a crash a minute, and judge what became of it.

Writes bench/soak.md and its plots. Ends with status 1 if something grows, or if an error has no crash before it, and with
status 2 if it cannot tell. A run of less than ten minutes prints its report instead, unless a folder is named.
"""

import argparse
import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from contextlib import suppress
from itertools import cycle
from pathlib import Path

from bench.soak.report import RESTARTED, Soak, text, verdict, write
from bench.soak.service import Installation, running_service
from bench.soak.traffic import Traffic, pages_of
from bench.soak.verdict import BAD, CANNOT_TELL, GOOD
from bench.soak.watch import EVERY_SECONDS, Watch
from bench.stopping import exit_at_signals

HERE = Path(__file__).parents[1]
CRASH_SECONDS, FIRST_CRASH_SECONDS, LAST_CRASH_SECONDS = 60, 60, 40  # the last one so long before the end
MOST_MINUTES, FEWEST_MINUTES_KEPT = 600, 10
STATUSES = {GOOD: 0, BAD: 1, CANNOT_TELL: 2}
# What is killed, and how: of two of a kind the younger one, so that the other shows what a long life does. Redis comes
# first: what uses it connects again, which begins a new level, and the second half of a run of twenty minutes has eight
# minutes without.
CRASHES = (
    (f"cache {RESTARTED}", "Redis (cache)", signal.SIGTERM),
    (f"state {RESTARTED}", "Redis (state)", signal.SIGTERM),
    ("web worker killed", "web, worker", signal.SIGKILL),
    ("Celery worker killed", "worker, main", signal.SIGKILL),
    ("browser killed", "browser", signal.SIGKILL),
    ("engine killed", "engine", signal.SIGKILL),
    ("page of the browser killed", "browser, parts", signal.SIGKILL),
    ("beat killed", "beat", signal.SIGKILL),
    ("Celery process killed", "worker, pool", signal.SIGKILL),
)


async def soak(installation: Installation, seconds: float) -> Soak:
    began = time.monotonic()
    clock = Path(installation.env["DEMO_CLOCK"])
    traffic = Traffic(installation.url, installation.pages, clock, began, pages_of(seconds))
    found = Soak(seconds, traffic, Watch(installation), load_before=os.getloadavg()[0])
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as tasks:
            tasks.create_task(traffic.run())
            tasks.create_task(_look(found))
            tasks.create_task(_crash(found, installation))
    return found


async def _look(found: Soak) -> None:
    while True:
        began = time.monotonic()
        await asyncio.to_thread(found.watch.look, found.traffic.now())
        await asyncio.sleep(max(EVERY_SECONDS - (time.monotonic() - began), 1))


async def _crash(found: Soak, installation: Installation) -> None:
    await asyncio.sleep(FIRST_CRASH_SECONDS)
    for name, kind, number in cycle(CRASHES):
        if found.traffic.now() > found.seconds - LAST_CRASH_SECONDS:
            return
        members = await asyncio.to_thread(installation.of_kind, kind)
        if members:
            found.crashes[found.traffic.now()] = name
            os.kill(members[-1].pid, number)
            print(f"{found.traffic.now():.0f} s: {name}", flush=True)
        else:
            found.not_killed.append(f"{kind} at {found.traffic.now():.0f} s")
        await asyncio.sleep(CRASH_SECONDS)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("minutes", type=float, help="how long the traffic lasts")
    parser.add_argument("--into", type=Path, help="write soak.md and its plots into this folder")
    parser.add_argument("--log", type=Path, help="keep the log of the service in this file")
    arguments = parser.parse_args()
    if not 0 < arguments.minutes <= MOST_MINUTES:
        parser.error(f"MINUTES is invalid: set it to a number up to {MOST_MINUTES}")
    into = arguments.into or (HERE if arguments.minutes >= FEWEST_MINUTES_KEPT else None)
    exit_at_signals()
    with tempfile.TemporaryDirectory(prefix="soak-") as work, running_service(Path(work)) as installation:
        found = asyncio.run(soak(installation, arguments.minutes * 60))
        if arguments.log:
            shutil.copy(installation.folder / "service.log", arguments.log)
    if into:
        write(found, into)
    else:
        print(text(found))
    print(f"{len(found.traffic.answers):,} answers, {len(found.traffic.faults)} errors, {len(found.crashes)} crashes")
    judged = verdict(found)
    print(judged.outcome, *judged.bad, *judged.unknown, sep="\n", file=sys.stderr if judged.bad else sys.stdout)
    sys.exit(STATUSES[judged.outcome])


if __name__ == "__main__":
    main()
