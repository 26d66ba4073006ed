"""The order of admission: visitors first, background work in the slots that they leave, and clients in turn."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from engine.admission.slots import Slots
from engine.admission.slow_clients import SlowClients
from engine.errors import EngineBusy
from tests.support.loop import in_loop


class Crowd:
    """Captures by name. Each holds its slot until `end`."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.admitted: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def come(self, *names: str) -> None:
        """Start captures in this order. Those whose name begins with `bulk` are in the background.

        `greedy/1` is a capture of the client `greedy`.
        """
        for name in names:
            self._ends[name] = asyncio.Event()
            self._tasks[name] = asyncio.create_task(self._capture(name))
        await _settled()

    async def end(self, name: str) -> None:
        self._ends[name].set()
        await self._tasks[name]
        await _settled()

    async def leave(self, name: str) -> None:
        """Disconnect, and wait until the capture has ended."""
        self.hang_up(name)
        await asyncio.wait([self._tasks[name]])
        await _settled()

    def hang_up(self, name: str) -> None:
        self._tasks[name].cancel()

    async def refusal_of(self, name: str) -> str:
        with pytest.raises(EngineBusy) as refused:
            await self._tasks[name]
        return str(refused.value)

    async def end_all(self) -> None:
        for end in self._ends.values():
            end.set()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        assert (self.slots.in_use, self.slots.queued) == (0, 0)

    async def _capture(self, name: str) -> None:
        async with self.slots.hold(name.rpartition("/")[0], background=name.startswith("bulk")):
            self.admitted.append(name)
            await self._ends[name].wait()


async def _settled() -> None:
    """Let every task run until it waits."""
    for _ in range(5):
        await asyncio.sleep(0)


def crowd(size: int = 2, queue: int = 8, max_wait: float = 60, slow_clients: SlowClients | None = None) -> Crowd:
    return Crowd(Slots(size, queue, max_wait, slow_clients))


@in_loop
async def test_background_work_leaves_a_slot_to_visitors():
    them = crowd(size=2)
    await them.come("bulk 1", "bulk 2", "visitor")
    assert them.admitted == ["bulk 1", "visitor"]
    await them.end("bulk 1")
    assert them.admitted == ["bulk 1", "visitor", "bulk 2"]
    await them.end_all()


@in_loop
async def test_visitors_may_have_every_slot():
    them = crowd(size=2)
    await them.come("visitor 1", "visitor 2", "bulk")
    assert them.admitted == ["visitor 1", "visitor 2"]
    await them.end_all()


@in_loop
async def test_a_visitor_overtakes_queued_background_work():
    them = crowd(size=1)
    await them.come("visitor 1", "bulk 1", "bulk 2", "visitor 2", "visitor 3")
    for name in ("visitor 1", "visitor 2", "visitor 3", "bulk 1"):
        await them.end(name)
    assert them.admitted == ["visitor 1", "visitor 2", "visitor 3", "bulk 1", "bulk 2"]
    await them.end_all()


@pytest.mark.parametrize(("size", "at_a_time"), [(1, 1), (2, 1), (4, 3)])
def test_without_visitors_background_work_has_all_but_the_last_slot(size: int, at_a_time: int):
    @in_loop
    async def scene() -> None:
        them = crowd(size)
        names = [f"bulk {number}" for number in range(6)]
        await them.come(*names)
        for number, name in enumerate(names):
            assert them.slots.in_use == min(at_a_time, 6 - number)
            await them.end(name)
        assert them.admitted == names

    scene()


@in_loop
async def test_a_client_that_disconnects_leaves_the_queue():
    them = crowd(size=1)
    await them.come("visitor 1", "visitor 2", "bulk", "visitor 3")
    await them.leave("visitor 2")
    await them.leave("bulk")
    assert them.slots.queued == 1
    await them.end("visitor 1")
    assert them.admitted == ["visitor 1", "visitor 3"]
    await them.end_all()


@pytest.mark.parametrize("slot_first", [True, False])
def test_a_client_that_disconnects_as_its_slot_comes_free_does_not_keep_it(slot_first: bool):
    @in_loop
    async def scene() -> None:
        them = crowd(size=1)
        async with AsyncExitStack() as held:  # released without an iteration of the loop in between
            await held.enter_async_context(them.slots.hold())
            await them.come("visitor", "bulk")
            if slot_first:
                await held.aclose()
            them.hang_up("visitor")
        await _settled()
        assert them.admitted == ["bulk"]
        await them.end_all()

    scene()


@in_loop
async def test_queued_background_work_takes_no_place_of_visitors():
    them = crowd(size=1, queue=1)
    await them.come("visitor 1", "bulk 1", "bulk 2", "visitor 2", "visitor 3")
    assert "full" in await them.refusal_of("bulk 2")
    assert "full" in await them.refusal_of("visitor 3")
    await them.end("visitor 1")
    assert them.admitted == ["visitor 1", "visitor 2"]
    await them.end_all()


