"""Pieces of work that decode pictures take turns by their pixels."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from images import CpuPool


@pytest.fixture
def pool():
    with ThreadPoolExecutor(8) as threads:
        yield threads


def test_no_more_pixels_are_decoded_at_a_time_than_have_room(pool):
    cpu, lock, held, most = CpuPool(decoded_pixels=100), threading.Lock(), 0, 0

    def work(pixels):
        nonlocal held, most
        with lock:
            held += pixels
            most = max(most, held)
        threading.Event().wait(0.001)
        with lock:
            held -= pixels

    sizes = [60, 40, 30, 70, 10, 90, 50] * 8
    list(pool.map(lambda pixels: cpu.run(lambda: work(pixels), pixels=pixels), sizes))
    assert 60 < most <= 100


def test_small_pictures_do_not_overtake_a_large_one_that_waits(pool):
    cpu, order, began, gate = CpuPool(decoded_pixels=100), [], threading.Event(), threading.Event()

    def first():
        began.set()
        gate.wait(10)

    running = pool.submit(cpu.run, first, pixels=10)
    began.wait(10)
    large = pool.submit(cpu.run, lambda: order.append("large"), pixels=100)
    while not cpu.waiting:
        pass
    small = pool.submit(cpu.run, lambda: order.append("small"), pixels=1)
    while cpu.waiting < 2:
        pass
    gate.set()
    for each in (running, large, small):
        each.result(10)
    assert order == ["large", "small"]


def test_work_that_fails_gives_its_room_back():
    cpu = CpuPool(decoded_pixels=100)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            cpu.run(lambda: 1 / 0, pixels=100)
    assert cpu.run(lambda: "done", pixels=100) == "done"


def test_a_picture_larger_than_all_room_has_it_alone():
    assert CpuPool(decoded_pixels=100).run(lambda: "done", pixels=1000) == "done"
