"""Bounds what answers take of a process' memory while clients read them: those that hold most of it are cut off.

A client has CLIENT_TIMEOUT to read an answer, and a process serves hundreds of connections. So a few slow clients could
hold gigabytes. A reverse proxy that buffers, such as nginx, is never slow.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

MOST_HELD = 64 << 20  # bytes
_LOG_SECONDS = 10.0
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, eq=False)
class _Reading:
    client: str
    body: bytes
    cut_off: Callable[[], None]


class SlowReaders:
    """The answers that wait to be read, the oldest first. For greenlets of one thread, which do not switch in here."""

    def __init__(self, most: int = MOST_HELD) -> None:
        self._most = most
        self._held = 0
        self._readings: dict[_Reading, None] = {}
        self._readers: Counter[int] = Counter()  # of each body, by its id
        self._quiet_until = 0.0

    @contextmanager
    def hold(self, client: str, body: bytes, cut_off: Callable[[], None]) -> Iterator[None]:
        """Hold `body` while the block sends it to `client`. Several that send the same object hold it once.

        `cut_off` is called if it takes too much: it ends the block.
        """
        reading = _Reading(client, body, cut_off)
        self._readings[reading] = None
        self._readers[id(body)] += 1
        if self._readers[id(body)] == 1:
            self._held += len(body)
        try:
            while self._held > self._most:
                self._cut_off()
            yield
        finally:
            self._release(reading)

    def _release(self, reading: _Reading) -> None:
        """Forget a reading, unless it was cut off."""
        if reading not in self._readings:
            return
        del self._readings[reading]
        body = id(reading.body)
        self._readers[body] -= 1
        if not self._readers[body]:
            del self._readers[body]
            self._held -= len(reading.body)

    def _cut_off(self) -> None:
        """Cut off the oldest reading of the client that holds most."""
        by_client: Counter[str] = Counter()
        for each in self._readings:
            by_client[each.client] += len(each.body) // self._readers[id(each.body)]  # its share of what several read
        ((greediest, held),) = by_client.most_common(1)
        victim = next(each for each in self._readings if each.client == greediest)
        self._release(victim)
        victim.cut_off()
        if time.monotonic() >= self._quiet_until:
            self._quiet_until = time.monotonic() + _LOG_SECONDS
            _log.warning("reader_cut_off", held=held, readers=len(self._readings) + 1)
