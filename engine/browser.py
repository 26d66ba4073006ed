"""One Chromium, from launch to kill: hands out fresh pages and leaves nothing of them behind."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import structlog

from engine.config import Settings
from engine.devtools import Connection, ProtocolError, Session
from engine.errors import BrowserGone, PageFailed, Unavailable
from engine.listeners import Listeners
from engine.process import EGRESS_FLAGS, FLAGS, ProcessGroup

LAUNCH_SECONDS = 20
DISPOSE_SECONDS = 1  # a page in an endless loop is disposed of in 10 ms: a browser that needs longer is stuck

log = structlog.get_logger()


class LaunchFailed(Unavailable):
    """`words` is the end of what the browser said on stderr, for the log."""

    def __init__(self, words: str) -> None:
        super().__init__("the browser cannot be started")
        self.words = words

    @property
    def for_want_of_walls(self) -> bool:
        """Whether less of `Walls` may help."""
        return "sandbox" in self.words.lower() or "namespace" in self.words


@dataclass(frozen=True, slots=True)
class Walls:
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
        self._killed = False
        self._connection = connection
        self._root = connection.root
        self._pages: dict[str, str | None] = {}  # browser context → the one page that belongs in it

    @classmethod
    async def launch(cls, settings: Settings, walls: Walls, flags: Sequence[str] = (*FLAGS, *EGRESS_FLAGS)) -> Self:
        """Start a Chromium and shake hands. Raises LaunchFailed."""
        command = [str(settings.engine_chromium), *flags, *([] if walls.sandbox else ["--no-sandbox"])]
        user = settings.engine_browser_user if os.geteuid() == 0 else None
        try:
            group = ProcessGroup(command, user, settings.engine_concurrency if walls.namespace else 0)
        except OSError as err:
            raise LaunchFailed(str(err)) from err
        connection = await Connection.open(group.read_fd, group.write_fd)
        listeners = Listeners()
        try:
            async with asyncio.timeout(LAUNCH_SECONDS):
                listeners = Listeners(await group.listeners())
                version = await connection.root.call("Browser.getVersion")
                browser = cls(group, connection, version["product"], listeners)
                await browser._watch_targets()
        except (BrowserGone, OSError) as err:
            words = group.last_words()
            await _end(group, connection, listeners)
            raise LaunchFailed(words) from err
        except asyncio.CancelledError:
            await _end(group, connection, listeners)
            raise
        return browser

    @property
    def alive(self) -> bool:
        return not self._killed and not self._connection.closed.done()

    def enter(self) -> None:
        """One capture more."""
        self.captures += 1
        self.in_flight += 1

    def leave(self) -> None:
        """One capture less; of a dead browser it stays known how many were under way when it died."""
        if self.alive:
            self.in_flight -= 1

    @asynccontextmanager
    async def page(self, proxy: str) -> AsyncIterator[Session]:
        """Open a page in a context of its own with the `proxy` of that URL, and leave nothing of it behind."""
        context = await self._make_context(proxy)
        self._pages[context] = None
        session_id = None
        try:
            session_id = await self._open_page(context)
            yield self._connection.session(session_id)
        finally:
            if session_id:
                self._connection.forget(session_id)
            await self._dispose(context)

    async def _make_context(self, proxy: str) -> str:
        making = asyncio.ensure_future(
            self._root.call("Target.createBrowserContext", disposeOnDetach=True, **self._network(proxy))
        )
        try:
            return str((await asyncio.shield(making))["browserContextId"])
        except asyncio.CancelledError:
            making.add_done_callback(self._dispose_late)  # the browser makes it all the same
            raise

    def _dispose_late(self, made: "asyncio.Future[dict[str, Any]]") -> None:
        if not made.cancelled() and made.exception() is None:
            self._root.send("Target.disposeBrowserContext", browserContextId=made.result()["browserContextId"])

    def kill(self) -> None:
        """Kill the process group: every capture on it is told within milliseconds."""
        self._killed = True
        self.group.kill()

    async def end(self) -> None:
        await _end(self.group, self._connection, self.listeners)

    def _network(self, proxy: str) -> dict[str, str]:
        return {"proxyServer": proxy, "proxyBypassList": "<-loopback>"}

    async def _watch_targets(self) -> None:
        self._root.on("Target.targetCreated", self._target_created)
        self._root.on("Target.detachedFromTarget", self._detached)
        await self._root.call("Target.setDiscoverTargets", discover=True, filter=[{"type": "page"}])

    async def _open_page(self, context: str) -> str:
        self._root.send("Browser.setDownloadBehavior", behavior="deny", browserContextId=context)
        target = await self._root.call("Target.createTarget", url="about:blank", browserContextId=context)
        attached = await self._root.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        return str(attached["sessionId"])

    def _target_created(self, event: dict[str, Any]) -> None:
        """Close whatever a page opens: the first page of a context is ours, every later one a pop-up."""
        info = event["targetInfo"]
        context = info.get("browserContextId")
        if context not in self._pages:
            return
        if self._pages[context] is None:
            self._pages[context] = info["targetId"]
        else:
            self._root.send("Target.closeTarget", targetId=info["targetId"])

    def _detached(self, event: dict[str, Any]) -> None:
        if session := self._connection.forget(event["sessionId"]):
            session.fail(PageFailed("the page closed itself"))

    async def _dispose(self, context: str) -> None:
        self._pages.pop(context, None)
        try:
            async with asyncio.timeout(DISPOSE_SECONDS):
                await self._root.call("Target.disposeBrowserContext", browserContextId=context)
        except BrowserGone:
            pass
        except (TimeoutError, ProtocolError):
            log.warning("a page could not be closed: killing the browser", pid=self.group.pid)
            self.kill()


async def _end(group: ProcessGroup, connection: Connection, listeners: Listeners) -> None:
    listeners.close()
    await group.end()
    await connection.close()
