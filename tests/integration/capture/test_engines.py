"""Several engines behind `CAPTURE_URL`: the least busy one takes a capture, and another one where that fails or is full."""

import shutil
import threading
from contextlib import ExitStack

import pytest
import requests
from structlog.testing import capture_logs

from capture import DIALECTS, CaptureClient, Engines
from errors import OverCapacity, UpstreamUnavailable
from options import CaptureOptions
from tests.support.engine import eventually, group_members, running_engine
from tests.support.screenshot_api import picture_with, refuse, reset, running_screenshot_api, silence
from tests.support.site import running_site
from tests.support.visitors import Crowd, get
from urls import locate

GREEN = "<body style='background:green'><h1>Here</h1>"


@pytest.fixture
def pair():
    with ExitStack() as stack:
        yield [stack.enter_context(running_screenshot_api("engine")) for _ in range(2)]


@pytest.fixture
def settings(settings, pair):
    urls = ",".join(each.url for each in pair)
    return settings | {"capture_api": "engine", "capture_url": urls, "capture_api_key": None}


def calls(*apis):
    return [len(api.calls) for api in apis]


def behave(pair, behaviour, times=1):
    for each in pair:
        each.behave(behaviour, times=times)


def page(number):
    return f"https://example.com/{number}"


def test_captures_at_the_same_time_go_to_different_engines(client, pair):
    gate = threading.Event()
    for each in pair:
        each.hold(gate)
    crowd = Crowd(client, 6)
    asked = [crowd.ask(url=page(number)) for number in range(6)]
    eventually(lambda: sum(calls(*pair)) == 6)
    gate.set()
    assert {each.result().status_code for each in asked} == {200}
    assert calls(*pair) == [3, 3]


def test_an_engine_that_others_keep_busy_gets_no_capture_while_another_is_idle(client, pair):
    """The engine says with each answer how many captures it has for how many slots."""
    full, idle = pair
    full.behave(picture_with(200, {"X-Engine-Load": "9/2"}), times=99)
    idle.behave(picture_with(200, {"X-Engine-Load": "0/2"}), times=99)
    for number in range(6):
        get(client, page(number))
    assert len(full.calls) <= 1
    assert sum(calls(*pair)) == 6


@pytest.mark.parametrize(
    "trouble", [refuse(503, "unavailable"), refuse(503, "draining"), refuse(500, "internal_error"), reset]
)
def test_another_engine_takes_what_one_does_not_and_the_caller_pays_once(make_client, pair, trouble):
    client = make_client(thumb_limit="5 per hour")
    pair[0].behave(trouble, times=9)
    answers = [get(client, page(number)) for number in range(3)]

    assert [each.status_code for each in answers] == [200] * 3
    assert [each.headers["RateLimit-Remaining"] for each in answers] == ["4", "3", "2"]
    assert len(pair[1].calls) == 3


@pytest.mark.parametrize("trouble", [refuse(503, "unavailable"), refuse(503, "draining"), reset])
def test_an_engine_that_is_down_or_drains_is_left_alone(client, pair, trouble):
    pair[0].behave(trouble, times=9)
    pair[0].healthy = False
    with capture_logs() as logs:
        codes = [get(client, page(number)).status_code for number in range(6)]

    assert codes == [200] * 6
    assert calls(*pair) == [1, 6]
    assert [entry["address"] for entry in logs if entry["event"] == "engine_away"] == [pair[0].url.rpartition("/")[2]]


def test_a_dead_engine_is_tried_again_when_it_responds(pair, settings):
    dead, alive = pair
    engines = Engines([CaptureClient(DIALECTS["engine"], each.url, None) for each in pair], away_seconds=0.05)
    with capture_logs() as logs:
        dead.behave(refuse(503, "draining"))
        dead.healthy = False
        take(engines, 0)
        assert calls(dead, alive) == [1, 1]
        for number in range(1, 4):
            take(engines, number)
        assert len(dead.calls) == 1
        dead.healthy = True
        eventually(lambda: take(engines, 9) and len(dead.calls) > 1)
    assert [entry["event"] for entry in logs if entry["event"] in ("engine_away", "engine_back")] == [
        "engine_away",
        "engine_back",
    ]
    engines.close()


def take(engines, number, timeout=20):
    return engines.capture(CaptureOptions(locate(page(number))), timeout=timeout)


def test_a_full_engine_hands_over_at_once_and_stays_in_use(client, pair):
    pair[0].behave(refuse(429, "rate_limited", headers={"Retry-After": "30"}), times=1)
    codes = [get(client, page(number)).status_code for number in range(4)]

    assert codes == [200] * 4
    assert sum(calls(*pair)) == 5
    assert len(pair[0].calls) > 1


def test_only_engines_that_are_all_full_are_an_error_and_it_is_no_fault_of_theirs(client, pair):
    behave(pair, refuse(429, "rate_limited", headers={"Retry-After": "90"}), times=8)
    answers = [get(client, page(number)) for number in range(8)]

    assert {(each.status_code, each.json["code"]) for each in answers} == {(503, "over_capacity")}
    assert get(client, page(9)).status_code == 200


