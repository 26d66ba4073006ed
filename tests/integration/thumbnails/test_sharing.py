"""One capture serves everyone; known pictures are free; what is old is shown while it is captured anew."""

import io
import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial

import pytest
import redis
from PIL import Image

from coordination import coalescer as coalesce
from coordination.redis_breaker import Fuse
from model import CaptureOptions, Picture, ThumbnailRequest
from tests.support.processes import wait_until
from tests.support.redis import age_pictures, running_redis
from tests.support.screenshot_api import blank, refuse, sized, with_mark
from thumbnails.cache import PictureCache

PAGE = "https://example.com/"


def get(client, url=PAGE, headers=None, **options):
    return client.get("/thumb", query_string={"url": url, **options}, headers=headers)


class Crowd:
    """Callers in threads, each with a client of its own."""

    def __init__(self, client, count):
        self.app = client.application
        self.pool = ThreadPoolExecutor(count)

    def ask(self, *args, address="127.0.0.1", **options):
        def call():
            client = self.app.test_client()
            return client.get("/thumb", query_string=options, environ_base={"REMOTE_ADDR": address})

        return self.pool.submit(call)


@pytest.fixture
def held(api):
    """Every answer of the API waits for this gate; it is opened in the end whatever happens."""
    gate = threading.Event()
    api.hold(gate)
    yield gate
    gate.set()


def test_eighteen_renditions_of_a_page_are_one_capture(client, api):
    for width in (160, 320, 640):
        for ratio in (1, 2):
            for format_ in ("png", "webp", "jpeg"):
                assert get(client, w=width * ratio, format=format_).status_code == 200

    assert len(api.calls) == 1


@pytest.mark.parametrize(
    ("accept", "format_"),
    [
        ("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", "AVIF"),
        ("image/webp,*/*", "WEBP"),
        ("image/avif;q=0.5,image/webp;q=0.9", "WEBP"),
        ("image/avif;q=0,image/webp;q=0.1", "WEBP"),
        ("*/*", "PNG"),
        ("image/*", "PNG"),
        ("image/png, image/webp;q=0.5, image/avif;q=0.1", "PNG"),
        ("", "PNG"),
    ],
)
def test_the_automatic_format_is_the_best_that_accept_names(client, accept, format_):
    response = get(client, headers={"Accept": accept}, format="auto", w=64)

    assert Image.open(io.BytesIO(response.data)).format == format_
    assert response.headers["Vary"] == "Accept"


def test_the_automatic_format_of_a_known_picture_is_each_callers_own(client):
    accepted = {"*/*": "image/png", "image/webp,*/*": "image/webp", "image/avif,image/webp,*/*": "image/avif"}
    for accept in accepted:
        get(client, headers={"Accept": accept}, format="auto", w=64)
    hits = {accept: get(client, headers={"Accept": accept}, format="auto", w=64) for accept in accepted}

    assert {hit.headers["X-Cache"] for hit in hits.values()} == {"HIT"}
    assert {hit.headers["Vary"] for hit in hits.values()} == {"Accept"}
    assert {accept: hit.content_type for accept, hit in hits.items()} == accepted


def test_a_named_format_does_not_vary(client):
    assert "Vary" not in get(client, format="webp").headers


def test_a_crowd_on_a_cold_page_is_one_capture(make_client, api, held):
    crowd = Crowd(make_client(thumb_limit="1 per hour"), 40)
    answers = [crowd.ask(url=PAGE, w=100 + i % 4) for i in range(40)]
    wait_until(lambda: len(api.calls) == 1, "the capture")
    held.set()

    assert {answer.result().status_code for answer in answers} == {200}
    assert len(api.calls) == 1


def test_an_error_of_the_leader_is_everybodys(make_client, api):
    client = make_client()
    api.latency = 0.5
    api.behave(refuse(500, "internal"), times=99)
    crowd = Crowd(client, 8)
    answers = [crowd.ask(url=PAGE) for _ in range(8)]

    assert {answer.result().status_code for answer in answers} == {502}
    assert len(api.calls) == 1


def test_a_slow_page_does_not_hold_up_another(make_client, api):
    gate = threading.Event()
    api.hold(gate, url="https://slow.example.com/")
    client = make_client()
    slow = Crowd(client, 1).ask(url="https://slow.example.com/")
    wait_until(lambda: len(api.calls) == 1, "the slow capture")
    try:
        assert get(client).status_code == 200
        assert not slow.done()
    finally:
        gate.set()
    assert slow.result().status_code == 200