@in_loop
async def test_a_queued_capture_times_out():
    them = crowd(size=1, max_wait=0.05)
    await them.come("visitor 1", "visitor 2", "bulk")
    assert "busy" in await them.refusal_of("visitor 2")
    assert "busy" in await them.refusal_of("bulk")
    assert them.slots.queued == 0
    await them.end_all()


@in_loop
async def test_clients_take_turns():
    them = crowd(size=1, queue=8)
    await them.come("greedy/1", "greedy/2", "greedy/3", "greedy/4", "modest/1", "modest/2", "other/1")
    for name in ("greedy/1", "greedy/2", "modest/1", "other/1", "greedy/3", "modest/2"):
        await them.end(name)
    assert them.admitted == ["greedy/1", "greedy/2", "modest/1", "other/1", "greedy/3", "modest/2", "greedy/4"]
    await them.end_all()


@in_loop
async def test_one_client_has_every_slot_until_another_waits():
    them = crowd(size=2, queue=8)
    await them.come(*(f"greedy/{number}" for number in range(6)))
    assert them.admitted == ["greedy/0", "greedy/1"]
    await them.come("modest/0", "modest/1")
    await them.end("greedy/0")
    assert them.admitted[2:] == ["modest/0"]
    await them.end("greedy/1")
    assert them.admitted[3:] == ["greedy/2"], "each has one of the two slots"
    await them.end("modest/0")
    assert them.admitted[4:] == ["modest/1"]
    await them.end("modest/1")
    assert them.admitted[5:] == ["greedy/3"], "again it is alone"
    await them.end_all()


@in_loop
async def test_a_full_queue_makes_room_for_a_client_with_less_of_it():
    them = crowd(size=1, queue=4)
    await them.come(*(f"greedy/{number}" for number in range(6)))
    assert "full" in await them.refusal_of("greedy/5")
    await them.come("modest/0", "modest/1", "modest/2")
    assert "share" in await them.refusal_of("greedy/4")
    assert "share" in await them.refusal_of("greedy/3")
    assert "full" in await them.refusal_of("modest/2"), "it would have more than the other"
    assert them.slots.queued == 4
    for name in ("greedy/0", "greedy/1", "modest/0", "greedy/2"):
        await them.end(name)
    assert them.admitted == ["greedy/0", "greedy/1", "modest/0", "greedy/2", "modest/1"]
    await them.end_all()


@in_loop
async def test_a_client_that_disconnects_leaves_no_trace_in_the_queue():
    them = crowd(size=1, queue=1)
    await them.come("greedy/0", "greedy/1")
    await them.leave("greedy/1")
    await them.come("modest/0")
    await them.end("greedy/0")
    assert them.admitted == ["greedy/0", "modest/0"]
    await them.end_all()


@in_loop
async def test_a_client_with_slow_pages_leaves_half_of_the_slots_to_those_who_come_and_go():
    them = crowd(size=2, slow_clients=SlowClients(slow=0))
    await them.come("greedy/0", "greedy/1", "greedy/2", "greedy/3", "greedy/4", "modest/0")
    await them.end("greedy/0")
    await them.end("modest/0")
    assert them.admitted == ["greedy/0", "greedy/1", "modest/0"], "one slot is free for others"
    await them.come("modest/1")
    assert them.admitted[3:] == ["modest/1"], "at once"
    await them.end("greedy/1")
    assert them.admitted[4:] == ["greedy/2"]
    await them.end_all()


@in_loop
async def test_a_client_with_slow_pages_has_all_slots_when_the_others_are_gone():
    now = [0.0]
    them = crowd(size=2, slow_clients=SlowClients(slow=0, remembered=60, now=lambda: now[0]))
    await them.come("greedy/0", "greedy/1", "greedy/2", "greedy/3", "greedy/4", "modest/0")
    await them.end("greedy/0")
    await them.end("modest/0")
    now[0] = 61
    await them.end("greedy/1")
    assert them.admitted == ["greedy/0", "greedy/1", "modest/0", "greedy/2", "greedy/3"]
    await them.end("greedy/2")
    assert them.slots.in_use == 2
    await them.end_all()


@in_loop
async def test_slow_pages_of_a_client_alone_have_all_slots():
    them = crowd(size=2, slow_clients=SlowClients(slow=0))
    await them.come(*(f"greedy/{number}" for number in range(4)))
    await them.end("greedy/0")
    await them.end("greedy/1")
    assert them.admitted == [f"greedy/{number}" for number in range(4)]
    await them.end_all()


def test_clients_of_long_ago_are_forgotten():
    now = [0.0]
    slow_clients = SlowClients(now=lambda: now[0])
    for number in range(10_000):
        now[0] = number
        slow_clients.record_arrival(f"client {number}")
    assert len(slow_clients._seen) <= 257