def test_the_breaker_opens_only_when_all_engines_fail(client, pair):
    pair[0].behave(refuse(503, "unavailable"), times=99)
    pair[0].healthy = False
    assert {get(client, page(number)).status_code for number in range(10)} == {200}
    pair[1].behave(refuse(503, "unavailable"), times=99)
    pair[1].healthy = False
    codes = {get(client, page(number)).json["code"] for number in range(10, 15)}
    before = sum(calls(*pair))
    assert codes == {"upstream_unavailable"}
    assert get(client, page(15)).json["code"] == "upstream_unavailable"
    assert sum(calls(*pair)) == before


def test_a_pages_failure_is_final_at_the_first_engine(client, pair):
    behave(pair, refuse(422, "page_status", extras={"page_status": 404, "retryable": False}), times=9)

    assert get(client).json["code"] == "page_status"
    assert sum(calls(*pair)) == 1


def test_a_page_takes_down_two_engines_at_most(pair):
    with ExitStack() as stack:
        third = stack.enter_context(running_screenshot_api("engine"))
        three = [*pair, third]
        for each in three:
            each.behave(reset, times=9)
            each.healthy = False
        engines = Engines([CaptureClient(DIALECTS["engine"], each.url, None) for each in three])
        stack.callback(engines.close)
        with pytest.raises(Exception, match="engines crashed") as raised:
            take(engines, 0)
        assert (raised.value.code, raised.value.upstream) == ("page_crashed", False)
        assert sum(calls(*three)) == 2


def test_an_engine_that_hangs_leaves_time_to_another(pair):
    engines = Engines([CaptureClient(DIALECTS["engine"], each.url, None) for each in pair])
    pair[0].behave(silence)
    pair[0].healthy = False
    assert take(engines, 0, timeout=6).body
    assert calls(*pair) == [1, 1]
    engines.close()


def test_without_any_engine_the_failure_is_theirs(pair):
    engines = Engines([CaptureClient(DIALECTS["engine"], each.url, None) for each in pair], sleep=lambda _: None)
    behave(pair, refuse(503, "unavailable"), times=9)
    with pytest.raises(UpstreamUnavailable) as raised:
        take(engines, 0)
    assert raised.value.upstream
    assert sum(calls(*pair)) == 6, "three rounds"
    for each in pair:
        each.reset()
    behave(pair, refuse(429, "rate_limited", headers={"Retry-After": "1"}), times=9)
    with pytest.raises(OverCapacity):
        take(engines, 1)
    engines.close()


def test_hosted_captures_take_over_only_from_engines_that_all_fail(make_client, api, pair):
    both = make_client(
        capture_api="engine,snapsharp", snapsharp_url=api.url, snapsharp_api_key="sk_live_test", capture_api_key=None
    )
    pair[0].behave(refuse(503, "unavailable"), times=1)
    assert get(both, page(1)).headers["X-Captured-By"] == "engine"
    behave(pair, refuse(503, "unavailable"), times=1)
    assert get(both, page(2)).headers["X-Captured-By"] == "snapsharp"
    assert len(api.calls) == 1


# Real engines


@pytest.fixture(scope="module")
def site():
    with running_site() as running:
        yield running


def small(site):
    return running_engine(PRIVATE_TARGETS=site.address, ENGINE_FILTER_LISTS="/nowhere.txt", ENGINE_CONCURRENCY=1)


def test_a_visitor_notices_nothing_of_an_engine_that_is_killed_during_the_capture(make_client, site):
    gate = threading.Event()
    with ExitStack() as stack:
        one, other = (stack.enter_context(small(site)) for _ in range(2))
        client = make_client(capture_url=f"{one.url},{other.url}", private_targets=site.address)
        slow = site.add("/slow", GREEN, gate=gate)
        crowd = Crowd(client, 2)
        asked = crowd.ask(url=slow)
        eventually(lambda: site.hits("/slow") == 1)
        busy, idle = (one, other) if one.health()["in_flight"] else (other, one)
        busy.process.kill()
        eventually(lambda: site.hits("/slow") == 2)
        gate.set()
        assert asked.result().status_code == 200
        assert idle.health()["captures"] == 1
        with pytest.raises(requests.ConnectionError):
            busy.health()
        assert get(client, site.add("/next", GREEN)).status_code == 200
        eventually(lambda: group_members(*busy.browser_pids) == [])
        for path in busy.tmp.iterdir():  # which a killed engine leaves to the next one
            shutil.rmtree(path)


def test_a_real_engine_that_drains_is_left_and_ends_what_it_has(make_client, site):
    gate = threading.Event()
    with ExitStack() as stack:
        one, other = (stack.enter_context(small(site)) for _ in range(2))
        client = make_client(capture_url=f"{one.url},{other.url}", private_targets=site.address)
        slow = site.add("/slow-drain", GREEN, gate=gate)
        crowd = Crowd(client, 2)
        asked = crowd.ask(url=slow)
        eventually(lambda: site.hits("/slow-drain") == 1)
        draining, staying = (one, other) if one.health()["in_flight"] else (other, one)
        draining.process.send_signal(15)
        eventually(lambda: draining.logged("draining"))
        for number in range(3):
            assert get(client, site.add(f"/while-{number}", GREEN)).status_code == 200
        assert staying.health()["captures"] == 3
        gate.set()
        assert asked.result().status_code == 200
        assert draining.process.wait(20) == 0
        assert site.hits("/slow-drain") == 1
