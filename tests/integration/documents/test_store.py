"""HTML that waits for a job, in a real Redis."""

import gc
from contextlib import closing
from types import SimpleNamespace

import pytest
import redis

from coordination import open_connections
from documents import Document, DocumentStore
from errors import DocumentGone, OverCapacity, QueueUnavailable
from tests.support.processes import free_port
from tests.support.redis import as_state

PAGE = Document("<p>漢字", network=True)


@pytest.fixture
def state(redis_url):
    with redis.Redis.from_url(redis_url) as client:
        yield as_state(client)


@pytest.fixture
def machines(state):
    """Two processes that share Redis."""
    return SimpleNamespace(web=DocumentStore(state), worker=DocumentStore(state))


def keys(state):
    return sorted(state.client.keys("*documents*"))


def test_a_document_is_found_by_those_who_hold_it_and_by_them_alone(machines, state):
    held = machines.web.hold(Document("<p>漢字", network=True))
    assert machines.web.hold(PAGE) is held
    assert machines.web.find(PAGE.target) is held
    with pytest.raises(DocumentGone):
        machines.worker.find(PAGE.target)
    assert keys(state) == []


def test_a_document_is_forgotten_with_its_last_request(machines):
    held = machines.web.hold(Document("<p>soon gone"))
    target = held.target
    del held
    gc.collect()
    with pytest.raises(DocumentGone):
        machines.web.find(target)


def test_a_job_takes_it_to_another_process_until_it_ends(machines, state):
    machines.web.keep(PAGE, "a1", "key:cms")
    assert machines.worker.find(PAGE.target) == PAGE
    assert 0 < state.client.ttl(state.keys.document(PAGE.digest)) <= 86400
    machines.worker.release("a1")
    assert keys(state) == []


def test_two_jobs_of_one_document_need_it_both(machines, state):
    machines.web.keep(PAGE, "a1", "key:cms")
    machines.web.keep(PAGE, "b2", "key:shop")
    machines.worker.release("a1")
    assert machines.worker.find(PAGE.target) == PAGE
    machines.worker.release("b2")
    assert keys(state) == []


def test_the_room_is_limited_and_no_client_has_more_than_half(state):
    store = DocumentStore(state, most_bytes=200)
    documents = [Document(f"<p>{number}") for number in range(20)]

    def kept(client):
        for number, each in enumerate(documents):
            try:
                store.keep(each, f"{number:x}", client)
            except OverCapacity:
                return number
        return len(documents)

    one, other, third = kept("203.0.113.7"), kept("key:a b"), kept("key:third")
    assert one == other > 0
    assert third == 0
    store.release("0")
    store.keep(documents[0], "ff", "key:third")


def test_what_has_expired_makes_room(state):
    store = DocumentStore(state, most_bytes=200)
    store.keep(PAGE, "a1", "key:cms")
    state.client.zadd(
        state.keys.documents_index(), dict.fromkeys(state.client.zrange(state.keys.documents_index(), 0, -1), 1)
    )
    store.keep(Document("<p>another"), "b2", "key:cms")
    assert state.client.zcard(state.keys.documents_index()) == 1


def test_damaged_html_is_gone(machines, state):
    for damaged in (b"x", b"(\xb5/\xfd\x00X\x11\x00\x00{}"):
        state.client.set(state.keys.document(PAGE.digest), damaged)
        with pytest.raises(DocumentGone):
            machines.worker.find(PAGE.target)


def test_without_redis_no_job_is_made_and_what_is_held_is_found():
    nowhere = f"redis://127.0.0.1:{free_port()}"
    with closing(open_connections(nowhere, nowhere, "thumb", 1)) as connections:
        store = DocumentStore(connections.state)
        held = store.hold(PAGE)
        with pytest.raises(QueueUnavailable):
            store.keep(held, "a1", "key:cms")
        assert store.find(PAGE.target) is held
        store.release("a1")
