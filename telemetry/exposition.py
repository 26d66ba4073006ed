"""Shows tallies as Prometheus reads them. Each metric of a process is shown, whether it was moved or not."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

from telemetry.tallies import Histogram, Labels, Metric, Reading, Snapshot, declared


class Exposition:
    """A collector of prometheus_client. `take` returns the snapshots of all processes together."""

    def __init__(self, process: str, take: Callable[[], Iterable[Snapshot]]) -> None:
        self._process = process
        self._take = take

    def collect(self) -> Iterator[Family]:
        snapshots = list(self._take())
        for metric in declared():
            if self._process in metric.processes:
                yield _family(metric, _merged(metric, snapshots))

    def registry(self) -> CollectorRegistry:
        registry = CollectorRegistry()
        registry.register(self)
        return registry

    def describe(self) -> list[Family]:
        """Name nothing: the registry would collect everything to learn the names."""
        return []


def _merged(metric: Metric, snapshots: Iterable[Snapshot]) -> dict[Labels, Reading]:
    found: dict[Labels, Reading] = dict(metric.first())
    for snapshot in snapshots:
        for values, reading in snapshot.get(metric.name, ()):
            labels = tuple(values)
            found[labels] = metric.merge(found[labels], reading) if labels in found else reading
    return found


def _family(metric: Metric, series: dict[Labels, Reading]) -> Family:
    if isinstance(metric, Histogram):
        return _histogram(metric, series)
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=list(metric.labels))
    for labels, value in sorted(series.items()):
        family.add_metric(labels, value)
    return family


def _histogram(metric: Histogram, series: dict[Labels, Reading]) -> Family:
    family = HistogramMetricFamily(metric.name, metric.help, labels=list(metric.labels))
    bounds = [*map(floatToGoString, metric.bounds), "+Inf"]
    for labels, (counts, total, exemplars) in sorted(series.items()):
        buckets, below = [], 0
        for bound, count, exemplar in zip(bounds, counts, exemplars, strict=True):
            below += count
            buckets.append((bound, below, _exemplar(exemplar)))
        family.add_metric(labels, buckets, total)  # type: ignore[arg-type] # an exemplar may be None
    return family


def _exemplar(found: tuple[str, float, float] | None) -> Exemplar | None:
    return Exemplar({"request_id": found[0]}, found[1], found[2]) if found else None
