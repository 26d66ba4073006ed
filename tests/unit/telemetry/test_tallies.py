"""What one process counts, and how the tallies of several are added up."""

import os
import threading

import pytest

import engine.errors
from errors import Fault
from jobs.messages import QUEUES
from jobs.records import State
from netguard import Verdict
from telemetry import SUBJECTS, metrics, tallies
from telemetry.exposition import Exposition
from tests.unit.structure import house
from thumbnails import CacheState

ALL = [metric for group in SUBJECTS.values() for metric in group]
MOVED_BY = ("tests/e2e/telemetry", "tests/engine/app/test_engine_metrics.py", "tests/integration/telemetry")


@pytest.fixture(autouse=True)
def _from_zero():
    tallies.forget_all()
    yield
    tallies.forget_all()


def shown(process="web", *snapshots):
    taken = snapshots or [tallies.snapshot()]
    registry = Exposition(process, lambda: taken).registry()
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in registry.collect()
        for sample in family.samples
    }


def test_every_metric_belongs_to_one_subject():
    assert sorted(metric.name for metric in ALL) == sorted(metric.name for metric in tallies.declared())


def test_every_metric_is_moved_by_a_test_that_causes_what_it_counts():
    paths = [path for place in MOVED_BY for path in sorted((house.ROOT / place).rglob("*.py")) or [house.ROOT / place]]
    tests = "".join(path.read_text(encoding="utf-8") for path in paths if path.exists())
    assert [metric.name for metric in ALL if f'"{metric.name}' not in tests] == []


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_a_metric_is_named_as_prometheus_has_it_and_has_labels_of_few_values(metric):
    assert metric.name.startswith("thumbnails_")
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert metric.kind != "histogram" or metric.name.endswith("_seconds")
    assert not {"url", "host", "client", "key", "site", "page", "path", "user", "address"} & set(metric.labels)
    assert metric.help.endswith(".")


def test_nothing_is_counted_before_it_is_asked_for(monkeypatch):
    monkeypatch.setattr(tallies._Switch, "on", False)
    metrics.EVICTIONS.add("memory")
    metrics.CAPTURE_SECONDS.observe(1, "engine", "nobody")
    assert tallies.snapshot() == {}


def test_a_counter_has_its_known_series_from_the_start():
    assert shown()["thumbnails_evictions_total", "memory"] == 0
    metrics.EVICTIONS.add("memory", amount=3)
    assert shown()["thumbnails_evictions_total", "memory"] == 3


@pytest.mark.parametrize(
    "move",
    [
        lambda: metrics.EVICTIONS.add("memories"),
        metrics.EVICTIONS.add,
        lambda: metrics.ERRORS.add("not_found", "everybody"),
        lambda: metrics.ERRORS.add("not_found"),
        lambda: metrics.ERRORS.add("", "caller"),
        lambda: metrics.BREAKER_OPEN.set(1),
        lambda: metrics.REDIS_EVICTIONS.set(1, "cache and state"),
        lambda: metrics.ENGINE_PARTS.observe(1, "shooting"),
        lambda: metrics.RENDITION_SECONDS.observe(1, "engine"),
    ],
)
def test_labels_that_are_not_declared_are_counted_with_a_warning(move):
    with pytest.warns(tallies.UndeclaredLabels):
        move()
    assert len(tallies.snapshot()) == 1


def test_a_value_that_is_not_known_in_advance_may_be_any():
    metrics.ERRORS.add("a_new_code", Fault.CALLER)
    assert shown()["thumbnails_errors_total", "a_new_code", "caller"] == 1


def all_kinds(kind):
    return [kind, *(each for direct in kind.__subclasses__() for each in all_kinds(direct))]


def engine_codes():
    failures = (*engine.errors.NETWORK_FAILURES.values(), engine.errors.OTHER)
    return {each.code for each in (*all_kinds(engine.errors.EngineError), *failures)}


@pytest.mark.parametrize(
    ("metric", "label", "values"),
    [
        (metrics.ERRORS, "fault", set(Fault)),
        (metrics.CAPTURE_SECONDS, "fault", set(Fault)),
        (metrics.PICTURES_SERVED, "cache", set(CacheState)),
        (metrics.HTTP_REQUESTS, "cache", {"", *CacheState}),
        # One is no judgement yet, and one is of a document that may reach nothing, which asks nobody.
        (metrics.GUARD_VERDICTS, "verdict", set(Verdict) - {Verdict.NEEDS_LOOKUP, Verdict.NO_NETWORK}),
        (metrics.JOBS, "state", set(State)),
        (metrics.QUEUE_MESSAGES, "queue", set(QUEUES)),
        (metrics.WEBHOOK_ATTEMPTS, "outcome", {"delivered", "pending", "failed"}),
        (metrics.ENGINE_CAPTURES, "outcome", {"ok", "client_gone", *engine_codes()}),
    ],
    ids=lambda each: getattr(each, "name", ""),
)
def test_the_declared_values_are_those_of_the_code(metric, label, values):
    assert set(metric.labels[label]) == values


def test_tallies_of_processes_are_added_and_of_some_gauges_the_largest_counts():
    metrics.EVICTIONS.add("memory")
    metrics.CAPTURE_SECONDS.observe(0.3, "engine", "nobody", request_id="the-first-one")
    metrics.BREAKER_OPEN.set(1, "engine")
    metrics.KEPT_BYTES.set(100, "memory")
    one = tallies.snapshot()
    metrics.BREAKER_OPEN.set(0, "engine")
    found = shown("web", one, tallies.snapshot())
    assert found["thumbnails_evictions_total", "memory"] == 2
    assert found["thumbnails_kept_bytes", "memory"] == 200
    assert found["thumbnails_breaker_open", "engine"] == 1
    assert found["thumbnails_capture_duration_seconds_sum", "engine", "nobody"] == 0.6
    buckets = [
        found["thumbnails_capture_duration_seconds_bucket", *sorted((le, "engine", "nobody"))] for le in ("0.25", "0.5")
    ]
    assert buckets == [0, 2]


def test_a_process_shows_its_own_metrics_alone():
    assert ("thumbnails_engine_captures_total", "ok") in shown("engine")
    assert not any(name.startswith(("thumbnails_engine", "thumbnails_outlet")) for name, *_ in shown("web"))


def test_threads_lose_no_counts():
    def count():
        for _ in range(20_000):
            metrics.EVICTIONS.add("memory")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert shown()["thumbnails_evictions_total", "memory"] == 80_000


def test_a_fork_begins_at_zero_even_if_a_thread_of_its_parent_was_counting():
    metrics.EVICTIONS.add("memory")
    read, write = os.pipe()
    with metrics.EVICTIONS._lock:  # as another thread holds it
        child = os.fork()
        if child == 0:
            metrics.EVICTIONS.add("originals")
            os.write(write, repr(tallies.snapshot()).encode())
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 1000).decode() == "{'thumbnails_evictions_total': [[['originals'], 1]]}"
    os.close(read)
    os.close(write)
