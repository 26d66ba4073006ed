"""Copies bytes between two connections, both ways. Knows nothing of who is at their ends."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

CHUNK = 64 << 10

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def has_ended(stream: Stream) -> bool:
    """Whether the other end of a connection on which it says nothing has hung up."""
    return stream[0].at_eof() or stream[0].exception() is not None


@contextlib.asynccontextmanager
async def ending(stream: Stream, patience: float) -> AsyncIterator[None]:
    """Close `stream` in the end: what is under way may arrive, unless nobody takes it for `patience` seconds.

    Whoever cancels cuts it at once.
    """
    writer = stream[1]
    try:
        yield
        await _close(writer, patience)
    except Exception:
        await _close(writer, patience)
        raise
    finally:
        writer.transport.abort()


async def _close(writer: asyncio.StreamWriter, patience: float) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        async with asyncio.timeout(patience):
            await writer.wait_closed()


class Relay:
    """`heard` tells whether the site has said anything yet."""

    def __init__(self, browser: Stream, site: Stream, spend: Callable[[int], bool]) -> None:
        """Ask `spend` about every so many bytes: the relay ends when it says no."""
        self._browser = browser
        self._site = site
        self._spend = spend
        self._clock = asyncio.get_running_loop().time
        self._last = self._clock()
        self.heard = False

    async def run(self, patience: float) -> None:
        """Copy until either side ends. Raises TimeoutError when both are silent for `patience` seconds."""
        tasks = [asyncio.create_task(self._send()), asyncio.create_task(self._receive())]
        try:
            while not any(task.done() for task in tasks):
                left = self._last + patience - self._clock()
                if left <= 0:
                    raise TimeoutError
                await asyncio.wait(tasks, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self) -> None:
        await self._copy(self._browser[0], self._site[1])

    async def _receive(self) -> None:
        first = await self._site[0].read(CHUNK)
        self.heard = bool(first)
        if first and await self._pass_on(first, self._browser[1]):
            await self._copy(self._site[0], self._browser[1])

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (chunk := await reader.read(CHUNK)) and await self._pass_on(chunk, writer):
            pass

    async def _pass_on(self, chunk: bytes, writer: asyncio.StreamWriter) -> bool:
        # A moment is noted, and no timer set: this happens for every chunk.
        self._last = self._clock()
        if not self._spend(len(chunk)):
            return False
        writer.write(chunk)
        await writer.drain()
        return True
