"""Lets captures in until the engine is to stop, and tells when the last of them has ended."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from engine.errors import Draining


class Drain:
    def __init__(self) -> None:
        self.begun = False
        self._inside = 0
        self._empty = asyncio.Event()
        self._empty.set()

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Hold the engine open for a capture, from its first look-up to its picture. Raises Draining once it is to stop."""
        if self.begun:
            raise Draining
        self._inside += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._empty.set()

    def begin(self) -> None:
        """Let nothing in any more."""
        self.begun = True

    async def finish(self) -> None:
        """Wait until all captures have ended."""
        await self._empty.wait()
