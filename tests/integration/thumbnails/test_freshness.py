"""An old picture is shown while the page is captured again behind it."""

import threading

import pytest

from tests.support.processes import wait_until
from tests.support.redis import age_pictures
from tests.support.screenshot_api import with_mark
from tests.support.visitors import get


def test_an_old_picture_is_served_at_once_and_recaptured_in_the_background(make_client, api, redis_url):
    client = make_client(cache_ttl=60)
    get(client, w=64)
    age_pictures(redis_url, seconds=120)
    stale = get(client, w=64)

    assert (stale.headers["X-Cache"], stale.headers["X-Thumb-State"]) == ("STALE", "stale")
    wait_until(lambda: get(client, w=64).headers["X-Cache"] == "HIT", "the refresh")
    assert len(api.calls) == 2


def test_an_old_picture_is_refreshed_once_however_many_look_at_it(make_client, api, redis_url):
    client = make_client(cache_ttl=60)
    get(client)
    age_pictures(redis_url, seconds=120)
    gate = threading.Event()
    api.hold(gate)
    try:
        states = [get(client, w=w).headers["X-Cache"] for w in (64, 128, 64, 128)]
        wait_until(lambda: len(api.calls) == 2, "the refresh")
    finally:
        gate.set()

    assert set(states) == {"STALE"}
    wait_until(lambda: get(client).headers["X-Cache"] == "HIT", "the refresh")
    assert len(api.calls) == 2


@pytest.mark.parametrize(
    ("options", "new_look", "stays"),
    [({}, with_mark(1, 20), True), ({"scale": 2}, with_mark(2, 20), True), ({}, with_mark(12, 20), False)],
    ids=["a caret", "a caret at double density", "a letter"],
)
def test_a_new_capture_that_looks_the_same_extends_the_old_one(make_client, api, redis_url, options, new_look, stays):
    client = make_client(cache_ttl=60)
    before = get(client, **options)
    age_pictures(redis_url, seconds=120)
    api.behave(new_look)
    get(client, **options)
    wait_until(lambda: get(client, **options).headers["X-Cache"] == "HIT", "the refresh")
    again = get(client, headers={"If-None-Match": before.headers["ETag"]}, **options)

    assert len(api.calls) == 2
    assert again.status_code == (304 if stays else 200)


def test_an_original_too_large_to_keep_is_refreshed_too(make_client, api, redis_url):
    client = make_client(cache_ttl=60, master_max_bytes=100)
    get(client)
    age_pictures(redis_url, seconds=120)

    assert get(client).headers["X-Cache"] == "STALE"
    client.application.extensions["services"].coalescer.drain(10)
    assert get(client).headers["X-Cache"] == "HIT"
    assert len(api.calls) == 2
