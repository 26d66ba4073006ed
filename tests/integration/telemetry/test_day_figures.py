"""What a process adds to the figures of the day, in a real Redis that may refuse it."""

import pytest
import redis

from errors import CaptureTimeout, InvalidURL, PageTimeout, Pending, QueueUnavailable, TargetBusy
from figures import DayFigures
from telemetry import metrics
from tests.support.redis import as_state, running_redis

DAY_SECONDS = 86400


@pytest.fixture(scope="module")
def server():
    with running_redis() as found:
        yield found


@pytest.fixture
def client(server):
    with redis.Redis.from_url(server.url) as found:
        found.flushall()
        yield found


def known(figures):
    return sum(slot.known for slot in figures.read())


def test_what_redis_refuses_is_added_later_and_nothing_twice(client):
    figures = DayFigures(as_state(client))
    metrics.PICTURES_SERVED.add("HIT")
    client.config_set("maxmemory", 1)
    figures.add()
    client.config_set("maxmemory", 0)
    assert known(figures) == 0
    metrics.PICTURES_SERVED.add("STALE")
    figures.add()
    figures.add()
    assert known(figures) == 2
    metrics.PICTURES_SERVED.add("HIT")
    figures.add()
    assert known(figures) == 3


def test_errors_are_told_apart_by_their_fault_and_a_picture_has_its_time(client):
    figures = DayFigures(as_state(client))
    for err in (
        PageTimeout(),
        TargetBusy(),
        CaptureTimeout(upstream=True),
        QueueUnavailable(),
        InvalidURL(),
        Pending(),
    ):
        metrics.ERRORS.add(err.code, err.fault)
    metrics.HTTP_REQUESTS.observe(0.2, "health.ready", "5xx", "")
    metrics.HTTP_REQUESTS.observe(0.2, "thumbs.thumb", "2xx", "HIT")
    metrics.CAPTURES.add("engine", "suspect")
    metrics.CAPTURES.add("engine", "page_timeout")
    figures.add()
    (slot,) = [slot for slot in figures.read() if slot.counts]
    assert (slot.failed, slot.not_shown, slot.refused) == (2, 2, 1)
    assert slot.own_errors == {"capture_timeout": 1, "queue_unavailable": 1}
    assert (slot.captured, slot.not_captured, slot.seconds(0.5)) == (1, 1, 0.25)


def test_figures_expire_after_two_days_and_are_shown_for_one(client):
    figures = DayFigures(as_state(client))
    metrics.PICTURES_SERVED.add("HIT")
    figures.add()
    (key,) = client.scan_iter("thumb:{figures}:*")
    assert DAY_SECONDS < client.ttl(key) <= 2 * DAY_SECONDS
    at = client.time()[0]
    assert sum(slot.known for slot in figures.read(at + DAY_SECONDS - 1800)) == 1
    assert sum(slot.known for slot in figures.read(at + DAY_SECONDS + 1800)) == 0