def test_two_processes_share_one_capture(make_client, api, held):
    one, other = Crowd(make_client(), 2), Crowd(make_client(), 2)
    answers = [crowd.ask(url=PAGE) for crowd in (one, other, one, other)]
    wait_until(lambda: len(api.calls) == 1, "the capture")
    held.set()

    assert {answer.result().status_code for answer in answers} == {200}
    assert len(api.calls) == 1


def test_a_capture_that_outlives_a_lease_is_still_the_only_one(make_client, api, held, redis_url):
    store = redis.Redis.from_url(redis_url)

    before = renewals(store)
    one, other = Crowd(make_client(), 1), Crowd(make_client(), 1)
    answers = [one.ask(url=PAGE), other.ask(url=PAGE)]
    wait_until(lambda: renewals(store) >= before + 5, "five renewals of the lease, longer than it lives")
    held.set()

    assert {answer.result().status_code for answer in answers} == {200}
    assert len(api.calls) == 1


def test_a_lease_that_redis_forgets_is_taken_again(make_client, api, held, redis_url):
    """After a restart of Redis, or a silence longer than a lease lives, who asks anew still follows the holder.

    Who was following then does as one does without Redis: each process captures for itself.
    """
    store = redis.Redis.from_url(redis_url)
    one, other = Crowd(make_client(), 1), Crowd(make_client(), 1)
    first = one.ask(url=PAGE)
    wait_until(lambda: len(api.calls) == 1, "the capture")
    store.flushall()
    wait_until(lambda: store.keys("thumb:lease:*"), "the lease again")
    second = other.ask(url=PAGE)
    wait_until(lambda: store.info("clients")["blocked_clients"] == 1, "a follower that waits")
    held.set()

    assert {first.result().status_code, second.result().status_code} == {200}
    assert len(api.calls) == 1
    wait_until(lambda: not store.keys("thumb:lease:*"), "the lease's end")


def test_a_follower_is_woken_by_the_holder_and_not_by_the_lease_running_out(redis_url, monkeypatch):
    """With leases of an hour, only the wake-up can end the wait."""
    monkeypatch.setattr(coalesce, "LEASE_MS", 3_600_000)
    done, working = threading.Event(), threading.Event()

    def work():
        working.set()
        done.wait(30)
        return "done"

    with redis.Redis.from_url(redis_url) as client:
        one, other = (coalesce.Coalescer(coalesce.Leases(client, client, Fuse())) for _ in range(2))
        first = one.join("key", work, lambda: None, 30)
        assert working.wait(10)
        second = other.join("key", work, lambda: "recalled", 30)
        wait_until(lambda: client.info("clients")["blocked_clients"] == 1, "the follower's wait")
        done.set()
        assert (first.future.result(20), second.future.result(20)) == ("done", "recalled")


def test_a_lease_that_its_holder_no_longer_renews_runs_out_within_three_seconds(redis_url):
    done = threading.Event()
    with redis.Redis.from_url(redis_url) as client:
        flight = coalesce.Coalescer(coalesce.Leases(client, client, Fuse())).join(
            "key", lambda: done.wait(60), lambda: None, 60
        )
        try:
            wait_until(lambda: client.exists("thumb:lease:{key}"), "the lease")
            before = renewals(client)
            wait_until(lambda: renewals(client) > before, "a renewal")
            left = client.pttl("thumb:lease:{key}")
        finally:
            done.set()
        assert flight.future.result(20)

    assert 0 < left < 3000 - 100, "what is left is for waking who waits"


def test_a_lease_that_nobody_renews_is_taken_over(redis_url):
    with redis.Redis.from_url(redis_url) as client:
        client.set("thumb:lease:{key}", "a dead holder's token", px=300)
        flight = coalesce.Coalescer(coalesce.Leases(client, client, Fuse())).join(
            "key", lambda: "mine", lambda: None, 30
        )
        assert flight.future.result(20) == "mine"


