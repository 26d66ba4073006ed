"""Copies bytes between two connections, both ways. Must not know what they carry, nor the peers."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable

CHUNK = 64 << 10
LOOK_SECONDS = 1  # between two looks at the limits, which may change meanwhile

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
        self._asked, self._heard = -math.inf, self._clock()  # when the browser and the site sent their last bytes
        self.site_answered = False

    async def run(self, idle: float, first_byte: Callable[[], float]) -> None:
        """Copy until either side ends.

        Raises TimeoutError when the site has been silent for `first_byte` seconds since the browser's last bytes. If it
        has sent some since, it must have been silent for `idle` seconds as well: these bytes may be an answer, or no
        more than the end of a TLS handshake.
        """
        tasks = [asyncio.create_task(self._send()), asyncio.create_task(self._receive())]
        try:
            while not any(task.done() for task in tasks):
                left = self._end(idle, first_byte()) - self._clock()
                if left <= 0:
                    raise TimeoutError
                await asyncio.wait(tasks, timeout=min(left, LOOK_SECONDS), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _end(self, idle: float, first_byte: float) -> float:
        answer_due = self._asked + first_byte
        return max(answer_due, self._heard + idle) if self._heard >= self._asked else answer_due

    # Noting the time is cheaper than setting a timer, and this runs for every chunk.

    async def _send(self) -> None:
        while chunk := await self._browser[0].read(CHUNK):
            self._asked = self._clock()
            if not await self._pass_on(chunk, self._site[1]):
                return

    async def _receive(self) -> None:
        while chunk := await self._site[0].read(CHUNK):
            self._heard, self.site_answered = self._clock(), True
            if not await self._pass_on(chunk, self._browser[1]):
                return

    async def _pass_on(self, chunk: bytes, writer: asyncio.StreamWriter) -> bool:
        if not self._may_pass(len(chunk)):
            return False
        writer.write(chunk)
        await writer.drain()
        return True
