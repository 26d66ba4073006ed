"""Copies bytes between two connections, both ways. Knows nothing of who is at their ends."""

import asyncio
from collections.abc import Callable, Coroutine

CHUNK = 64 << 10

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Relay:
    """`heard` tells whether the site has said anything yet."""

    def __init__(self, browser: Stream, site: Stream, spend: Callable[[int], bool]) -> None:
        """Ask `spend` about every so many bytes: the relay ends when it says no."""
        self._browser = browser
        self._site = site
        self._spend = spend
        self.heard = False

    async def run(self, patience: float) -> None:
        """Copy until either side ends. Raises TimeoutError when both are silent for `patience` seconds."""
        (from_browser, to_browser), (from_site, to_site) = self._browser, self._site
        async with asyncio.timeout(patience) as idle:

            def seen(count: int) -> bool:
                idle.reschedule(asyncio.get_running_loop().time() + patience)
                return self._spend(count)

            def heard(count: int) -> bool:
                self.heard = True
                return seen(count)

            await _until_first(_copy(from_browser, to_site, seen), _copy(from_site, to_browser, heard))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Callable[[int], bool]) -> None:
    while (chunk := await reader.read(CHUNK)) and seen(len(chunk)):
        writer.write(chunk)
        await writer.drain()


async def _until_first(*copies: Coroutine[None, None, None]) -> None:
    tasks = [asyncio.create_task(copy) for copy in copies]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