def test_a_process_may_end_while_work_begins():
    coalescer = coalesce.Coalescer(coalesce.Alone())
    with ThreadPoolExecutor(1) as pool:
        begun = pool.submit(
            lambda: [coalescer.join(str(i), int, lambda: None, 30).future.result(20) for i in range(1000)]
        )
        while not begun.done():
            coalescer.drain(10)

    assert begun.result() == [0] * 1000


def test_a_master_is_kept_within_its_own_life_and_size(make_client, api, redis_url):
    store = redis.Redis.from_url(redis_url)
    get(make_client(master_ttl=600), w=64)
    kept = {len(store.get(key)): store.ttl(key) for key in store.keys("thumb:picture:*")}
    store.flushall()
    get(make_client(master_max_bytes=100), w=64)

    assert 590 < kept[max(kept)] <= 600
    assert kept[min(kept)] > 86400
    lives = sorted(store.ttl(key) for key in store.keys("thumb:picture:*"))
    assert lives[0] <= 30, "a large master serves those who wait for it, and is gone"
    assert lives[1] > 86400


def test_a_master_too_large_to_keep_is_captured_once_for_two_processes(make_client, api, held):
    crowds = [Crowd(make_client(master_max_bytes=100), 4) for _ in range(2)]
    answers = [crowd.ask(url=PAGE, w=width) for crowd in crowds for width in (64, 128)]
    wait_until(lambda: len(api.calls) == 1, "the capture")
    held.set()

    assert {answer.result().status_code for answer in answers} == {200}
    assert len(api.calls) == 1


def test_coalescing_works_in_a_process_without_redis(make_client, api, held):
    crowd = Crowd(make_client(redis_url="redis://127.0.0.1:1/0"), 8)
    answers = [crowd.ask(url=PAGE) for _ in range(8)]
    wait_until(lambda: len(api.calls) == 1, "the capture")
    held.set()

    assert {answer.result().status_code for answer in answers} == {200}
    assert len(api.calls) == 1


def test_who_has_no_budget_left_does_not_cost_others_theirs(make_client, api, held):
    """The first to ask may not pay; whoever asks with it and may, gets the picture."""
    client = make_client(thumb_limit="1 per hour")
    crowd = Crowd(client, 3)
    spent = crowd.ask(url="https://example.org/", address="8.8.8.8")
    wait_until(lambda: len(api.calls) == 1, "the first capture")
    held.set()
    assert spent.result().status_code == 200

    refused, served = crowd.ask(url=PAGE, address="8.8.8.8"), crowd.ask(url=PAGE, address="9.9.9.9")
    assert served.result().status_code == 200
    assert refused.result().status_code in (200, 429)


def test_a_page_with_sixty_known_thumbnails_loads_without_a_refusal(make_client):
    client = make_client(thumb_limit="60 per hour")
    urls = [f"https://example.com/{i}" for i in range(60)]
    for url in urls:
        assert get(client, url).status_code == 200

    again = [get(client, url, w=w).status_code for url in urls for w in (64, 128)]
    assert set(again) == {200}
    assert get(client, "https://example.com/one-more").status_code == 429


def test_an_old_picture_is_shown_at_once_and_captured_anew_behind(make_client, api, redis_url):
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


def test_a_caller_who_wants_it_fresh_gets_what_was_captured_now(client, api):
    before = get(client)
    api.behave(with_mark(1, 20))

    assert get(client, fresh=1).data != before.data


def test_a_picture_wanted_fresh_renews_every_size_of_it(client, api):
    small, large = get(client, w=64), get(client, w=128)
    api.behave(with_mark(400, 400))
    renewed = get(client, w=64, fresh=1)
    other = get(client, w=128)

    assert (renewed.headers["X-Cache"], other.headers["X-Cache"]) == ("MISS", "HIT")
    assert renewed.headers["ETag"] != small.headers["ETag"]
    assert other.headers["ETag"] != large.headers["ETag"]
    assert other.headers["Last-Modified"] == renewed.headers["Last-Modified"]
    assert len(api.calls) == 2


def test_sizes_of_a_page_without_a_master_do_not_outdate_each_other(make_client, api, redis_url):
    """Where no master is kept, each size is as old as it is: a capture for one is no reason to capture for all."""
    client = make_client()
    store = redis.Redis.from_url(redis_url)
    for width in (64, 128):
        get(client, w=width, fresh=1)
        for key in store.keys("thumb:picture:*"):
            if b'"kind":"master"' in store.get(key).replace(b"\\", b""):
                store.delete(key)
    states = [get(client, w=width).headers["X-Cache"] for width in (64, 128, 64)]

    assert states == ["HIT", "HIT", "HIT"]
    assert len(api.calls) == 2


