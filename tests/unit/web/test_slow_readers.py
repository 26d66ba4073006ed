"""Which readers are cut off when answers hold more than they may."""

from contextlib import ExitStack

import pytest

from web.http.slow_readers import SlowReaders


class Clients:
    """Readings of named clients, and the names of those that were cut off, in order."""

    def __init__(self, stack, most):
        self.readers, self.cut, self._stack = SlowReaders(most), [], stack

    def read(self, client, body, stack=None):
        if isinstance(body, int):
            body = bytes(body)
        (stack or self._stack).enter_context(self.readers.hold(client, body, lambda: self.cut.append(client)))


@pytest.fixture
def clients():
    with ExitStack() as stack:
        yield Clients(stack, 100)


def test_the_oldest_answer_of_the_client_that_holds_most_is_cut_off(clients):
    clients.read("modest", 30)
    clients.read("greedy", 40)
    clients.read("greedy", 20)
    assert clients.cut == []
    clients.read("another", 20)
    assert clients.cut == ["greedy"]
    clients.read("another", 30)
    assert clients.cut == ["greedy"], "what was cut off does not count any more"


def test_one_that_is_larger_than_all_may_be_is_cut_off_itself(clients):
    clients.read("small", 10)
    clients.read("large", 101)
    assert clients.cut == ["large"]


def test_a_picture_that_many_read_is_held_once(clients):
    picture = bytes(60)
    clients.read("client 0", picture)
    with ExitStack() as ending:
        for number in range(1, 5):
            clients.read(f"client {number}", picture, ending)
    clients.read("another", 40)
    assert clients.cut == []
    clients.read("a third", 1)
    assert clients.cut == ["client 0"]


def test_many_readers_of_one_picture_are_not_cut_off_for_what_another_client_holds(clients):
    picture = bytes(30)
    for _ in range(20):
        clients.read("a proxy", picture)
    for _ in range(3):
        clients.read("greedy", 30)
    assert clients.cut == ["greedy"]


def test_room_is_there_again_when_answers_are_read(clients):
    for _ in range(10):
        with ExitStack() as ending:
            clients.read("one", 90, ending)
    assert clients.cut == []
