"""Copies bytes between two connections, both ways. Must not know what they carry, nor the peers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

CHUNK = 64 << 10

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def has_ended(stream: Stream) -> bool:
    """Return whether the peer has closed a connection on which it sends nothing."""
    return stream[0].at_eof() or stream[0].exception() is not None


@contextlib.asynccontextmanager
async def closing(stream: Stream, grace: float) -> AsyncIterator[None]:
    """Close `stream` after the block. Unsent bytes get `grace` seconds to arrive; a cancellation drops them."""
    writer = stream[1]
    try:
        yield
        await _close(writer, grace)
    except Exception:
        await _close(writer, grace)
        raise
    finally:
        writer.transport.abort()


async def _close(writer: asyncio.StreamWriter, grace: float) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        async with asyncio.timeout(grace):
            await writer.wait_closed()


class Relay:
    """Copies between browser and site. `site_answered` is true once the site has sent a byte."""

    def __init__(self, browser: Stream, site: Stream, may_pass: Callable[[int], bool]) -> None:
        """Call `may_pass` with the size of every chunk. The relay ends when the answer is False."""
        self._browser = browser
        self._site = site
        self._may_pass = may_pass
        self._clock = asyncio.get_running_loop().time
        self._last = self._clock()
        self.site_answered = False

    async def run(self, max_silence: float) -> None:
        """Copy until either side ends. Raises TimeoutError when both are silent for `max_silence` seconds."""
        tasks = [asyncio.create_task(self._send()), asyncio.create_task(self._receive())]
        try:
            while not any(task.done() for task in tasks):
                left = self._last + max_silence - self._clock()
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
        self.site_answered = bool(first)
        if first and await self._pass_on(first, self._browser[1]):
            await self._copy(self._site[0], self._browser[1])

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (chunk := await reader.read(CHUNK)) and await self._pass_on(chunk, writer):
            pass

    async def _pass_on(self, chunk: bytes, writer: asyncio.StreamWriter) -> bool:
        # Noting the time is cheaper than setting a timer, and this runs for every chunk.
        self._last = self._clock()
        if not self._may_pass(len(chunk)):
            return False
        writer.write(chunk)
        await writer.drain()
        return True
