"""Look-ups of names, in threads of their own: so many at a time, each with its time from when it begins."""

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor

from engine.errors import ResolverBusy
from netguard import Lookup


class Lookups:
    def __init__(self, lookup: Lookup, threads: int, seconds: float) -> None:
        """Run at most `threads` at a time; wait `seconds` for a thread, and as long for an answer."""
        self._lookup = lookup
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(threads, "lookup")
        # Waited for here: what waits in an executor's own queue lets its time pass and cannot be told from what hangs.
        self._free = asyncio.Semaphore(threads)

    async def ask(self, name: str, turns: asyncio.Semaphore) -> list[str]:
        """Give the addresses of `name`: none for one without, and for an answer that comes late.

        A look-up that is given up holds its thread, and its turn of `turns`, until it ends. Raises ResolverBusy.
        """
        with contextlib.ExitStack() as held:
            await turns.acquire()
            held.callback(turns.release)
            await self._wait_for_a_thread()
            held.callback(self._free.release)
            answer = asyncio.get_running_loop().run_in_executor(self._threads, self._ask, name)
            end = held.pop_all().close
            answer.add_done_callback(lambda _: end())
        await asyncio.wait([answer], timeout=self._seconds)
        return answer.result() if answer.done() else []

    async def _wait_for_a_thread(self) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await self._free.acquire()
        except TimeoutError:
            raise ResolverBusy from None

    def _ask(self, name: str) -> list[str]:
        with contextlib.suppress(OSError, UnicodeError):
            return list(self._lookup(name))
        return []