@pytest.mark.parametrize("size", [64, 128], ids=["the same size", "another size"])
def test_a_fresh_capture_that_fails_gives_the_last_good_picture(client, api, size):
    get(client, w=64)
    api.behave(refuse(500), times=9)
    answer = get(client, w=size, fresh=1)

    assert answer.status_code == 200
    assert answer.headers["X-Cache"] == "STALE"
    assert answer.headers["X-Thumb-State"] == "stale"


def test_who_wants_it_fresh_in_another_process_gets_the_new_one_too(make_client, api, redis_url):
    one, other = Crowd(make_client(), 1), Crowd(make_client(), 1)
    old = one.ask(url=PAGE).result()
    gate = threading.Event()

    def held_look(answer):
        gate.wait()
        with_mark(400, 400)(answer)

    api.behave(held_look, times=9)
    store = redis.Redis.from_url(redis_url)
    first = one.ask(url=PAGE, fresh=1)
    try:
        wait_until(lambda: len(api.calls) == 2, "the new capture")
        second = other.ask(url=PAGE, fresh=1)
        wait_for_a_follower(store)
    finally:
        gate.set()

    assert first.result().headers["ETag"] == second.result().headers["ETag"] != old.headers["ETag"]
    assert len(api.calls) == 2


def test_who_wants_it_fresh_while_another_process_tries_again_is_not_told_the_old_failure(make_client, api, redis_url):
    one, other = (Crowd(make_client(thumb_limit="100 per hour"), 1) for _ in range(2))
    api.behave(refuse(422, "page_failed"))
    assert one.ask(url=PAGE).result().status_code == 502
    gate = threading.Event()
    api.hold(gate)
    store = redis.Redis.from_url(redis_url)
    first = one.ask(url=PAGE, fresh=1)
    try:
        wait_until(lambda: len(api.calls) == 2, "the new capture")
        second = other.ask(url=PAGE, fresh=1)
        wait_for_a_follower(store)
    finally:
        gate.set()

    assert [first.result().status_code, second.result().status_code] == [200, 200]
    assert len(api.calls) == 2


def wait_for_a_follower(store):
    """Wait until one follows, and has done so for longer than a lease lives and a follower sleeps."""
    wait_until(lambda: store.info("clients")["blocked_clients"] == 1, "a follower that waits")
    renewed = renewals(store)
    wait_until(lambda: renewals(store) >= renewed + 5, "renewals of the lease")


def renewals(store):
    return store.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"]


def test_over_budget_an_old_picture_is_shown(make_client, api, redis_url):
    client = make_client(cache_ttl=60, thumb_limit="1 per hour")
    get(client)
    age_pictures(redis_url, seconds=120)

    assert [get(client).headers["X-Cache"] for _ in range(3)] == ["STALE"] * 3
    assert len(api.calls) == 1


def test_a_refresh_that_was_refused_is_not_tried_again_with_each_look(make_client, api, redis_url, resolver):
    client = make_client(cache_ttl=60, thumb_limit="1 per hour")
    get(client)
    age_pictures(redis_url, seconds=120)
    coalescer = client.application.extensions["services"].coalescer
    looked_up = len(resolver.asked)
    for _ in range(20):
        assert get(client).headers["X-Cache"] == "STALE"
        coalescer.drain(10)
    tried = len(resolver.asked) - looked_up

    assert 1 <= tried <= 10, "once in a few seconds, however slow this machine"
    wait_until(lambda: get(client) and len(resolver.asked) - looked_up > tried, "another try")
    assert len(api.calls) == 1


def test_nor_does_it_hold_up_visitors_who_have_a_budget_left(make_client, api, redis_url):
    client = make_client(cache_ttl=60, thumb_limit="1 per hour")
    get(client)
    age_pictures(redis_url, seconds=120)
    coalescer = client.application.extensions["services"].coalescer
    for _ in range(3):
        assert get(client).headers["X-Cache"] == "STALE"
        coalescer.drain(10)
    client.get("/thumb", query_string={"url": PAGE}, environ_base={"REMOTE_ADDR": "192.0.2.7"})
    coalescer.drain(10)

    assert len(api.calls) == 2


