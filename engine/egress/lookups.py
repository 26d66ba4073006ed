"""Look-ups of names, in threads of their own: so many at a time, each with its time from when it begins."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from engine.descriptors import NONE_LEFT
from engine.egress.socks import Destination
from engine.errors import ResolverBusy

# Blocks. Raises OSError, UnicodeError, and errors of the engine.
Lookup = Callable[[Destination], Iterable[str]]


class Lookups:
    def __init__(self, lookup: Lookup, threads: int, seconds: float) -> None:
        """Run at most `threads` at a time; wait `seconds` for a thread, and as long for an answer."""
        self._lookup = lookup
        self._seconds = seconds
        self._new_threads = partial(ThreadPoolExecutor, threads, "lookup")
        self._threads = self._new_threads()
        # Waited for here: what waits in an executor's own queue lets its time pass and cannot be told from what hangs.
        self._free = asyncio.Semaphore(threads)

    async def ask(self, destination: Destination, turns: asyncio.Semaphore) -> list[str]:
        """Give the addresses of a name: none for one without, and for an answer that comes late.

        A look-up that is given up holds its thread, and its turn of `turns`, until it ends. Raises ResolverBusy, and what
        the look-up raises of the engine's own.
        """
        with contextlib.ExitStack() as held:
            await turns.acquire()
            held.callback(turns.release)
            await self._wait_for_a_thread()
            held.callback(self._free.release)
            answer = self._begin(destination)
            end = held.pop_all().close
            answer.add_done_callback(lambda done: (end(), done.exception()))  # which perhaps nobody asks for any more
        await asyncio.wait([answer], timeout=self._seconds)
        return answer.result() if answer.done() else []

    async def _wait_for_a_thread(self) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await self._free.acquire()
        except TimeoutError:
            raise ResolverBusy from None

    def _begin(self, destination: Destination) -> asyncio.Future[list[str]]:
        try:
            return asyncio.get_running_loop().run_in_executor(self._threads, self._ask, destination)
        except RuntimeError as err:  # no thread can be started, `pids_limit` of a container perhaps
            self._threads.shutdown(wait=False)  # it has queued the question all the same, before those that follow
            self._threads = self._new_threads()
            raise ResolverBusy from err

    def _ask(self, destination: Destination) -> list[str]:
        try:
            return list(self._lookup(destination))
        except UnicodeError:
            return []
        except OSError as err:
            if err.errno in NONE_LEFT:  # which says nothing about the name
                raise ResolverBusy from err
            return []
