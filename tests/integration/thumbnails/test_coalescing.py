"""A page is captured once, for any number of simultaneous visitors, threads and processes."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

from coordination import Coalescer, LocalLeases, Work
from tests.support.processes import wait_until
from tests.support.screenshot_api import refuse
from tests.support.visitors import PAGE, Crowd, get


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


def test_a_process_may_end_while_work_begins():
    coalescer = Coalescer(LocalLeases())
    with ThreadPoolExecutor(1) as pool:
        begun = pool.submit(
            lambda: [coalescer.join(str(i), Work(lambda: 0, lambda: None), 30).future.result(20) for i in range(200)]
        )
        while not begun.done():
            coalescer.drain(10)

    assert begun.result() == [0] * 200


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


def test_a_small_rendition_does_not_wait_for_a_large_one(client, api, held):
    crowd = Crowd(client, 2)
    large = crowd.ask(url=PAGE, w=2560, h=1440, format="avif")
    wait_until(lambda: len(api.calls) == 1, "the capture")
    small = crowd.ask(url=PAGE, w=64)
    held.set()

    assert small.result().status_code == 200
    assert not large.done()
    assert large.result().status_code == 200


def test_a_crowd_renders_a_picture_once(make_client, api, held, monkeypatch):
    import images

    rendered = []
    render = images.make_rendition
    monkeypatch.setattr(images, "make_rendition", lambda *args: rendered.append(args) or render(*args))
    crowd = Crowd(make_client(), 20)
    answers = [crowd.ask(url=PAGE, w=100) for _ in range(20)]
    wait_until(lambda: len(api.calls) == 1, "the capture")
    held.set()

    assert {answer.result().status_code for answer in answers} == {200}
    assert len(rendered) <= os.cpu_count(), "as many as take turns at once"
