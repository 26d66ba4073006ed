"""Asks several settings of our web process in turn, request by request, and compares the processor time that they spend.

All run at the same time, so that other load of the machine affects all alike. The rate would tell less: it depends on what
else the machine does meanwhile. What the processes spend without requests is measured apart and subtracted.
"""

import http.client
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import requests

from bench.servers import path

IDLE_SECONDS = 10


@dataclass(frozen=True)
class Asked:
    """A connection to a service, and the process ids of its main process and its worker."""

    connection: http.client.HTTPConnection
    pids: list[int]
    pages: itertools.count = field(default_factory=itertools.count)

    def hit(self) -> None:
        self._ask("hot", "HIT")

    def miss(self) -> None:
        self._ask(f"page-{next(self.pages)}", "MISS")

    def _ask(self, page: str, state: str) -> None:
        self.connection.request("GET", path(page))
        answer = self.connection.getresponse()
        answer.read()
        if answer.getheader("X-Cache") != state:
            raise RuntimeError(f"not a {state}: {answer.status} {answer.getheader('X-Cache')}")

    def spent(self) -> float:
        """Return the processor time so far, in microseconds, of all threads."""
        tasks = (task for pid in self.pids for task in Path(f"/proc/{pid}/task").glob("*/schedstat"))
        return sum(int(task.read_text(encoding="ascii").split()[0]) for task in tasks) / 1000


def connect(url: str) -> http.client.HTTPConnection:
    requests.get(url + path("hot"), timeout=60).raise_for_status()
    parts = urlsplit(url)
    return http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)


def pids_of(main: int) -> list[int]:
    children = Path(f"/proc/{main}/task/{main}/children").read_text(encoding="ascii").split()
    return [main, *map(int, children)]


def measure_idle(services: Sequence[Asked]) -> list[float]:
    """Return the microseconds that each service spends in a second without requests."""
    for each in services:
        each.connection.close()  # which is kept alive for less long; the next request opens another
    before = [each.spent() for each in services]
    time.sleep(IDLE_SECONDS)
    return [(each.spent() - was) / IDLE_SECONDS for each, was in zip(services, before, strict=True)]


def measure_block(
    services: Sequence[Asked], idle: Sequence[float], ask: Callable[[Asked], None], count: int
) -> list[float]:
    """Ask each service `count` times, and return the microseconds of a request of each."""
    before, began = [each.spent() for each in services], time.monotonic()
    for number in range(count):
        first = number % len(services)  # each is first as often as the others
        for each in (*services[first:], *services[:first]):
            ask(each)
    seconds = time.monotonic() - began
    return [
        (each.spent() - was - seconds * alone) / count for each, was, alone in zip(services, before, idle, strict=True)
    ]
