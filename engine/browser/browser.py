"""One Chromium, from launch to kill: hands out fresh pages and leaves nothing of them behind."""

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import structlog

from engine.browser.launcher import LISTENERS_AT_ONCE
from engine.browser.page_pool import AHEAD, BlankPage, PagePool
from engine.browser.process import EGRESS_FLAGS, FLAGS, ProcessGroup
from engine.config import EngineSettings
from engine.devtools.connection import Connection, ProtocolError, Session
from engine.egress.listeners import Listeners
from engine.errors import BrowserCrashed, PageFailed, Unavailable

LAUNCH_SECONDS = 20
OPEN_SECONDS = 10  # for a thing of 50 ms
DISPOSE_SECONDS = 1  # a page in an endless loop is disposed of in 10 ms: a browser that needs longer is stuck

CRASHED = "the page crashed or used too much memory"

T = TypeVar("T")

log = structlog.get_logger()

# In its network namespace Chromium sees no network but loopback, and pages would say that they are offline.
_ONLINE = (
    "Object.defineProperty(Navigator.prototype, 'onLine', {configurable: true, enumerable: true, get: () => true})"
)


class LaunchFailed(Unavailable):
    """`words` is the end of what the browser said on stderr, for the log."""

    def __init__(self, words: str) -> None:
        super().__init__("the browser cannot be started")
        self.words = words

    @property
    def for_want_of_walls(self) -> bool:
        """Whether less of `Isolation` may help."""
        return "sandbox" in self.words.lower() or "namespace" in self.words


@dataclass(frozen=True, slots=True)
class Isolation:
    """What is between a browser and the rest of the machine besides its flags."""

    namespace: bool
    sandbox: bool


