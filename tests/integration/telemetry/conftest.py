import pytest

from telemetry import tallies
from telemetry.exposition import Exposition


@pytest.fixture(autouse=True)
def _from_zero():
    tallies.forget_all()
    yield
    tallies.forget_all()


@pytest.fixture
def count():
    """Return how many the series of a metric with some labels have counted, by what web process or worker would show."""

    def count(name, **labels):
        registry = Exposition("web", lambda: [tallies.snapshot()]).registry()
        samples = [sample for family in registry.collect() for sample in family.samples if sample.name == name]
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    return count
