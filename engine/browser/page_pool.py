"""Keeps a blank page open in advance, so that a capture does not wait for one. Knows no protocol."""

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from engine.browser.identity import BrowserIdentity
from engine.devtools.connection import ProtocolError, Session
from engine.errors import BrowserCrashed, EngineError

SPARE_PAGES = 1  # each is an idle renderer of 22 MB


@dataclass(frozen=True, slots=True)
class BlankPage:
    """An empty page in a browser context of its own. `frame` is the id of its main frame.

    The page's network traffic arrives at `listener`, and names the browser's `identity`. The capture calls `open_spare` when the browser has time for it.
    The page draws only the frames that the capture asks for, each in its `frame_turn`, or by itself if that is None.
    """

    session: Session
    frame: str
    listener: socket.socket
    open_spare: Callable[[], None]
    identity: BrowserIdentity
    frame_turn: asyncio.Lock | None = None


OpenPage = Callable[[], AbstractAsyncContextManager[BlankPage]]


class PagePool:
    """Hands each page to one capture alone, and closes it afterwards."""

    def __init__(self, open_page: OpenPage) -> None:
        self._open_page = open_page
        self._spare: deque[PooledPage] = deque()
        self._tasks: set[asyncio.Task[None]] = set()  # asyncio itself keeps only weak references
        self.in_use = 0  # pages given to captures and not yet closed

    def open_spare(self) -> None:
        while len(self._spare) < SPARE_PAGES:
            self._spare.append(self._open())

    @asynccontextmanager
    async def use(self, open_page: OpenPage | None = None) -> AsyncIterator[BlankPage]:
        """Use a page, opened in advance or by `open_page`. A successful capture does not wait until it is closed.

        Raises the reason it could not be opened.
        """
        pooled, page = await (self._wait_for(self._open(open_page)) if open_page else self._next())
        self.in_use += 1
        pooled.task.add_done_callback(self._count_closed)
        try:
            yield page
        except BaseException:  # The page or its whole browser may be at fault: the next capture must not share it.
            pooled.close()
            await asyncio.wait([pooled.task])
            raise
        else:
            pooled.close()

    async def cancel(self) -> None:
        """Cancel every page. Call this when the browser has ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _next(self) -> tuple["PooledPage", BlankPage]:
        while self._spare:
            with contextlib.suppress(EngineError, ProtocolError):  # it broke while it was idle
                return await self._wait_for(self._spare.popleft())
        return await self._wait_for(self._open())

    async def _wait_for(self, pooled: "PooledPage") -> tuple["PooledPage", BlankPage]:
        try:
            return pooled, await pooled.page()
        except asyncio.CancelledError:
            self._spare.appendleft(pooled)  # the next capture can use it
            raise
        except BaseException:
            pooled.close()
            raise

    def _count_closed(self, _task: asyncio.Task[None]) -> None:
        self.in_use -= 1

    def _open(self, open_page: OpenPage | None = None) -> "PooledPage":
        pooled = PooledPage(open_page or self._open_page)
        self._tasks.add(pooled.task)
        pooled.task.add_done_callback(self._tasks.discard)
        return pooled


class PooledPage:
    """One page from opening to closing, in a task of its own: a waiting capture may be cancelled at any time."""

    def __init__(self, open_page: OpenPage) -> None:
        self._open_page = open_page
        self._page: asyncio.Future[BlankPage] = asyncio.get_running_loop().create_future()
        self._closing = asyncio.Event()
        self.task = asyncio.create_task(self._run())

    async def page(self) -> BlankPage:
        """Wait until the page is open. Raises the reason it could not be opened, or why it has failed since."""
        page = await asyncio.shield(self._page)
        page.session.raise_if_failed()
        return page

    def close(self) -> None:
        self._closing.set()

    async def _run(self) -> None:
        try:
            async with self._open_page() as page:
                self._page.set_result(page)
                await self._closing.wait()
        except (EngineError, ProtocolError) as err:
            self._fail(err)
        finally:
            self._fail(BrowserCrashed())

    def _fail(self, err: Exception) -> None:
        if not self._page.done():
            self._page.set_exception(err)
            self._page.exception()  # marks it as retrieved: the capture that waited may be cancelled
