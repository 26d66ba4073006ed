"""What the other clients get while one of them asks for more than its share."""

import threading
from collections import Counter

import pytest

from tests.support.processes import wait_until
from tests.support.visitors import Crowd, get

GREEDY, MODEST = "192.0.2.66", "192.0.2.7"


@pytest.fixture
def gates(api):
    """Gates by page. Each holds the API's response about its page; all are opened at the end."""
    made = {}

    def hold(page):
        made[page] = threading.Event()
        api.hold(made[page], url=f"https://example.com/{page}")
        return made[page]

    yield hold
    for gate in made.values():
        gate.set()


def queue_of(client):
    return client.application.extensions["services"].thumbnailer._originals._turns


def ask(client, page, address, **options):
    query = {"url": f"https://example.com/{page}"} | options
    return client.get("/thumb", query_string=query, environ_base={"REMOTE_ADDR": address})


def pages(api):
    return [call.params["url"].rpartition("/")[2] for call in api.calls]


def test_another_client_has_its_turn_as_soon_as_one_capture_ends(make_client, api, gates):
    client = make_client(capture_concurrency=2)
    slow = [gates(f"slow-{number}") for number in range(6)]
    for number in range(6):
        assert ask(client, f"slow-{number}", GREEDY, wait=0).status_code == 202
        wait_until(lambda n=number: len(api.calls) + queue_of(client).waiting == n + 1, "the place in the queue")
    crowd = Crowd(client, 2)
    others = [crowd.ask(url=f"https://example.com/{page}", address=MODEST) for page in ("one", "two")]
    wait_until(lambda: queue_of(client).waiting == 6, "the places of the other client")
    slow[0].set()

    assert {other.result().status_code for other in others} == {200}
    assert pages(api)[:2] == ["slow-0", "slow-1"]
    assert set(pages(api)[2:4]) == {"one", "two"}, "both before the third slow page, while one of these is in flight"


def test_another_client_does_not_wait_for_the_slow_pages_of_one(make_client, api, gates):
    """All of the greedy client's captures hang until the end, and its other ones wait."""
    client = make_client(capture_concurrency=8)
    for number in range(12):
        gates(f"slow-{number}")
        assert ask(client, f"slow-{number}", GREEDY, wait=0).status_code == 202
        wait_until(lambda n=number: len(api.calls) + queue_of(client).waiting == n + 1, "the place in the queue")
    answers = [ask(client, number, MODEST).status_code for number in range(5)]

    assert answers == [200] * 5
    assert len(api.calls) == 8 + 5
    assert queue_of(client).waiting == 4


def test_captures_that_nobody_waits_for_keep_their_places(make_client, api, gates):
    client = make_client(capture_concurrency=1)
    first = gates("page-0")
    for number in range(8):
        assert ask(client, f"page-{number}", MODEST, wait=0).status_code == 202
        wait_until(lambda n=number: len(api.calls) + queue_of(client).waiting == n + 1, "the place in the queue")
    first.set()
    wait_until(lambda: len(api.calls) == 8, "all captures")

    assert pages(api) == [f"page-{number}" for number in range(8)]
    client.application.extensions["services"].coalescer.drain(10)
    assert {ask(client, f"page-{number}", MODEST).headers["X-Cache"] for number in range(8)} == {"HIT"}


def test_a_full_queue_makes_room_for_others(make_client, api, gates):
    client = make_client(capture_concurrency=1, capture_queue=4)
    first = gates("slow-0")
    for number in range(5):
        assert ask(client, f"slow-{number}", GREEDY, wait=0).status_code == 202
        wait_until(lambda n=number: len(api.calls) + queue_of(client).waiting == n + 1, "the place in the queue")
    alone = ask(client, "slow-5", GREEDY)
    crowd = Crowd(client, 2)
    others = [crowd.ask(url=f"https://example.com/{page}", address=MODEST) for page in ("one", "two")]
    wait_until(lambda: queue_of(client)._captures(MODEST) == 2, "the places of the other client")
    refused = ask(client, "slow-5", GREEDY)
    first.set()

    assert (alone.status_code, alone.json["code"]) == (503, "over_capacity")
    assert (refused.status_code, refused.json["code"]) == (429, "rate_limited")
    assert "2 captures in progress per client while others wait" in refused.json["detail"]
    assert int(refused.headers["Retry-After"]) > 0
    assert {other.result().status_code for other in others} == {200}
    client.application.extensions["services"].coalescer.drain(10)
    assert Counter(page.partition("-")[0] for page in pages(api)) == {"slow": 3, "one": 1, "two": 1}


def test_one_client_alone_has_the_whole_queue(make_client, api):
    client = make_client(capture_concurrency=2, capture_queue=8)
    crowd = Crowd(client, 10)
    answers = [crowd.ask(url=f"https://example.com/{number}", address=GREEDY) for number in range(10)]

    assert {answer.result().status_code for answer in answers} == {200}
    assert len(api.calls) == 10


def test_a_page_of_sixty_new_pictures_is_captured_with_default_limits(make_client, api):
    """By one process, and for a visitor who waits for none of them."""
    client = make_client()
    small = {"width": 320, "height": 240, "w": 160, "wait": 0}
    cold = Counter(get(client, f"https://example.com/{number}", **small).status_code for number in range(60))
    client.application.extensions["services"].coalescer.drain(60)
    warm = Counter(get(client, f"https://example.com/{number}", **small).status_code for number in range(60))

    assert set(cold) <= {200, 202}, cold
    assert warm == {200: 60}
    assert len(api.calls) == 60


def test_waiting_callers_of_one_client_leave_seats_to_others(make_client, api, gates):
    client = make_client(web_connections=24)
    gate = gates("slow")
    crowd = Crowd(client, 30)
    slow = [crowd.ask(url="https://example.com/slow", address=GREEDY) for _ in range(20)]
    wait_until(lambda: sum(answer.done() for answer in slow) == 2, "the refusals of two")
    answers = [ask(client, number, MODEST) for number in range(5)]
    slow += [crowd.ask(url="https://example.com/slow", address=MODEST)]
    wait_until(lambda: seats_of(client)._held.total() == 19, "the seat of the other client")
    late = ask(client, "slow", GREEDY)
    gate.set()

    assert {answer.status_code for answer in answers} == {200}
    assert Counter(answer.result().status_code for answer in slow) == {200: 19, 503: 2}
    assert (late.status_code, late.json["code"]) == (429, "rate_limited")
    assert "9 callers that wait for captures per client" in late.json["detail"]


def seats_of(client):
    return client.application.extensions["services"].thumbnailer._capture_seats


@pytest.mark.slow
def test_large_pictures_of_one_client_leave_room_for_those_of_others(make_client, api):
    client = make_client()
    get(client)
    crowd = Crowd(client, 39)
    large = {"url": "https://example.com/", "w": 2560, "h": 1440, "format": "avif"}
    greedy = [crowd.ask(address=GREEDY, quality=quality, **large) for quality in range(70, 78)]
    renditions = client.application.extensions["services"].renditions
    wait_until(lambda: renditions._large_seats._held[GREEDY] == 4, "the large pictures of the greedy client")
    pressing = [crowd.ask(address=GREEDY, quality=quality, **large) for quality in range(30, 60)]
    modest = crowd.ask(address=MODEST, quality=80, **large)

    assert modest.result().status_code == 200
    assert {answer.result().status_code for answer in pressing} <= {200, 429, 503}
    assert Counter(answer.result().status_code for answer in greedy)[200] >= 4
