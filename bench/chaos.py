"""`make chaos`: bad days, one after another, under a steady load. Prints the table of docs/operations/chaos.md.

Real processes: gunicorn, a worker, the engine, two pairs of Redis and an S3 server.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench.chaos_load import PROBE, Job, Page, Pages, Service, Tally, steady_load, wait_for
from tests.support.disk import beside, full_disk, on_a_disk
from tests.support.engine import Engine, start_engine
from tests.support.processes import free_port
from tests.support.redis import Address, replicate, running_address, running_redis
from tests.support.s3 import running_s3_process
from tests.support.site import running_site
from tests.support.web import running_web_process
from tests.support.worker import running_worker

GREEN_SECONDS = 10  # the promise
PATIENCE = 30  # how long we wait for it, so that a loaded machine shows by how much it is missed
SETTLE_SECONDS = 60  # jobs retry, and what a killed worker had taken is resent once the queues are empty
# How long an event lasts, when the next one follows, the pause of the greedy client, in seconds; and by which factor the
# pauses of the other clients are longer.
LONG, SHORT = (8, 20, 0.1, 1), (1.5, 3, 6, 2)
KNOWN_PAGES = 9
DISK = 64 << 20


class Pair:
    """A primary Redis, its replica, and an address that leads to the primary."""

    def __init__(self, stack: ExitStack, policy: str) -> None:
        options = ("--repl-diskless-sync-delay", "0", "--maxmemory-policy", policy)
        self._primary, self._replica = (stack.enter_context(running_redis(*options)) for _ in range(2))
        replicate(self._replica, self._primary)
        self.address: Address = stack.enter_context(running_address(self._primary))

    @contextmanager
    def failing_over(self) -> Iterator[None]:
        """The primary dies; at the end, its replica takes over."""
        self._primary.process.kill()
        yield
        self.address.promote(self._replica)


class EngineProcess:
    """The engine at one port, which may be killed and started again."""

    def __init__(self, stack: ExitStack, settings: dict[str, object]) -> None:
        self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self._folder.chmod(0o711)  # the browser runs as another user
        self._settings = settings | {"ENGINE_PORT": free_port()}
        self._engine = self._start()
        self.url = self._engine.url
        stack.callback(self._stop)

    @contextmanager
    def killed(self) -> Iterator[None]:
        self._engine.process.kill()
        self._stop()
        yield
        self._engine = self._start()

    def crash_browser(self) -> None:
        """Kill the browser, which the engine replaces."""
        with suppress(ProcessLookupError):
            os.killpg(self._engine.browser_pids[-1], signal.SIGKILL)

    def _start(self) -> Engine:
        engine = Engine(start_engine(self._folder, self._settings), self._folder)
        try:
            engine.wait_until_ready()
        except BaseException:
            engine.stop()
            raise
        return engine

    def _stop(self) -> None:
        self._engine.stop()
        for pid in self._engine.browser_pids:  # a supervisor ends what a killed engine leaves
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)


class WorkerProcess:
    """A worker with its pool, which may be killed and started again."""

    def __init__(self, stack: ExitStack, start: Callable[[], AbstractContextManager[subprocess.Popen]]) -> None:
        self._start = start
        self._running = stack.enter_context(ExitStack())
        self._process = self._running.enter_context(start())

    @contextmanager
    def killed(self) -> Iterator[None]:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._running.close()
        yield
        self._process = self._running.enter_context(self._start())


@contextmanager
def stopped(process: subprocess.Popen) -> Iterator[None]:
    """Connections are taken and nothing is answered: worse than a refused connection."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


@dataclass
class Installation:
    url: str
    pages: Pages
    events: dict[str, Callable[[], AbstractContextManager[None]]]


@contextmanager
def running_installation(work: Path) -> Iterator[Installation]:
    with ExitStack() as stack:
        site = stack.enter_context(running_site())
        state, cache = Pair(stack, "noeviction"), Pair(stack, "allkeys-lru")
        s3_url, s3 = stack.enter_context(running_s3_process("pictures"))
        engine = EngineProcess(stack, {"PRIVATE_TARGETS": site.address})
        disk = work / "disk"
        disk.mkdir()
        settings: dict[str, object] = {
            "redis_url": cache.address.url,
            "state_redis_url": state.address.url,
            "capture_url": engine.url,
            "private_targets": site.address,
            "originals_dir": disk,
            "s3_bucket": "pictures",
            "s3_region": "us-east-1",
            "s3_endpoint_url": s3_url,
            "aws_access_key_id": "test",
            "aws_secret_access_key": "an-s3-key-of-the-tests",
            "trusted_proxies": 1,  # the clients are addresses in X-Forwarded-For
        }
        url, web = stack.enter_context(running_web_process(work / "web.log", on_a_disk(disk, DISK), **settings))
        prefix = beside(web.pid)
        worker = WorkerProcess(stack, lambda: running_worker(work / "worker.log", prefix=prefix, **settings))
        events = {
            "state Redis fails over": state.failing_over,
            "cache Redis fails over": cache.failing_over,
            "S3 does not answer": lambda: stopped(s3),
            "engine killed": engine.killed,
            "disk full": lambda: full_disk(web.pid, disk),
            "worker killed": worker.killed,
        }
        yield Installation(url, Pages(site), events)


