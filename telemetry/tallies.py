"""Counts and measurements of one process, in plain dictionaries.

prometheus_client's own metrics are not used. Where several processes count, it writes each value into a file: 2.5 µs for
an observation under gevent, against 0.8 µs here. Its files stay when processes end, and have no exemplars. It shows what is
counted here: `telemetry.exposition`.
"""

import os
import threading
import time
import warnings
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from typing import Any, ClassVar

Labels = tuple[str, ...]
# The value of one series as JSON has it: a number, or for a histogram [count of each bucket, sum, exemplar of each bucket].
Reading = Any
Snapshot = dict[str, list[list[Any]]]  # by the name of a metric, pairs of label values and a reading

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

_DECLARED: "list[Metric]" = []


class _Switch:
    on = False


def start_recording() -> None:
    """Count from now on, in this process and those that it forks. Before, nothing is counted and nothing is spent."""
    _Switch.on = True


class UndeclaredLabels(RuntimeWarning):
    """A metric was given labels that it does not declare. It counts all the same; tests fail."""


class Metric:
    """A name, a help text, and the names of its labels. All values of a label come from a small set that is in the code.

    Where a label's values are given, they are all that it has. `processes` show the metric. If the values of all its labels
    are given, they show all series from the start, or those of `first`.
    """

    kind: ClassVar[str]
    lasts: ClassVar[bool] = True  # what a process that ended has counted still counts

    def __init__(
        self,
        name: str,
        help_text: str,
        processes: Sequence[str],
        labels: Mapping[str, Sequence[str]] | None = None,
        first: Iterable[Labels] | None = None,
    ) -> None:
        self.name = name
        self.help = help_text
        self.processes = tuple(processes)
        self.labels = dict(labels or {})
        self._first = tuple(product(*self.labels.values()) if first is None else first)
        self.forget()
        _DECLARED.append(self)

    def forget(self) -> None:
        """Forget all values: a new process has inherited its parent's, whose lock another thread may have held."""
        self._lock = threading.Lock()
        self._values: dict[Labels, Any] = {}

    def read(self) -> list[list[Any]]:
        """Return pairs of label values and a reading of each series."""
        with self._lock:
            return [[list(labels), self._reading(value)] for labels, value in self._values.items()]

    def declares(self, labels: Labels) -> bool:
        """Return whether a series may have these labels. To Prometheus, an empty one is missing, so it must be declared."""
        return len(labels) == len(self.labels) and all(
            value in known if known else value for value, known in zip(labels, self.labels.values(), strict=True)
        )

    def first(self) -> Iterator[tuple[Labels, Reading]]:
        """Yield the series that are there from the start."""
        return ((labels, self._reading(self._new())) for labels in self._first)

    def merge(self, one: Reading, other: Reading) -> Reading:
        """Return the reading for two processes together."""
        return one + other

    def _new(self) -> Any:
        return 0

    def _begin(self, labels: Labels) -> Any:
        """Return the first value of a series. A hit begins none, so it pays nothing for this look."""
        if not self.declares(labels):
            warnings.warn(f"{self.name} declares no such labels: {labels}", UndeclaredLabels, stacklevel=3)
        return self._new()

    def _reading(self, value: Any) -> Reading:
        return value


class Counter(Metric):
    kind = "counter"

    def add(self, *labels: str, amount: float = 1) -> None:
        if _Switch.on:
            with self._lock:
                value = self._values.get(labels)
                self._values[labels] = amount + (self._begin(labels) if value is None else value)


class Gauge(Metric):
    """A value of now. The processes' values are added up, or the largest counts."""

    kind = "gauge"
    lasts = False

    def __init__(
        self,
        name: str,
        help_text: str,
        processes: Sequence[str],
        labels: Mapping[str, Sequence[str]] | None = None,
        merge: Callable[[float, float], float] | None = None,
    ) -> None:
        super().__init__(name, help_text, processes, labels)
        self._merge = merge

    def set(self, value: float | None, *labels: str) -> None:
        """Set a value; None stands for one that is not known."""
        with self._lock:
            if value is None:
                self._values.pop(labels, None)
            else:
                if labels not in self._values:
                    self._begin(labels)
                self._values[labels] = value

    def clear(self) -> None:
        """Remove all values: they are not known any more."""
        with self._lock:
            self._values.clear()

    def first(self) -> Iterator[tuple[Labels, Reading]]:
        return iter(())

    def merge(self, one: Reading, other: Reading) -> Reading:
        return self._merge(one, other) if self._merge else one + other


class MirroredCounter(Gauge):
    """A counter that another server keeps, as it was read last."""

    kind = "counter"


class _Series:
    __slots__ = ("counts", "exemplars", "total")

    def __init__(self, size: int) -> None:
        self.counts = [0] * size
        self.total = 0.0
        self.exemplars: list[tuple[str, float, float] | None] = [None] * size


class Histogram(Metric):
    """Durations in seconds, and for each bucket the id of the last request that fell into it."""

    kind = "histogram"

    def __init__(
        self,
        name: str,
        help_text: str,
        processes: Sequence[str],
        labels: Mapping[str, Sequence[str]] | None = None,
        bounds: Sequence[float] = SECONDS,
    ) -> None:
        self.bounds = tuple(bounds)
        super().__init__(name, help_text, processes, labels)

    def observe(self, value: float, *labels: str, request_id: str = "") -> None:
        if not _Switch.on:
            return
        bucket = bisect_left(self.bounds, value)
        with self._lock:
            series = self._values.get(labels)
            if series is None:
                series = self._values[labels] = self._begin(labels)
            series.counts[bucket] += 1
            series.total += value
            if request_id:
                series.exemplars[bucket] = (request_id, value, time.time())

    @contextmanager
    def timed(self, *labels: str, request_id: str = "") -> Iterator[None]:
        """Observe how long the block takes, whether it succeeds or not."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.observe(time.monotonic() - began, *labels, request_id=request_id)

    def merge(self, one: Reading, other: Reading) -> Reading:
        counts, total, exemplars = one
        more, added, others = other
        newest = [max((a, b), key=lambda each: each[2] if each else 0) for a, b in zip(exemplars, others, strict=True)]
        return [[a + b for a, b in zip(counts, more, strict=True)], total + added, newest]

    def _new(self) -> Any:
        return _Series(len(self.bounds) + 1)

    def _reading(self, value: Any) -> Reading:
        return [list(value.counts), value.total, list(value.exemplars)]


def declared() -> list[Metric]:
    return list(_DECLARED)


def snapshot() -> Snapshot:
    """Read all metrics of this process."""
    return {metric.name: series for metric in _DECLARED if (series := metric.read())}


def forget_all() -> None:
    for metric in _DECLARED:
        metric.forget()


def forget_gauges() -> None:
    for metric in _DECLARED:
        if not metric.lasts:
            metric.forget()


os.register_at_fork(after_in_child=forget_all)
