"""Simultaneous work is limited, and known pictures and captures in progress are served regardless of the limit."""

import threading

import pytest

from tests.support.processes import wait_until
from tests.support.redis import running_redis
from tests.support.screenshot_api import refuse
from tests.support.visitors import PAGE, Crowd, get


@pytest.mark.slow
def test_large_pictures_are_made_a_few_at_a_time(client):
    """Large renditions cost seconds of CPU time but no budget, so a limit keeps them from taking all connections."""
    get(client)
    crowd = Crowd(client, 8)
    large = [crowd.ask(url=PAGE, w=2560, h=1440, format="avif", quality=quality) for quality in range(90, 98)]
    refused = [answer.result() for answer in large if answer.result().status_code != 200]

    assert 1 <= len(refused) <= 4
    assert {(each.status_code, each.json["code"]) for each in refused} == {(503, "over_capacity")}


@pytest.mark.parametrize("width", [64, 2560], ids=["small", "large"])
def test_callers_that_wait_for_a_slow_page_take_no_seat_from_a_known_one(make_client, api, width):
    client = make_client(web_connections=4)
    get(client)
    gate = threading.Event()
    api.hold(gate, url="https://slow.example.com/")
    crowd = Crowd(client, 4)
    try:
        waiting = [crowd.ask(url="https://slow.example.com/") for _ in range(4)]
        wait_until(lambda: any(answer.done() for answer in waiting), "the refusal of one too many")
        known = get(client, w=width)
    finally:
        gate.set()

    assert (known.status_code, known.headers["X-Cache"]) == (200, "HIT")
    assert sorted(answer.result().status_code for answer in waiting) == [200, 200, 200, 503]


def test_with_wait_zero_a_large_picture_is_pending_at_once(client, api):
    get(client)
    at_once = get(client, w=2560, h=1440, format="avif", wait=0)
    in_time = get(client, w=2560, h=1440, format="avif")

    assert (at_once.status_code, at_once.json["code"]) == (202, "pending")
    assert (in_time.status_code, in_time.headers["X-Cache"]) == (200, "HIT")
    assert len(api.calls) == 1


def test_captures_beyond_the_bound_are_refused_while_others_pend(make_client, api, held):
    crowd = Crowd(make_client(capture_concurrency=2, capture_queue=0, thumb_limit="100 per hour"), 12)
    answers = [crowd.ask(url=f"https://example.com/{i}") for i in range(12)]
    wait_until(lambda: sum(answer.done() for answer in answers) == 10, "ten refusals")
    refused = [answer.result() for answer in answers if answer.done()]
    held.set()

    assert {(each.status_code, each.json["code"]) for each in refused} == {(503, "over_capacity")}
    assert min(int(each.headers["Retry-After"]) for each in refused) >= 5
    assert sorted(answer.result().status_code for answer in answers) == [200] * 2 + [503] * 10
    assert len(api.calls) == 2


def test_without_free_slots_known_pictures_and_captures_in_progress_are_still_served(make_client, api):
    one, other = (make_client(capture_concurrency=1, capture_queue=0, thumb_limit="100 per hour") for _ in range(2))
    known = get(one)
    api.behave(refuse(422, "page_failed"))
    failed = get(one, "https://example.com/failed")
    crowd, others, gate = Crowd(one, 4), Crowd(other, 4), threading.Event()
    api.hold(gate)
    try:
        first = crowd.ask(url="https://example.com/first")
        second = others.ask(url="https://example.com/second")
        wait_until(lambda: len(api.calls) == 4, "both captures")
        joining = [crowd.ask(url="https://example.com/first", w=64), crowd.ask(url="https://example.com/second")]
        made = get(one, w=64)
        again = get(one, "https://example.com/failed")
        refused = get(one, "https://example.com/third", wait=0)
    finally:
        gate.set()

    assert (known.status_code, made.status_code, made.headers["X-Cache"]) == (200, 200, "HIT")
    assert failed.json["code"] == again.json["code"] == "capture_failed"
    assert refused.json["code"] == "over_capacity", "nothing is pending, so the error is not `pending`"
    assert [each.result().status_code for each in (first, second, *joining)] == [200] * 4
    assert len(api.calls) == 4


def test_without_free_slots_other_errors_take_precedence(make_client, api):
    """A caller that gets `over_capacity` retries within seconds. For these errors, a retry would be useless."""
    one, other = (make_client(capture_concurrency=1, capture_queue=0, thumb_limit="100 per hour") for _ in range(2))
    gate = threading.Event()
    api.hold(gate, url=PAGE)
    crowd = Crowd(one, 1)
    first = crowd.ask(url=PAGE)
    wait_until(lambda: len(api.calls) == 1, "the capture")
    try:
        never = get(one, "https://example.com/never", selector="#a")
        api.behave(refuse(429, "quota_exceeded"), url="https://example.com/spent")
        spent = get(other, "https://example.com/spent")
        also = get(one, "https://example.com/other")
    finally:
        gate.set()

    assert never.json["code"] == "invalid_option", "SnapSharp knows no selectors"
    assert spent.json["code"] == also.json["code"] == "upstream_quota"
    assert first.result().status_code == 200


def test_while_redis_is_full_pictures_in_memory_are_still_served(make_client, api):
    with running_redis("--maxmemory", "1mb", "--maxmemory-policy", "noeviction") as server:
        client = make_client(
            redis_url=server.url, capture_concurrency=1, capture_queue=0, memory_cache_bytes=10_000_000
        )
        known = get(client, w=32)
        gate = threading.Event()
        api.hold(gate)
        crowd = Crowd(client, 1)
        crowd.ask(url="https://example.com/held")
        wait_until(lambda: len(api.calls) == 2, "the capture")
        try:
            made = get(client, w=64)
        finally:
            gate.set()

    assert (known.status_code, made.status_code) == (200, 200)


def test_a_missing_key_takes_precedence_over_missing_slots(make_client, api, held):
    client = make_client(capture_concurrency=1, capture_queue=0, api_keys=("cms:0123456789abcdef0123456789abcdef",))
    crowd = Crowd(client, 1)
    crowd.ask(url=PAGE)
    wait_until(lambda: len(api.calls) == 1, "the capture")

    assert get(client, "https://example.org/", fresh=1).json["code"] == "key_required"
