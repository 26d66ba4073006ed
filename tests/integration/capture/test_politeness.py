"""TARGET_LIMIT: how often one host is captured, over all clients and processes, and who waits for whom."""

import threading
import time

import pytest
import redis

import tasks
from capture import Politeness
from errors import TargetBusy
from tests.support.engine import eventually
from tests.support.redis import as_state
from tests.support.screenshot_api import refuse
from tests.support.visitors import Crowd, get

HOST = "example.com"
HELD = []


def page(number, host=HOST):
    return f"https://{host}/{number}"


@pytest.fixture
def state(redis_url):
    with redis.Redis.from_url(redis_url) as client:
        yield as_state(client)


@pytest.fixture(autouse=True)
def _ended():
    yield
    while HELD:
        HELD.pop().__exit__(None, None, None)


def polite(state, at_once=0, rates="", **settings):
    return Politeness(state, at_once, rates, **{"patience": 0, "sleep": lambda _: None} | settings)


def enter(politeness, client="one", host=HOST, *, background=False):
    """Begin a capture that does not end; return what ends it."""
    visit = politeness.visit(host, client, background=background)
    visit.__enter__()
    HELD.append(visit)  # which would end as soon as nobody refers to it
    return lambda: visit.__exit__(None, None, None)


def refused(politeness, client="one", host=HOST, *, background=False):
    """Return the seconds that a capture is to wait, 0 if it is admitted."""
    try:
        enter(politeness, client, host, background=background)
    except TargetBusy as err:
        return err.retry_after
    return 0


# Through the service


def test_beyond_the_rate_callers_are_told_the_limit_and_pay_nothing(make_client, api):
    client = make_client(target_limit="2 per minute", thumb_limit="5 per hour")
    answers = [get(client, page(number)) for number in range(3)]

    assert [each.status_code for each in answers] == [200, 200, 503]
    assert answers[2].json["code"] == "target_busy"
    assert answers[2].json["detail"] == "limit reached: 2 captures of this host per minute"
    assert 0 < int(answers[2].headers["Retry-After"]) <= 61
    assert get(client, page(3, "other.example")).headers["RateLimit-Remaining"] == "2"
    assert len(api.calls) == 3


def test_known_pictures_and_other_sizes_of_them_are_shown_as_ever(make_client, api):
    client = make_client(target_limit="1 per minute")
    get(client, page(0))

    assert [get(client, page(0), w=width).status_code for width in (320, 640)] == [200, 200]
    assert get(client, page(1)).status_code == 503


def test_the_port_is_no_part_of_the_host_and_a_subdomain_is_another(make_client):
    client = make_client(target_limit="1 per minute", allowed_ports="443,8443")

    assert get(client, page(0)).status_code == 200
    assert get(client, page(0, f"{HOST}:8443")).json["code"] == "target_busy"
    assert get(client, page(0, f"www.{HOST}")).status_code == 200


def test_visitors_wait_for_another_capture_of_the_host_to_end(make_client, api):
    """Also in another process, which shares the count."""
    clients = [make_client(target_limit="1 at a time") for _ in range(2)]
    gate = threading.Event()
    api.hold(gate, url=page(0))
    first = Crowd(clients[0], 1).ask(url=page(0))
    eventually(lambda: len(api.calls) == 1)
    second = Crowd(clients[1], 1).ask(url=page(1))
    assert get(clients[1], page(0, "other.example")).status_code == 200
    assert len(api.calls) == 2
    gate.set()
    assert [first.result().status_code, second.result().status_code] == [200, 200]
    assert len(api.calls) == 3


def test_a_capture_that_fails_ends_too(make_client, api):
    client = make_client(target_limit="1 at a time")
    api.behave(refuse(422, "page_failed"), times=3)
    codes = [get(client, page(number)).json["code"] for number in range(3)]
    assert codes == ["capture_failed"] * 3
    assert get(client, page(4)).status_code == 200