def test_who_may_not_have_it_fresh_does_not_make_others_try_a_failing_page_again(make_client, api):
    client = make_client(thumb_limit="1 per hour")
    api.behave(refuse(422, "page_failed"), times=99)
    get(client)
    tried = len(api.calls)
    assert get(client, fresh=1).status_code == 429
    failed = client.get("/thumb", query_string={"url": PAGE}, environ_base={"REMOTE_ADDR": "192.0.2.7"})

    assert (failed.status_code, len(api.calls)) == (502, tried)


def test_wait_zero_gives_a_placeholder_and_the_capture_goes_on(make_client, api, held):
    client = make_client()
    pending = get(client, w=64, wait=0)
    image = Image.open(io.BytesIO(get(client, w=64, wait=0, headers={"Accept": "image/*"}).data))
    held.set()

    assert (pending.status_code, pending.json["code"]) == (202, "pending")
    assert pending.headers["Cache-Control"] == "no-store"
    assert int(pending.headers["Retry-After"]) > 0
    assert image.size == (64, 36)
    wait_until(lambda: get(client, w=64, wait=0).headers.get("X-Cache") == "HIT", "the picture")
    assert len(api.calls) == 1


def test_a_pending_placeholder_says_so(make_client, held):
    response = get(make_client(), wait=0, headers={"Accept": "image/*"})

    assert response.headers["X-Thumb-State"] == "pending"
    assert "X-Error-Code" not in response.headers


def test_a_failure_is_remembered_for_a_while(make_client, api, redis_url):
    client = make_client(thumb_limit="100 per hour")
    api.behave(refuse(500, "internal"))
    first = get(client)
    again = [get(client, w=w) for w in (64, 128)]

    assert {response.status_code for response in [first, *again]} == {502}
    assert len(api.calls) == 1
    (key,) = redis.Redis.from_url(redis_url).keys("thumb:failure:*")
    assert 0 < redis.Redis.from_url(redis_url).ttl(key) <= 30
    redis.Redis.from_url(redis_url).delete(key)


def test_a_failure_is_remembered_as_long_as_the_api_says(make_client, api, redis_url):
    api.behave(refuse(503, "unavailable", headers={"Retry-After": "300"}), times=9)
    refused = get(make_client(capture_timeout=5))

    assert refused.headers["Retry-After"] == "300"
    (key,) = redis.Redis.from_url(redis_url).keys("thumb:failure:*")
    assert 290 < redis.Redis.from_url(redis_url).ttl(key) <= 300


def test_a_blank_capture_is_tried_once_more(client, api):
    api.behave(blank)
    response = get(client)

    assert response.status_code == 200
    assert len(api.calls) == 2
    assert response.cache_control.max_age > 60


def test_a_page_that_stays_blank_is_shown_for_a_minute(client, api, redis_url):
    """And by nobody for longer: not from Redis as an old picture, not by a shared cache that has nothing better."""
    api.behave(blank, times=2)
    answers = [get(client, w=64), get(client, w=64), get(client, w=128)]

    assert {answer.status_code for answer in answers} == {200}
    assert [answer.headers["X-Cache"] for answer in answers] == ["MISS", "HIT", "HIT"]
    for answer in answers:
        assert re.fullmatch(r"private, max-age=([1-5]?\d|60)", answer.headers["Cache-Control"])
    with redis.Redis.from_url(redis_url) as store:
        assert {0 < store.ttl(key) <= 60 for key in store.keys("thumb:picture:*")} == {True}
    assert len(api.calls) == 2


def test_a_blank_page_that_then_fails_is_shown_for_a_minute(client, api):
    api.behave(blank)
    api.behave(refuse(422, "page_failed"), times=9)
    response = get(client)

    assert response.status_code == 200
    assert response.cache_control.max_age <= 60


def test_that_a_page_came_out_well_is_remembered_for_as_long_as_it_may_be_shown(client, redis_url):
    get(client, ttl=2592000)
    with redis.Redis.from_url(redis_url) as store:
        shown = max(store.ttl(key) for key in store.keys("thumb:picture:*"))
        (note,) = store.keys("thumb:good:*")
        assert store.ttl(note) >= shown


