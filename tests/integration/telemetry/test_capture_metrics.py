"""Metrics of several screenshot APIs and engines, and of politeness, are moved by what they count."""

from contextlib import ExitStack

import pytest

from capture.breaker import THRESHOLD
from tests.support.screenshot_api import refuse, running_screenshot_api
from tests.support.visitors import get


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


def test_a_capture_that_is_handed_over_and_what_it_costs(make_client, engines, count):
    client = make_client(capture_cost="snapsharp:0.25")
    for each in engines:
        each.behave(refuse(503, "unavailable"))
    get(client)

    assert count("thumbnails_captures_handed_over_total", api="engine") == 1
    assert count("thumbnails_capture_cost_total", api="snapsharp") == 0.25
    assert count("thumbnails_captures_total", api="engine", outcome="upstream_unavailable") == 1
    assert count("thumbnails_captures_total", api="snapsharp", outcome="ok") == 1
    assert count("thumbnails_capture_engines_left_total") == 2


def test_captures_of_an_api_that_is_not_even_asked_are_handed_over_too(make_client, engines, count):
    """While its breaker is open, the API that follows takes all of them, and may cost money."""
    client = make_client()
    for each in engines:
        each.behave(refuse(503, "unavailable"), times=100)
    for number in range(THRESHOLD + 2):
        assert get(client, f"https://example.com/{number}").headers["X-Captured-By"] == "snapsharp"

    assert count("thumbnails_capture_calls_total", api="engine") == 2 * THRESHOLD
    assert count("thumbnails_captures_handed_over_total", api="engine") == THRESHOLD + 2
    assert count("thumbnails_captures_handed_over_total", api="snapsharp") == 0


def test_a_capture_that_was_refused_for_its_host(make_client, count):
    client = make_client(target_limit="1 per minute")
    get(client, "https://example.com/1")
    get(client, "https://example.com/2")

    assert count("thumbnails_target_refusals_total") == 1
    assert count("thumbnails_captures_total") == 1