def test_jobs_wait_and_are_not_failed_by_it(make_client, api):
    client = make_client(target_limit="1 per minute")
    built = client.application.extensions["services"]
    get(client, page(0))
    for body in ({"url": page(1)}, {"urls": [page(2)]}):
        made = client.post("/screenshots", json=body).json
        id_ = made.get("job_id") or made["jobs"][0]["job_id"]
        for _ in range(7):  # more often than a job is retried
            job = built.jobs.store.get(id_)
            tasks.capture(built, id_, job.turn, job.queue)
        state = client.get(f"/jobs/{id_}").json
        assert (state["status"], state["retries"], state["error"]) == ("pending", 0, None)
    assert len(api.calls) == 1


def test_bulk_jobs_get_times_of_their_own(make_client):
    client = make_client(target_limit="60 per minute")
    built = client.application.extensions["services"]
    politeness = polite(built.connections.state, 0, "60 per minute")
    for _ in range(45):
        assert refused(politeness, background=True) == 0
    waits = [refused(politeness, background=True) for _ in range(30)]
    assert waits == sorted(waits)
    assert len(set(waits)) > 25


# The rules


def test_bulk_work_leaves_a_quarter_to_visitors(state):
    politeness = polite(state, 4)
    for _ in range(3):
        enter(politeness, "bulk", background=True)
    assert refused(politeness, "bulk", background=True)
    assert not refused(politeness, "visitor")


def test_with_one_at_a_time_bulk_work_goes_on(state):
    assert not refused(polite(state, 1), "bulk", background=True)


def test_a_client_that_was_refused_gets_its_share_before_the_first_one_gets_more(state):
    politeness = polite(state, 4)
    ends = [enter(politeness, "greedy") for _ in range(4)]
    assert refused(politeness, "modest")
    ends.pop()()
    ends.pop()()
    assert refused(politeness, "greedy"), "it has two of four, and another client waits"
    assert not refused(politeness, "modest")
    assert not refused(politeness, "greedy"), "nobody waits any more"


def test_the_share_holds_for_rates_from_the_next_window_on(state):
    politeness = polite(state, 0, "4 per 1 second")
    for _ in range(4):
        assert not refused(politeness, "greedy")
    assert refused(politeness, "modest")
    with redis.Redis(connection_pool=state.client.connection_pool) as client:
        client.delete(*client.keys("*4/1"))  # the next window
    assert [bool(refused(politeness, "greedy")) for _ in range(3)] == [False, False, True]
    assert not refused(politeness, "modest")


def test_alone_a_client_has_all(state):
    politeness = polite(state, 4, "4 per minute")
    assert [bool(refused(politeness)) for _ in range(5)] == [False] * 4 + [True]


def test_a_capture_whose_process_was_killed_is_forgotten(state):
    politeness = polite(state, 1, longest=0.05)
    enter(politeness)
    eventually(lambda: not refused(politeness))


def test_only_a_few_visitors_of_one_host_wait_in_a_process(state):
    waited = []

    def sleep(seconds):
        waited.append(threading.current_thread())
        time.sleep(seconds)

    politeness = polite(state, 1, patience=10, sleep=sleep)
    end = enter(politeness)

    def visit(client):
        with politeness.visit(HOST, client):
            pass

    threads = [threading.Thread(target=visit, args=(f"visitor-{number}",)) for number in range(2)]
    for thread in threads:
        thread.start()
    eventually(lambda: politeness._waiting[HOST] == 2)
    assert refused(politeness, "one-more")
    assert threading.current_thread() not in waited
    end()
    for thread in threads:
        thread.join()
    assert politeness._waiting == {}


def test_everything_expires(state):
    politeness = polite(state, 1, "1 per minute")
    enter(politeness)
    refused(politeness, "two", background=True)
    with redis.Redis(connection_pool=state.client.connection_pool) as client:
        names = client.keys("*target*")
        assert len(names) >= 3
        assert all(0 < client.ttl(name) <= 600 for name in names)


def test_without_redis_nobody_waits():
    with redis.Redis.from_url("redis://127.0.0.1:1/0") as client:
        politeness = polite(as_state(client), 1, "1 per minute")
        assert [refused(politeness) for _ in range(3)] == [0, 0, 0]


def test_without_a_limit_nothing_is_counted(client, redis_url):
    get(client, page(0))
    with redis.Redis.from_url(redis_url) as store:
        assert store.keys("*target*") == []