def test_large_pictures_are_made_a_few_at_a_time(client):
    """What costs seconds of a core and no budget is bounded, so that it never takes every connection."""
    get(client)
    crowd = Crowd(client, 8)
    large = [crowd.ask(url=PAGE, w=2560, h=1440, format="avif", quality=quality) for quality in range(90, 98)]
    refused = [answer.result() for answer in large if answer.result().status_code != 200]

    assert 1 <= len(refused) <= 4
    assert {(each.status_code, each.json["code"]) for each in refused} == {(503, "over_capacity")}


@pytest.mark.parametrize("width", [64, 2560], ids=["small", "large"])
def test_who_waits_for_a_slow_page_takes_no_seat_from_a_known_one(make_client, api, width):
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


def test_who_will_not_wait_is_not_made_to_wait_for_a_large_picture(client, api):
    get(client)
    at_once = get(client, w=2560, h=1440, format="avif", wait=0)
    in_time = get(client, w=2560, h=1440, format="avif")

    assert (at_once.status_code, at_once.json["code"]) == (202, "pending")
    assert (in_time.status_code, in_time.headers["X-Cache"]) == (200, "HIT")
    assert len(api.calls) == 1


def test_nobody_waits_for_the_size_of_another(client, api, held):
    crowd = Crowd(client, 2)
    large = crowd.ask(url=PAGE, w=2560, h=1440, format="avif")
    wait_until(lambda: len(api.calls) == 1, "the capture")
    small = crowd.ask(url=PAGE, w=64)
    held.set()

    assert small.result().status_code == 200
    assert not large.done()
    assert large.result().status_code == 200


def test_a_picture_of_another_size_is_shown_for_a_minute(client, api):
    api.behave(sized(640, 360), times=2)

    assert get(client).cache_control.max_age <= 60
    assert len(api.calls) == 2


def test_a_blank_capture_never_replaces_a_good_one(make_client, api, redis_url):
    client = make_client(cache_ttl=60)
    good = get(client)
    age_pictures(redis_url, seconds=120)
    api.behave(blank, times=99)
    get(client)
    wait_until(lambda: len(api.calls) == 3, "the refresh and its second try")

    assert get(client).data == good.data


def test_a_blank_capture_does_not_replace_a_good_one_whose_master_is_gone(make_client, api, redis_url):
    client = make_client(cache_ttl=60)
    good = get(client)
    age_pictures(redis_url, seconds=120)
    store = redis.Redis.from_url(redis_url)
    store.delete(*[key for key in store.keys("thumb:picture:*") if b'"kind\\":\\"master' in store.get(key)])
    api.behave(blank, times=99)
    get(client)
    wait_until(lambda: len(api.calls) == 3, "the refresh and its second try")
    client.application.extensions["services"].coalescer.drain(10)

    assert get(client).data == good.data


def test_a_blank_picture_is_not_made_permanent(client, api):
    api.behave(blank, times=2)

    assert client.post("/persist", json={"url": PAGE}).json["code"] == "capture_failed"


def test_a_master_too_big_to_keep_is_refreshed_all_the_same(make_client, api, redis_url):
    client = make_client(cache_ttl=60, master_max_bytes=100)
    get(client)
    age_pictures(redis_url, seconds=120)

    assert get(client).headers["X-Cache"] == "STALE"
    client.application.extensions["services"].coalescer.drain(10)
    assert get(client).headers["X-Cache"] == "HIT"
    assert len(api.calls) == 2


def test_what_another_process_renewed_is_seen_within_seconds_with_the_tier_on(make_client, api):
    one, other = (make_client(memory_cache_bytes=10_000_000) for _ in range(2))
    old = get(one, w=64)
    assert get(one, w=64).headers["X-Cache"] == "HIT"
    api.behave(with_mark(400, 400))
    new = get(other, w=64, fresh=1)

    assert new.headers["ETag"] != old.headers["ETag"]
    wait_until(lambda: get(one, w=64).headers["ETag"] == new.headers["ETag"], "a look at what is new", timeout=15)
    assert len(api.calls) == 2