class Browser:
    def __init__(self, group: ProcessGroup, connection: Connection, version: str, listeners: Listeners) -> None:
        self.group = group
        self.listeners = listeners
        self.version = version
        self.captures = 0
        self.in_flight = 0
        self.retired = False
        self._company: int | None = None
        self._connection = connection
        self._root = connection.root
        self._contexts: dict[str, str | None] = {}  # browser context → the one page that belongs in it
        self._pages = PagePool(self._open_page)
        connection.closed.add_done_callback(lambda _: self._lose())

    @classmethod
    async def launch(
        cls, settings: EngineSettings, walls: Isolation, flags: Sequence[str] = (*FLAGS, *EGRESS_FLAGS)
    ) -> Self:
        """Start a Chromium and shake hands. Raises LaunchFailed."""
        command = [str(settings.engine_chromium), *flags, *([] if walls.sandbox else ["--no-sandbox"])]
        user = settings.engine_browser_user if os.geteuid() == 0 else None
        # For a page of each capture, one of its predecessor that is being closed, and those made ahead.
        wanted = min(2 * settings.engine_concurrency + AHEAD, LISTENERS_AT_ONCE) if walls.namespace else 0
        try:
            group = ProcessGroup(command, user, wanted)
        except (OSError, KeyError) as err:
            raise LaunchFailed(str(err)) from err
        connection, listeners = None, Listeners()
        try:
            async with asyncio.timeout(LAUNCH_SECONDS):
                connection = await Connection.open(group.read_fd, group.write_fd)
                listeners = Listeners(await group.listeners())
                version = await connection.root.call("Browser.getVersion")
                browser = cls(group, connection, version["product"], listeners)
                await browser._watch_targets()
                browser._pages.make_ahead()
        except (BrowserCrashed, ProtocolError, KeyError, OSError) as err:
            words = group.last_words()
            await _end(group, connection, listeners)
            raise LaunchFailed(words) from err
        except BaseException:
            await _end(group, connection, listeners)
            raise
        return browser

    @property
    def alive(self) -> bool:
        return self._company is None and not self._connection.closed.done()

    @property
    def company(self) -> int:
        """How many pages of captures were open, or not quite gone yet, when it died."""
        return max(1, self._pages.in_use if self._company is None else self._company)

    def page(self) -> AbstractAsyncContextManager[BlankPage]:
        """Use a page in a context of its own; nothing of it is left behind. Raises Unavailable and ProtocolError."""
        return self._pages.take()

    def kill(self) -> None:
        """Kill the process group: every capture on it is told within milliseconds."""
        self._lose()
        self.group.kill()

    async def end(self) -> None:
        await _end(self.group, self._connection, self.listeners)
        await self._pages.close()

    def _lose(self) -> None:
        if self._company is None:
            self._company = self._pages.in_use

    def _network(self, proxy: str) -> dict[str, str]:
        return {"proxyServer": proxy, "proxyBypassList": "<-loopback>"}

    async def _watch_targets(self) -> None:
        self._root.on("Target.targetCreated", self._target_created)
        self._root.on("Target.detachedFromTarget", self._detached)
        await self._root.call("Target.setDiscoverTargets", discover=True, filter=[{"type": "page"}])

    @asynccontextmanager
    async def _open_page(self) -> AsyncIterator[BlankPage]:
        with self.listeners.take() as listener:
            proxy = "socks5://{}:{}".format(*listener.getsockname())
            context = await self._in_time(self._make_context(proxy))
            session = None
            try:
                session, frame = await self._in_time(self._make_page(context))
                yield BlankPage(session, frame, listener, self._pages.make_ahead)
            finally:
                if session:
                    self._connection.forget(session.id)
                await self._dispose(context)

    async def _in_time(self, opening: Coroutine[Any, Any, T]) -> T:
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                return await opening
        except TimeoutError:
            log.warning("a page could not be opened: killing the browser", pid=self.group.pid)
            self.kill()
            raise BrowserCrashed from None

    async def _make_context(self, proxy: str) -> str:
        made = await self._root.call("Target.createBrowserContext", disposeOnDetach=True, **self._network(proxy))
        context = str(made["browserContextId"])
        self._contexts[context] = None
        return context

    async def _make_page(self, context: str) -> tuple[Session, str]:
        """Open a page and set up what every capture needs, in as few round trips as can be."""
        self._root.send("Browser.setDownloadBehavior", behavior="deny", browserContextId=context)
        target = await self._root.call("Target.createTarget", url="about:blank", browserContextId=context)
        attached = await self._root.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        session = self._connection.session(str(attached["sessionId"]))
        session.on("Inspector.targetCrashed", lambda _: session.fail(PageFailed(CRASHED)))
        answers = await asyncio.gather(
            session.send("Page.enable"),
            session.send("Inspector.enable"),
            session.send("Page.addScriptToEvaluateOnNewDocument", source=_ONLINE),
            session.send("Page.setLifecycleEventsEnabled", enabled=True),
            session.send("Page.getFrameTree"),
        )
        return session, str(answers[-1]["frameTree"]["frame"]["id"])

    def _target_created(self, event: dict[str, Any]) -> None:
        """Close whatever a page opens: the first page of a context is ours, every later one a pop-up."""
        info = event["targetInfo"]
        context = info.get("browserContextId")
        if context not in self._contexts:
            return
        if self._contexts[context] is None:
            self._contexts[context] = info["targetId"]
        else:
            self._root.send("Target.closeTarget", targetId=info["targetId"])

    def _detached(self, event: dict[str, Any]) -> None:
        if session := self._connection.forget(event["sessionId"]):
            session.fail(PageFailed("the page closed itself"))

    async def _dispose(self, context: str) -> None:
        self._contexts.pop(context, None)
        try:
            async with asyncio.timeout(DISPOSE_SECONDS):
                await self._root.call("Target.disposeBrowserContext", browserContextId=context)
        except BrowserCrashed:
            pass
        except (TimeoutError, ProtocolError):
            log.warning("a page could not be closed: killing the browser", pid=self.group.pid)
            self.kill()


async def _end(group: ProcessGroup, connection: Connection | None, listeners: Listeners) -> None:
    listeners.close()
    try:
        await group.end()
    finally:
        if connection:
            await connection.close()
