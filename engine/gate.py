"""Who may be reached: one look-up, one judgement, and a connection to an address that was judged.

The rules are `netguard`'s; what is added is that one capture cannot use up what the others need, and that the engine
itself is never a target.
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import netguard
from engine.relay import Stream
from engine.socks import Destination
from netguard import Address, Guard, Judgement, Verdict

LOOKUP_SECONDS = 2.0
DIAL_SECONDS = 5.0
LOOKUPS = 16  # of one capture at a time; one that is given up counts until its thread is free again
MAX_ADDRESSES = 4  # of a name are tried, each with its share of the time


Connect = Callable[[str, int], Awaitable[Stream]]


class Gate:
    def __init__(self, guard: Guard, captures: int, connect: Connect = asyncio.open_connection) -> None:
        """`captures` at a time are reckoned with; `connect` is only ever given addresses."""
        self._guard = guard
        self._connect = connect
        # Twice: a look-up that is given up may outlive its capture.
        self._lookups = ThreadPoolExecutor(2 * LOOKUPS * captures, "lookup")
        self._own_port: int | None = None

    def forbid(self, port: int) -> None:
        """Refuse the engine's own port, at whatever address of this machine it is asked for."""
        self._own_port = port

    async def judge(self, destination: Destination, turns: asyncio.Semaphore) -> Judgement:
        """Judge `destination` for good, with one look-up where it is a name; `turns` limits those of one capture."""
        host, port = destination.host, destination.port
        answers = await self._look_up(host, turns) if self._needs_lookup(host, port) else []
        judgement = replace(self._guard, lookup=lambda _: answers).judge(host, port)
        if port == self._own_port and any(map(_is_local, judgement.addresses)):
            return Judgement(Verdict.LOOPBACK)
        return judgement

    async def dial(self, addresses: tuple[Address, ...], port: int) -> Stream:
        """Connect to the first of `addresses` that answers. Raises OSError."""
        tried = addresses[:MAX_ADDRESSES]
        failure = OSError("no address")
        for address in tried:
            try:
                async with asyncio.timeout(DIAL_SECONDS / len(tried)):
                    return await self._connect(str(address), port)
            except OSError as err:
                failure = err
        raise failure

    def _needs_lookup(self, host: str, port: int) -> bool:
        screened = self._guard.screen(host, port)
        return netguard.literal(host) is None and screened in (Verdict.NEEDS_LOOKUP, Verdict.EXEMPT)

    async def _look_up(self, name: str, turns: asyncio.Semaphore) -> list[str]:
        """Give no answer for none, and for one that comes late."""
        await turns.acquire()
        answer = asyncio.get_running_loop().run_in_executor(self._lookups, lambda: list(self._guard.lookup(name)))
        answer.add_done_callback(lambda _: turns.release())
        with contextlib.suppress(OSError, UnicodeError):
            await asyncio.wait([answer], timeout=LOOKUP_SECONDS)
            return answer.result() if answer.done() else []
        return []


def _is_local(address: Address) -> bool:
    """Whether `address` is this machine's: only then can it be bound to. Sends nothing."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
    return True
