"""Metrics of several screenshot APIs and engines, and of politeness, are moved by what they count."""

from contextlib import ExitStack

import pytest

from telemetry import tallies
from telemetry.exposition import Exposition
from tests.support.screenshot_api import refuse, running_screenshot_api
from tests.support.visitors import get


@pytest.fixture(autouse=True)
def _recording(monkeypatch):
    monkeypatch.setattr(tallies._Switch, "on", True)
    tallies.forget_all()
    yield
    tallies.forget_all()


@pytest.fixture
def engines():
    with ExitStack() as stack:
        yield [stack.enter_context(running_screenshot_api("engine")) for _ in range(2)]


@pytest.fixture
def settings(settings, engines, api):
    several = {
        "capture_api": "engine,snapsharp",
        "capture_url": ",".join(each.url for each in engines),
        "capture_api_key": None,
        "snapsharp_url": api.url,
        "snapsharp_api_key": "sk_live_test",
    }
    return settings | several


def count(name, **labels):
    registry = Exposition("web", lambda: [tallies.snapshot()]).registry()
    samples = [sample for family in registry.collect() for sample in family.samples if sample.name == name]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


def test_a_capture_that_is_handed_over_and_what_it_costs(make_client, engines):
    client = make_client(capture_cost="snapsharp:0.25")
    for each in engines:
        each.behave(refuse(503, "unavailable"))
    get(client)

    assert count("thumbnails_captures_handed_over_total", api="engine") == 1
    assert count("thumbnails_capture_cost_total", api="snapsharp") == 0.25
    assert count("thumbnails_captures_total", api="engine", outcome="upstream_unavailable") == 1
    assert count("thumbnails_captures_total", api="snapsharp", outcome="ok") == 1
    assert count("thumbnails_capture_engines_left_total") == 2


def test_a_capture_that_was_refused_for_its_host(make_client):
    client = make_client(target_limit="1 per minute")
    get(client, "https://example.com/1")
    get(client, "https://example.com/2")

    assert count("thumbnails_target_refusals_total") == 1
    assert count("thumbnails_captures_total") == 1
