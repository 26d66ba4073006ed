"""`Idempotency-Key` on `/persist`: once done is done, for this caller, this key and this body."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from coordination import Attempt, IdempotencyStore, Leases
from tests.support.processes import wait_until
from tests.support.redis import as_state
from tests.support.screenshot_api import refuse

PAGE = {"url": "https://example.com/", "w": 320}
INDEX = "thumb:{idempotency}:index"
KEYS = "ada:correct-horse,bob:battery-staple"


def persist(client, body=None, key="order-1", secret=None, **environ):
    headers = {"Idempotency-Key": key} | ({"X-API-Key": secret} if secret else {})
    return client.post("/persist", json=body or PAGE, headers=headers, environ_base=environ)


def forget_pictures(redis_url):
    with redis.Redis.from_url(redis_url) as client:
        for key in client.keys("thumb:picture:*"):
            client.delete(key)


def test_a_replay_is_the_same_answer_without_work(make_client, api, redis_url):
    client = make_client(persist_limit="1 per hour")
    first = persist(client)
    forget_pictures(redis_url)
    again = [persist(client) for _ in range(3)]

    assert first.status_code == 201, "and not 200, as a second upload would be"
    assert {(r.status_code, r.data, r.headers["Content-Type"]) for r in again} == {
        (201, first.data, first.headers["Content-Type"])
    }
    assert len({r.headers["X-Request-ID"] for r in [first, *again]}) == 4, "an id belongs to one request"
    assert len(api.calls) == 1


def test_the_order_of_a_body_s_names_makes_no_other_body(client, api):
    first = client.post("/persist", data='{"url": "https://example.com/", "w": 320}',
                        headers={"Idempotency-Key": "k"}, content_type="application/json")  # fmt: skip
    again = client.post("/persist", data='{"w":320,"url":"https://example.com/"}',
                        headers={"Idempotency-Key": "k"}, content_type="application/json")  # fmt: skip

    assert (first.status_code, again.status_code) == (201, 201)


def test_another_body_under_the_key_is_a_conflict(client, api):
    persist(client)
    response = persist(client, PAGE | {"w": 640})

    assert response.status_code == 409
    assert response.json["code"] == "idempotency_conflict"
    assert response.json["retryable"] is False
    assert "another body" in response.json["detail"]
    assert len(api.calls) == 1


def test_a_key_belongs_to_its_caller(make_client):
    client = make_client(api_keys=KEYS)
    ada, bob = persist(client, secret="correct-horse"), persist(client, PAGE | {"w": 640}, secret="battery-staple")

    assert (ada.status_code, bob.status_code) == (201, 201)
    assert persist(client).status_code == 401, "a known key opens nothing"


def test_without_api_keys_a_key_belongs_to_an_address(client):
    here = persist(client, REMOTE_ADDR="10.1.1.1")
    there = persist(client, PAGE | {"w": 640}, REMOTE_ADDR="10.1.1.2")

    assert (here.status_code, there.status_code) == (201, 201)


def test_a_failed_try_leaves_the_key_free(client, api):
    api.behave(refuse(500, "internal_error"))
    failed = persist(client)
    repaired = persist(client, {"url": "https://example.org/"})

    assert failed.status_code >= 500
    assert repaired.status_code == 201


@pytest.mark.parametrize("key", ["", "k" * 256, "two words", "t\tab", "ключ".encode().decode("latin-1")])
def test_an_invalid_idempotency_key_is_refused(client, api, key):
    response = persist(client, key=key)

    assert (response.status_code, response.json["code"]) == (400, "invalid_option")
    assert response.json["detail"] == "Idempotency-Key: must be 1 to 255 visible ASCII characters"
    assert api.calls == []


def test_the_longest_key_is_taken(client):
    assert persist(client, key="~" * 255).status_code == 201


def test_a_key_is_known_for_a_day(client, redis_url):
    persist(client)
    with redis.Redis.from_url(redis_url) as store:
        ((slot, until),) = store.zrange(INDEX, 0, -1, withscores=True)
        assert 86000 < until - time.time() <= 86401
        assert {86000 < store.ttl(name) <= 86400 for name in (slot, INDEX)} == {True}

        store.pexpire(slot, 1)
        wait_until(lambda: not store.exists(slot), "the end of its day")
        assert persist(client).status_code == 200, "done again"

        store.zadd(INDEX, {slot: 0})
        persist(client, key="order-2")
        assert store.exists(slot) == 0
        assert store.zcard(INDEX) == 1


def test_only_so_many_records_are_kept_and_the_oldest_is_forgotten(redis_url):
    with redis.Redis.from_url(redis_url) as store:
        state = as_state(store)
        kept = IdempotencyStore(state, Leases(state), most=3)
        attempts = [Attempt.of(f"order-{number}", ("/persist", "me"), PAGE) for number in range(5)]
        seeds = [kept.seed(attempt) for attempt in attempts]
        assert store.zcard(INDEX) == 3
        assert len(store.keys("thumb:{idempotency}:*")) == 4, "three, and the index"
        assert [kept.seed(attempt) == seed for attempt, seed in zip(attempts[2:], seeds[2:], strict=True)] == [True] * 3


def test_a_full_redis_still_removes_day_old_records(client, redis_url):
    persist(client)
    with redis.Redis.from_url(redis_url) as store:
        ((slot, _),) = store.zrange(INDEX, 0, -1, withscores=True)
        store.zadd(INDEX, {slot: 0})
        store.config_set("maxmemory", 1)
        try:
            persist(client, key="order-2")
        finally:
            store.config_set("maxmemory", 0)
        assert store.exists(slot) == 0


def test_a_repeated_order_of_a_job_is_one_job(client, redis_url):
    def order(key="order-1", **body):
        return client.post("/screenshots", json=PAGE | body, headers={"Idempotency-Key": key})

    first, again, other = order(), order(), order("order-2")

    assert (first.status_code, again.status_code) == (202, 202)
    assert again.data == first.data
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["Retry-After"] == first.headers["Retry-After"]
    assert other.json["job_id"] != first.json["job_id"]
    assert order(w=640).status_code == 409
    with redis.Redis.from_url(redis_url) as store:
        assert store.zcard("thumb:{jobs}:unfinished") == 2
    assert persist(client).status_code == 201, "a key belongs to its endpoint"


def test_a_repeated_order_whose_answer_was_not_remembered_finds_its_jobs(client, redis_url):
    body = {"urls": ["https://example.com/", "https://example.net/"]}
    with redis.Redis.from_url(redis_url) as store:

        def order(key="order-1"):
            answer = client.post("/screenshots", json=body, headers={"Idempotency-Key": key})
            store.delete(*(slot for slot in store.zrange(INDEX, 0, -1) if b":seed:" not in slot))  # as by a death
            return answer.json

        first, again, other = order(), order(), order("order-2")
        assert again == first
        assert store.zcard("thumb:{jobs}:unfinished") == 4
        assert store.hget("thumb:{jobs}:counts", "pending") == b"4", "those of the first are not counted again"
        assert other["batch_id"] != first["batch_id"]

        for slot in store.zrange(INDEX, 0, -1):
            store.zadd(INDEX, {slot: 0})
        assert order()["batch_id"] != first["batch_id"], "a day later it is a new order"


def test_a_refused_request_for_a_job_keeps_nothing(make_client, redis_url):
    client = make_client(job_limit="1 per hour", webhook_secret=("whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0",))
    with redis.Redis.from_url(redis_url) as store:

        def order(number, **body):
            return client.post("/screenshots", json=PAGE | body, headers={"Idempotency-Key": f"order-{number}"})

        refused = [order(number, webhook_url="https://10.0.0.1/").status_code for number in range(5)]
        assert (refused, store.exists(INDEX)) == ([400] * 5, 0)

        assert order("of-a-job").status_code == 202
        kept = set(store.keys("thumb:{idempotency}:*"))
        assert [order(number).status_code for number in range(5)] == [429] * 5
        assert set(store.keys("thumb:{idempotency}:*")) == kept
        assert max(store.ttl(name) for name in store.keys("thumb:done:*")) <= 4, "the end of a lease, for seconds"


def test_an_order_that_the_full_queue_refused_keeps_nothing_but_its_charge(make_client, redis_url):
    client = make_client(job_queue_limit=1)
    body = {"urls": ["https://example.com/", "https://example.net/"]}
    with redis.Redis.from_url(redis_url) as store:
        refused = client.post("/screenshots", json=body, headers={"Idempotency-Key": "order-1"})
        assert (refused.status_code, refused.json["code"]) == (503, "over_capacity")
        assert store.keys("thumb:{idempotency}:*") == []


def test_of_many_simultaneous_callers_on_two_services_one_works(make_client, api):
    clients = [make_client(), make_client()]
    gate = threading.Event()
    api.hold(gate)
    with ThreadPoolExecutor(10) as pool:
        first = pool.submit(persist, clients[0])
        wait_until(lambda: len(api.calls) == 1, "the first try's capture")
        try:
            others = [pool.submit(persist, clients[i % 2].application.test_client()).result() for i in range(8)]
        finally:
            gate.set()
    answered = first.result()

    assert {(r.status_code, r.json["code"], r.json["retryable"]) for r in others} == {
        (409, "idempotency_conflict", True)
    }
    assert all("in progress" in r.json["detail"] and int(r.headers["Retry-After"]) > 0 for r in others)
    assert answered.status_code == 201
    assert persist(clients[1]).data == answered.data


def test_persist_works_while_redis_is_dead(make_client, capfd):
    client = make_client(redis_url="redis://127.0.0.1:1/0")
    first, again = persist(client), persist(client)

    assert (first.status_code, again.status_code) == (201, 200)
    assert "idempotency_unreachable" in "".join(capfd.readouterr())
