"""Copies bytes between two connections, both ways. Must not know what they carry, nor the peers."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Awaitable, Callable

CHUNK = 64 << 10
LOOK_SECONDS = 0.25  # between two looks at the limits, which may change meanwhile

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Reader(asyncio.StreamReader):
    """Reads a reset as the end of the stream. asyncio's own reader drops the bytes that arrived before it."""

    def set_exception(self, exc: Exception) -> None:  # noqa: ARG002
        self.feed_eof()


async def open_connection(host: str, port: int) -> Stream:
    """Connect to a site, whose last bytes are not lost even if it resets the connection. Raises OSError."""
    loop = asyncio.get_running_loop()
    reader = _Reader(loop=loop)
    transport, protocol = await loop.create_connection(lambda: asyncio.StreamReaderProtocol(reader), host, port)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


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

    def __init__(
        self,
        browser: Stream,
        site: Stream,
        admit: Callable[[int], Awaitable[None]],
        begin: Callable[[bytes], None] = lambda _: None,
    ) -> None:
        """`admit` is called with the size of each chunk, which passes when the call ends; `begin` with the first one."""
        self._begin = begin
        self._browser = browser
        self._site = site
        self._admit = admit
        self._clock = asyncio.get_running_loop().time
        self._asked, self._heard = -math.inf, self._clock()  # when the browser and the site sent their last bytes
        self.site_answered = False

    @property
    def awaits_answer(self) -> bool:
        """Return whether the site has sent nothing since the browser's last bytes."""
        return self._heard < self._asked

    async def run(
        self,
        idle: float,
        first_byte: Callable[[], float],
        before_end: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Copy until either side ends. The browser learns of the site's end after `before_end`.

        Raises TimeoutError when the site has been silent for `first_byte` seconds since the browser's last bytes. If it
        has sent some since, it must have been silent for `idle` seconds as well: these bytes may be an answer, or no
        more than the end of a TLS handshake.
        """
        tasks = [asyncio.create_task(self._send()), asyncio.create_task(self._receive(before_end))]
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
        return answer_due if self.awaits_answer else max(answer_due, self._heard + idle)

    # Noting the time is cheaper than setting a timer, and this runs for every chunk.

    async def _send(self) -> None:
        while chunk := await self._browser[0].read(CHUNK):
            if self._asked == -math.inf:
                self._begin(chunk)
            await self._admit(len(chunk))
            self._asked = self._clock()
            await _write(self._site[1], chunk)

    async def _receive(self, before_end: Callable[[], Awaitable[None]] | None) -> None:
        while chunk := await self._site[0].read(CHUNK):
            self.site_answered = True
            await self._admit(len(chunk))
            self._heard = self._clock()
            await _write(self._browser[1], chunk)
        if before_end:
            await before_end()


async def _write(writer: asyncio.StreamWriter, chunk: bytes) -> None:
    writer.write(chunk)
    await writer.drain()