def test_two_processes_refresh_a_page_once_with_their_own_tiers_on(make_client, api, redis_url):
    one = make_client(cache_ttl=60, memory_cache_bytes=10_000_000)
    get(one)
    age_pictures(redis_url, seconds=120)
    both = [make_client(cache_ttl=60, memory_cache_bytes=10_000_000) for _ in range(2)]
    gate = threading.Event()
    api.hold(gate)
    try:
        assert {get(client).headers["X-Cache"] for client in both} == {"STALE"}
        wait_until(lambda: len(api.calls) == 2, "the refresh")
    finally:
        gate.set()
    for client in both:
        client.application.extensions["services"].coalescer.drain(10)

    assert len(api.calls) == 2


def test_a_crowd_renders_a_picture_once(make_client, api, held, monkeypatch):
    from images import render as imaging

    rendered = []
    render = imaging.render
    monkeypatch.setattr(imaging, "render", lambda *args: rendered.append(args) or render(*args))
    crowd = Crowd(make_client(), 20)
    answers = [crowd.ask(url=PAGE, w=100) for _ in range(20)]
    wait_until(lambda: len(api.calls) == 1, "the capture")
    held.set()

    assert {answer.result().status_code for answer in answers} == {200}
    assert len(rendered) <= os.cpu_count(), "as many as take turns at once"


def test_what_the_api_refuses_is_remembered_too(make_client, redis_url):
    from tests.support.screenshot_api import running_screenshot_api

    with running_screenshot_api("engine") as engine:
        client = make_client(capture_api="engine", capture_url=engine.url, capture_api_key=None)
        engine.behave(refuse(400, "blocked_url"), times=9)
        codes = [get(client, w=w).json["code"] for w in (64, 128, 256)]

    assert codes == ["blocked_url"] * 3
    assert len(engine.calls) == 1


def test_a_success_makes_a_failure_forgotten(make_client, api):
    client = make_client(capture_timeout=5, master_max_bytes=100, thumb_limit="100 per hour")
    api.behave(refuse(500, "internal"))
    assert get(client).status_code == 502
    assert get(client, fresh=1).status_code == 200

    assert get(client, w=64).status_code == 200


def test_pages_that_take_too_long_say_nothing_of_the_api(make_client, api):
    client = make_client(capture_timeout=2, thumb_limit="100 per hour")
    api.behave(refuse(504, "timeout"), times=99)
    for i in range(6):
        assert get(client, f"https://example.com/{i}").json["code"] == "capture_timeout"


def test_captures_beyond_the_bound_are_refused_while_others_pend(make_client, api, held):
    crowd = Crowd(make_client(capture_concurrency=2, thumb_limit="100 per hour"), 12)
    answers = [crowd.ask(url=f"https://example.com/{i}") for i in range(12)]
    wait_until(lambda: sum(answer.done() for answer in answers) == 10, "ten refusals")
    refused = [answer.result() for answer in answers if answer.done()]
    held.set()

    assert {(each.status_code, each.json["code"], each.headers["Retry-After"]) for each in refused} == {
        (503, "over_capacity", "5")
    }
    assert sorted(answer.result().status_code for answer in answers) == [200] * 2 + [503] * 10
    assert len(api.calls) == 2


def test_where_no_capture_may_be_begun_what_is_known_or_under_way_is_still_given(make_client, api):
    one, other = (make_client(capture_concurrency=1, thumb_limit="100 per hour") for _ in range(2))
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
    assert refused.json["code"] == "over_capacity", "nothing is pending, and nothing says so"
    assert [each.result().status_code for each in (first, second, *joining)] == [200] * 4
    assert len(api.calls) == 4


def test_where_no_capture_may_be_begun_what_is_wrong_besides_is_told_first(make_client, api):
    """Whoever is told that too many ask comes back in seconds; these should not."""
    one, other = (make_client(capture_concurrency=1, thumb_limit="100 per hour") for _ in range(2))
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


def test_while_redis_keeps_nothing_what_this_process_knows_is_still_given(make_client, api):
    with running_redis("--maxmemory", "1mb", "--maxmemory-policy", "noeviction") as server:
        client = make_client(redis_url=server.url, capture_concurrency=1, memory_cache_bytes=10_000_000)
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


def test_who_may_not_ask_is_told_that_and_not_that_too_many_do(make_client, api, held):
    client = make_client(capture_concurrency=1, api_keys=("cms:0123456789abcdef0123456789abcdef",))
    crowd = Crowd(client, 1)
    crowd.ask(url=PAGE)
    wait_until(lambda: len(api.calls) == 1, "the capture")

    assert get(client, "https://example.org/", fresh=1).json["code"] == "key_required"