@dataclass
class Report:
    tally: Tally
    durations: dict[str, float] = field(default_factory=dict)
    green: dict[str, dict[str, float | None]] = field(default_factory=dict)
    lost: list[Job] = field(default_factory=list)

    def count(self, event: str, what: str) -> int:
        return self.tally.counts[event, what]

    def seconds_until_green(self, event: str) -> float | None:
        parts = self.green[event].values()
        return None if None in parts else max(parts)

    def row(self, event: str) -> str:
        seconds = self.seconds_until_green(event)
        jobs = [job for job in self.tally.jobs if job.event == event]
        done = sum(job not in self.lost for job in jobs)
        cells = (
            event,
            f"{self.durations[event]:.1f} s",
            f"{self.count(event, 'known asked')} / {self.count(event, 'known 5xx')} / {self.count(event, 'wrong')}",
            f"{self.count(event, 'honest captured')} of {self.count(event, 'honest asked')}",
            f"{self.count(event, 'greedy captured')} of {self.count(event, 'greedy asked')}",
            f"{done} of {len(jobs)}; {self.count(event, 'jobs refused')} refused",
            f"more than {PATIENCE}" if seconds is None else f"{seconds:.1f}",
        )
        return f"| {' | '.join(cells)} |"

    def table(self) -> str:
        head = (
            "| event | lasted | known pictures asked / 5xx / wrong | honest clients' new captures | greedy client's "
            "| jobs completed, of those accepted | seconds until green |"
        )
        return "\n".join([head, "|---|---|---|---|---|---|---|", *map(self.row, self.durations)])


def run(work: Path, away: float, span: float, greedy_pause: float, slower: float) -> Report:
    """Let each event last `away` seconds, and the next one begin `span` seconds after it, or when all is green."""
    tally = Tally()
    report = Report(tally)
    with running_installation(work) as installation, ThreadPoolExecutor(3) as pool:
        service, pages = Service(installation.url, tally), installation.pages
        known = _capture_known(service, pages)
        with steady_load(service, pages, known, greedy_pause, slower):
            for name, event in installation.events.items():
                began = time.monotonic()
                tally.event = name
                with event():
                    time.sleep(away)
                report.durations[name] = time.monotonic() - began
                report.green[name] = _wait_for_green(service, pages, pool)
                time.sleep(max(began + span - time.monotonic(), 0))
        tally.event = "after"
        report.lost = _settle(service, tally)
    return report


def _capture_known(service: Service, pages: Pages) -> list[Page]:
    known = [pages.new() for _ in range(KNOWN_PAGES)]
    for page in known:
        if not service.capture(page, PROBE, "first"):
            raise RuntimeError("the service does not capture before anything has happened to it")
        service.known(page, PROBE, w=160)
    return known


def _wait_for_green(service: Service, pages: Pages, pool: ThreadPoolExecutor) -> dict[str, float | None]:
    """Return the seconds until `/ready` says that all is well, a new page is captured, and a new job is done."""

    def captures() -> bool:
        return service.capture(pages.new(), PROBE, "probe")

    def completes_a_job() -> bool:
        job = service.create_job(pages.new(), PROBE)
        return job is not None and wait_for(lambda: service.state_of(job) == "completed", PATIENCE) is not None

    def is_ready() -> bool:
        found = service.ready()
        return found is not None and found["limits"] == "redis" and found["originals"] == "ok"

    parts = {"ready": is_ready, "capture": captures, "job": completes_a_job}
    waiting = {name: pool.submit(wait_for, part, PATIENCE) for name, part in parts.items()}
    return {name: each.result() for name, each in waiting.items()}


def _settle(service: Service, tally: Tally) -> list[Job]:
    """Wait for all jobs, and return those that were lost: without an end, failed, or with the picture of another page."""
    states: dict[str, str] = {}

    def all_ended() -> bool:
        for job in tally.jobs:
            if not states.get(job.id, "").startswith(("completed", "failed")):
                states[job.id] = service.state_of(job)
        return all(state.startswith(("completed", "failed")) for state in states.values())

    wait_for(all_ended, SETTLE_SECONDS, pause=0.5)
    lost = [job for job in tally.jobs if states[job.id] != "completed" or not service.shows(job)]
    for job in lost:
        tally.note(job.event, f"job {job.id}: {states[job.id]}")
    return lost


def faults(report: Report) -> list[str]:
    """Describe what broke a promise."""
    found = []
    for event in report.durations:
        if errors := report.count(event, "known 5xx"):
            found.append(f"{event}: {errors} known pictures were answered by 5xx")
        if wrong := report.count(event, "wrong"):
            found.append(f"{event}: {wrong} pictures of another page")
        if lost := sum(job.event == event for job in report.lost):
            found.append(f"{event}: {lost} jobs lost")
        seconds = report.seconds_until_green(event)
        if seconds is None or seconds > GREEN_SECONDS:
            found.append(f"{event}: not green within {GREEN_SECONDS} s: {report.green[event]}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--short", action="store_true", help="some twenty seconds instead of two minutes")
    parser.add_argument("--work", type=Path, help="an empty folder, in which the logs stay")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        work = arguments.work or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        work.mkdir(parents=True, exist_ok=True)
        report = run(work, *(SHORT if arguments.short else LONG))
    print(report.table())
    print(*report.tally.notes, sep="\n")
    print(*(f"{event}: {what}: {number}" for (event, what), number in sorted(report.tally.outcomes.items())), sep="\n")
    print(*(f"{event}: {parts}" for event, parts in report.green.items()), sep="\n")
    if found := faults(report):
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
