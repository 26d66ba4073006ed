"""Reads the metrics of a process as Prometheus does."""

import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import requests
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from telemetry import SUBJECTS, Metric
from tests.support.processes import accepts, free_port, wait_until

HELD_SECONDS = 0.5  # a bound of the histogram
OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}


@dataclass(frozen=True)
class Metrics:
    """The metrics at `port` of loopback."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/metrics"

    def wait_until_served(self) -> None:
        """Wait for a process that logs its start before it serves."""
        wait_until(lambda: accepts(self.port), f"metrics on port {self.port}")

    def text(self, headers=None) -> str:
        answer = requests.get(self.url, headers=headers, timeout=10)
        answer.raise_for_status()
        return answer.text

    def samples(self):
        """Yield what is shown. Its labels must be declared."""
        for family in text_string_to_metric_families(self.text(OPENMETRICS)):
            for sample in family.samples:
                assert is_declared(sample.name, sample.labels), sample
                yield sample

    def value(self, name: str, **labels: str) -> float | None:
        """Return the sum of all series with `labels`, None without any."""
        found = [each.value for each in self.samples() if each.name == name and labels.items() <= each.labels.items()]
        return sum(found) if found else None

    def count(self, name: str, **labels: str) -> float:
        """Return how many a counter, or the histogram of that name, has counted."""
        return self.value(name if name.endswith("_total") else f"{name}_count", **labels) or 0

    def wait_for(self, name: str, wanted=lambda value: value > 0, **labels: str) -> float:
        """Wait until a gauge is as `wanted`, and return it."""
        last: list[float | None] = [None]

        def reached() -> bool:
            last[0] = self.value(name, **labels)
            return last[0] is not None and wanted(last[0])

        wait_until(reached, f"{name} {labels}")
        return last[0]

    @contextmanager
    def moves(self, name: str, by: float | None = None, **labels: str) -> Iterator[None]:
        """Assert that what the block causes moves a counter or a histogram; exactly `by` so much, if it is given."""
        before = self.count(name, **labels)
        yield
        wait_until(lambda: self.count(name, **labels) - before >= (by or 1), f"{name} {labels} to move")
        if by is not None:
            assert self.count(name, **labels) - before == by

    def show_a_held_loop(self, name: str, pid: int) -> None:
        """Stop the process `pid` for longer than HELD_SECONDS, and assert that the histogram shows its loop so late."""

        def late() -> float:
            return self.count(name) - (self.value(f"{name}_bucket", le=str(HELD_SECONDS)) or 0)

        def held() -> bool:  # again, since the process may not have begun to sample
            os.kill(pid, signal.SIGSTOP)
            try:
                time.sleep(2 * HELD_SECONDS)  # the delay that is measured, whatever the machine does
            finally:
                os.kill(pid, signal.SIGCONT)
            return late() > before

        before = late()
        wait_until(held, "a step that held the loop", pause=1)


def is_declared(name: str, labels: Mapping[str, str]) -> bool:
    """Return whether the series of one of our metrics may have these labels, beside those of a histogram.

    Prometheus drops a label that is empty.
    """
    metric = next(each for group in SUBJECTS.values() for each in group if name in (each.name, *_series_of(each)))
    own = {label: value for label, value in labels.items() if label != "le"}
    return own.keys() <= metric.labels.keys() and metric.declares(tuple(own.get(label, "") for label in metric.labels))


def _series_of(metric: Metric) -> list[str]:
    return [f"{metric.name}_{part}" for part in ("bucket", "sum", "count")] if metric.kind == "histogram" else []


def measured() -> tuple[Metrics, dict[str, object]]:
    """Return the metrics of a process that is about to be started, and the setting for it."""
    port = free_port()
    return Metrics(port), {"metrics_port": port}
