"""The clock of a page, and the one of a page that draws by itself. `frame_clock` has that of a page under control."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

from engine.devtools.connection import ProtocolError, Session

PUMP_SECONDS = 0.1  # between frames while the page loads, and between looks at one that draws by itself


class NoFrame(ProtocolError):
    """The page draws no frame, though it was asked to. Another page, which draws by itself, may show the same."""


class Clock(Protocol):
    """How the time of a page passes, and how its picture is taken."""

    async def advance(self, milliseconds: float, until: float, is_over: Callable[[], bool]) -> None:
        """Let page time pass, at most until `until` on the loop's clock, and only while not `is_over`."""

    @property
    def stalled(self) -> bool:
        """Return whether requests were waited for, for more than a second."""

    async def is_waiting(self) -> bool:
        """Return whether requests are under way."""

    def wait_for_network(self, until: float) -> None:
        """Let requests stop the page's clock, until `until` on the event loop's clock."""

    def require_real_time(self) -> None:
        """Raise NoFrame if page time can differ from real time."""

    def running(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Let page time pass at its real pace during the block."""

    def drawing(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Draw frames during the block, for a call of the browser that waits for some."""

    async def screenshot(self, within: float, options: dict[str, Any]) -> str | memoryview | None:
        """Take the picture of the viewport in device pixels 1:1, base64-encoded; None if this clock cannot."""


class RealClock:
    """The clock of a page that draws by itself, for a browser or a page whose frames cannot be controlled."""

    stalled = False

    def __init__(self, session: Session) -> None:
        self._session = session

    async def is_waiting(self) -> bool:
        return False

    def wait_for_network(self, until: float) -> None:
        pass

    def require_real_time(self) -> None:
        pass

    async def advance(self, milliseconds: float, until: float, is_over: Callable[[], bool]) -> None:
        now = asyncio.get_running_loop().time
        end = min(until, now() + milliseconds / 1000)
        while now() < end and not is_over():
            await self._session.pause(min(PUMP_SECONDS, end - now()))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        yield

    drawing = running

    async def screenshot(self, within: float, options: dict[str, Any]) -> str | memoryview | None:  # noqa: ARG002
        return None
