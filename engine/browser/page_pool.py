"""Blank pages, made ahead: while one is captured the next one opens. Knows no protocol."""

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from engine.devtools.connection import ProtocolError, Session
from engine.errors import BrowserCrashed, EngineError

AHEAD = 1  # each is a renderer of 22 MB that waits


@dataclass(frozen=True, slots=True)
class BlankPage:
    """A page that shows nothing yet, in a browser context of its own; `frame` is its main frame's id.

    Whatever it asks of the network arrives at `listener`. `make_next` is to be called when the browser has time for it.
    """

    session: Session
    frame: str
    listener: socket.socket
    make_next: Callable[[], None]


OpenPage = Callable[[], AbstractAsyncContextManager[BlankPage]]


class PagePool:
    """Gives every page to one capture alone, and ends it after that."""

    def __init__(self, open_page: OpenPage) -> None:
        self._open_page = open_page
        self._ahead: deque[PooledPage] = deque()
        self._tasks: set[asyncio.Task[None]] = set()  # asyncio itself keeps only weak references
        self.in_use = 0  # those that a capture was given, until they are gone

    def make_ahead(self) -> None:
        while len(self._ahead) < AHEAD:
            self._ahead.append(self._begin())

    @asynccontextmanager
    async def take(self) -> AsyncIterator[BlankPage]:
        """Use a page. A capture that succeeded need not wait until it is gone. Raises what keeps it from opening."""
        life, page = await self._next()
        self.in_use += 1
        life.task.add_done_callback(self._gone)
        try:
            yield page
        except BaseException:  # The page, or its whole browser, may be at fault: the next one shall not meet it.
            await life.ended()
            raise
        else:
            life.end()

    async def close(self) -> None:
        """Give up every page, to be called when the browser is gone."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _next(self) -> tuple["PooledPage", BlankPage]:
        while self._ahead:
            with contextlib.suppress(EngineError, ProtocolError):  # it broke while it waited
                return await self._wait_for(self._ahead.popleft())
        return await self._wait_for(self._begin())

    async def _wait_for(self, life: "PooledPage") -> tuple["PooledPage", BlankPage]:
        try:
            return life, await life.page()
        except asyncio.CancelledError:
            self._ahead.appendleft(life)  # as good for the next
            raise
        except BaseException:
            life.end()
            raise

    def _gone(self, _task: asyncio.Task[None]) -> None:
        self.in_use -= 1

    def _begin(self) -> "PooledPage":
        life = PooledPage(self._open_page)
        self._tasks.add(life.task)
        life.task.add_done_callback(self._tasks.discard)
        return life


class PooledPage:
    """One page from opening to leaving, as a task of its own: whoever waits for it may give up at any time."""

    def __init__(self, open_page: OpenPage) -> None:
        self._open_page = open_page
        self._page: asyncio.Future[BlankPage] = asyncio.get_running_loop().create_future()
        self._over = asyncio.Event()
        self.task = asyncio.create_task(self._live())

    async def page(self) -> BlankPage:
        """Wait until it is open. Raises what kept it from that, or broke it since."""
        page = await asyncio.shield(self._page)
        page.session.check()
        return page

    def end(self) -> None:
        self._over.set()

    async def ended(self) -> None:
        self.end()
        await asyncio.wait([self.task])

    async def _live(self) -> None:
        try:
            async with self._open_page() as page:
                self._page.set_result(page)
                await self._over.wait()
        except (EngineError, ProtocolError) as err:
            self._fail(err)
        finally:
            self._fail(BrowserCrashed())

    def _fail(self, err: Exception) -> None:
        if not self._page.done():
            self._page.set_exception(err)
            self._page.exception()  # perhaps nobody asks any more
