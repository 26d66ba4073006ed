"""Looks up names in threads of their own: a limited number at a time, each with a time-out from its own start."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from engine.descriptors import EXHAUSTED
from engine.egress.socks import Destination
from engine.errors import ResolverBusy

# A blocking call. It raises OSError, UnicodeError, and errors of the engine.
Lookup = Callable[[Destination], Iterable[str]]


class Lookups:
    def __init__(self, lookup: Lookup, threads: int, seconds: float) -> None:
        """Run at most `threads` look-ups at a time. Wait `seconds` for a thread, and as long for the answer."""
        self._lookup = lookup
        self._seconds = seconds
        self._new_threads = partial(ThreadPoolExecutor, threads, "lookup")
        self._threads = self._new_threads()
        # A look-up waits here, not in the executor's queue, where its time-out would run before it starts.
        self._free = asyncio.Semaphore(threads)

    async def resolve(self, destination: Destination, slots: asyncio.Semaphore) -> list[str]:
        """Return the addresses of a name: none if it does not resolve, or not in time.

        A look-up that timed out holds its thread, and its slot of `slots`, until it ends. Raises ResolverBusy, and the
        engine's errors that the look-up raises.
        """
        with contextlib.ExitStack() as held:
            await slots.acquire()
            held.callback(slots.release)
            await self._wait_for_a_thread()
            held.callback(self._free.release)
            answer = self._start(destination)
            release = held.pop_all().close
            answer.add_done_callback(lambda done: (release(), done.exception()))  # after a time-out too
        await asyncio.wait([answer], timeout=self._seconds)
        return answer.result() if answer.done() else []

    async def _wait_for_a_thread(self) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await self._free.acquire()
        except TimeoutError:
            raise ResolverBusy from None

    def _start(self, destination: Destination) -> asyncio.Future[list[str]]:
        try:
            return asyncio.get_running_loop().run_in_executor(self._threads, self._look_up, destination)
        except RuntimeError as err:  # no thread can be started, for example because of a container's `pids_limit`
            self._threads.shutdown(wait=False)  # it has queued this look-up nevertheless, ahead of all later ones
            self._threads = self._new_threads()
            raise ResolverBusy from err

    def _look_up(self, destination: Destination) -> list[str]:
        try:
            return list(self._lookup(destination))
        except UnicodeError:
            return []
        except OSError as err:
            if err.errno in EXHAUSTED:  # ours, not the name's
                raise ResolverBusy from err
            return []