@pytest.mark.parametrize("visitors", [1, 20])
@pytest.mark.parametrize("validators", [[], ["ETag"], ["ETag", "Last-Modified"]], ids=str)
def test_a_hot_picture_costs_no_call_to_redis(make_client, redis_url, visitors, validators):
    client = make_client(memory_cache_bytes=10_000_000, request_limit="4000 per minute")
    known = get(client)
    asked = {CONDITIONS[name]: known.headers[name] for name in validators}
    before = commands(redis_url)
    asking = partial(client.get, "/thumb", query_string={"url": PAGE}, headers=asked)
    answers = [asking(environ_base={"REMOTE_ADDR": f"192.0.2.{i % visitors}"}) for i in range(20)]

    assert {answer.status_code for answer in answers} == {304 if asked else 200}
    assert {answer.headers["X-Cache"] for answer in answers} == {"HIT"}
    assert commands(redis_url) == before


CONDITIONS = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}  # a browser sends both back


def test_nor_does_one_whose_page_was_captured_anew_and_is_kept_by_nobody(make_client, redis_url):
    client = make_client(memory_cache_bytes=10_000_000)
    with redis.Redis.from_url(redis_url) as store:
        for width in (64, 128):
            get(client, w=width, fresh=1)
        outdated = make_client(memory_cache_bytes=10_000_000)  # a process that has seen nothing yet
        for key in store.keys("thumb:picture:*"):
            if b'"kind":"master"' in store.get(key).replace(b"\\", b""):
                store.delete(key)
    assert get(outdated, w=64).headers["X-Cache"] == "HIT"
    before = commands(redis_url)

    assert {get(outdated, w=64).headers["X-Cache"] for _ in range(5)} == {"HIT"}
    assert commands(redis_url) == before


def commands(redis_url):
    """How many of each Redis was sent; not those of asking, nor what a connection begins with."""
    with redis.Redis.from_url(redis_url) as store:
        told = store.info("commandstats")
    own = ("cmdstat_info", "cmdstat_hello", "cmdstat_client", "cmdstat_select")
    return {name: each["calls"] for name, each in told.items() if not name.startswith(own)}


def test_the_in_process_tier_is_bounded_in_bytes(redis_url):
    keys = [ThumbnailRequest(CaptureOptions(f"https://example.com/{i}")).rendition_key for i in range(30)]
    with redis.Redis.from_url(redis_url) as store:
        cache = PictureCache(store, Fuse(), memory_bytes=20_000)
        for key in keys:
            cache.put(key, Picture(b"x" * 5000, "image/png", 10, 10, datetime.now(UTC)), 60)
        store.flushall()
        held = [cache.get(key).picture for key in keys]

    assert [picture is not None for picture in held] == [False] * 27 + [True] * 3


def test_after_five_failures_the_api_is_left_alone(make_client, api, redis_url):
    client = make_client(cache_ttl=60, thumb_limit="100 per hour")
    known = get(client)
    age_pictures(redis_url, seconds=120)
    api.behave(refuse(500, "internal"), times=999)
    for i in range(5):
        assert get(client, f"https://example.com/{i}").json["code"] == "capture_failed"
    asked = len(api.calls)
    refused = get(client, "https://example.com/next")

    assert (refused.status_code, refused.json["code"]) == (503, "upstream_unavailable")
    assert 0 < int(refused.headers["Retry-After"]) <= 30
    assert get(client).data == known.data
    assert len(api.calls) == asked


def test_a_quota_that_is_used_up_closes_the_door_at_once(make_client, api):
    client = make_client()
    api.behave(refuse(429, "quota_exceeded"), times=99)

    assert get(client).json["code"] == "upstream_quota"
    assert get(client, "https://example.org/").json["code"] == "upstream_quota"
    assert len(api.calls) == 1


def test_a_page_that_fails_says_nothing_of_the_api(make_client, api):
    client = make_client(thumb_limit="100 per hour")
    api.behave(refuse(404, "not_found"), times=8)
    for i in range(8):
        assert get(client, f"https://example.com/{i}").json["code"] == "capture_failed"

    assert get(client).status_code == 200
