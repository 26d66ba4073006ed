"""Runs one Chromium from launch to exit: opens a fresh page for each capture and disposes of it completely."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Self, TypeVar

import structlog

from engine.browser import identity
from engine.browser.identity import BrowserIdentity
from engine.browser.launcher import MAX_LISTENERS
from engine.browser.page_pool import SPARE_PAGES, BlankPage, PagePool
from engine.browser.process import EGRESS_FLAGS, FLAGS, FRAME_FLAGS, ProcessGroup
from engine.config import EngineSettings
from engine.devtools.connection import Connection, ProtocolError, Session
from engine.egress.listeners import Listeners
from engine.errors import BrowserCrashed, PageCrashed, PageFailed, Unavailable
from options.devices import OWN

LAUNCH_SECONDS = 20
OPEN_SECONDS = 10  # opening a page takes 50 ms
DISPOSE_SECONDS = 1  # even a page in an endless loop is disposed of in 10 ms: a slower browser hangs

T = TypeVar("T")

log = structlog.get_logger()

# In its network namespace Chromium has only a loopback interface, so it would tell pages that they are offline. And a new
# document learns the size of the window around it only after its first scripts: they would see one of 0 × 0.
_AS_USUAL = """
Object.defineProperty(Navigator.prototype, 'onLine', {configurable: true, enumerable: true, get: () => true});
for (const side of ['Width', 'Height']) {
  const {get, set} = Object.getOwnPropertyDescriptor(window, 'outer' + side);
  const outer = {get() { return Math.max(get.call(this), window['inner' + side]) }};
  Object.defineProperty(window, 'outer' + side, {configurable: true, enumerable: true, get: outer.get, set});
}"""


class LaunchFailed(Unavailable):
    """Chromium did not start. `stderr` is the end of its output, for the log."""

    def __init__(self, stderr: str) -> None:
        super().__init__("the browser cannot be started: the engine's log has the reason")
        self.stderr = stderr

    @property
    def is_isolation_failure(self) -> bool:
        """Return whether a launch with less `Isolation` may succeed."""
        return "sandbox" in self.stderr.lower() or "namespace" in self.stderr


@dataclass(frozen=True, slots=True)
class Isolation:
    """What separates a browser from the rest of the machine, apart from its flags."""

    namespace: bool
    sandbox: bool


class Browser:
    def __init__(
        self, group: ProcessGroup, connection: Connection, version: str, suffix: str, listeners: Listeners
    ) -> None:
        self.group = group
        self.listeners = listeners
        self.version = version
        self._identity = BrowserIdentity(version.rpartition("/")[2], suffix)
        self.captures = 0
        self.in_flight = 0
        self.retired = False
        self._pages_at_crash: int | None = None
        self._connection = connection
        self._root = connection.root
        self._contexts: dict[str, str | None] = {}  # browser context → its one page
        self._pages = PagePool(self._open_page)
        self._frame_turn = asyncio.Lock()
        self.controls_frames = True
        connection.closed.add_done_callback(lambda _: self._record_end())

    @classmethod
    async def launch(
        cls,
        settings: EngineSettings,
        isolation: Isolation,
        flags: Sequence[str] = (*FLAGS, *FRAME_FLAGS, *EGRESS_FLAGS, *identity.flags()),
    ) -> Self:
        """Start a Chromium and wait for its first answer. Raises LaunchFailed."""
        command = [str(settings.engine_chromium), *flags, *([] if isolation.sandbox else ["--no-sandbox"])]
        user = settings.engine_browser_user if os.geteuid() == 0 else None
        # For each capture's page, for the page before it that may still be closing, and for the spare pages.
        wanted = min(2 * settings.engine_concurrency + SPARE_PAGES, MAX_LISTENERS) if isolation.namespace else 0
        try:
            suffix = settings.engine_user_agent_suffix
            group = ProcessGroup(command, user, wanted, f"{OWN.agent} {suffix}".rstrip())
        except (OSError, KeyError) as err:
            raise LaunchFailed(str(err)) from err
        connection, listeners = None, Listeners()
        try:
            async with asyncio.timeout(LAUNCH_SECONDS):
                connection = await Connection.open(group.read_fd, group.write_fd)
                listeners = Listeners(await group.listeners())
                version = await connection.root.call("Browser.getVersion")
                browser = cls(group, connection, version["product"], suffix, listeners)
                await browser._watch_targets()
                browser._pages.open_spare()
        except (BrowserCrashed, ProtocolError, KeyError, OSError) as err:
            stderr = group.stderr_tail()
            await _close(group, connection, listeners)
            raise LaunchFailed(stderr) from err
        except BaseException:
            await _close(group, connection, listeners)
            raise
        return browser

    @property
    def alive(self) -> bool:
        return self._pages_at_crash is None and not self._connection.closed.done()

    @property
    def open_pages(self) -> int:
        """Captures' pages that are open or still closing; after a crash, those of that moment. At least 1."""
        return max(1, self._pages.in_use if self._pages_at_crash is None else self._pages_at_crash)

    def page(self, *, draws_by_itself: bool = False) -> AbstractAsyncContextManager[BlankPage]:
        """Use a page in a context of its own, which is disposed of afterwards. Raises Unavailable and ProtocolError.

        The capture asks for the frames of the page, unless the page draws by itself.
        """
        return self._pages.use(partial(self._open_page, draws_by_itself=True) if draws_by_itself else None)

    def kill(self) -> None:
        """Kill the process group. Every capture in this browser fails within milliseconds."""
        self._record_end()
        self.group.kill()

    async def close(self) -> None:
        await _close(self.group, self._connection, self.listeners)
        await self._pages.cancel()

    def _record_end(self) -> None:
        if self._pages_at_crash is None:
            self._pages_at_crash = self._pages.in_use

    def _proxy_options(self, proxy: str) -> dict[str, str]:
        return {"proxyServer": proxy, "proxyBypassList": "<-loopback>"}

    async def _watch_targets(self) -> None:
        self._root.on("Target.targetCreated", self._target_created)
        self._root.on("Target.detachedFromTarget", self._detached)
        await self._root.call("Target.setDiscoverTargets", discover=True, filter=[{"type": "page"}])

    @asynccontextmanager
    async def _open_page(self, *, draws_by_itself: bool = False) -> AsyncIterator[BlankPage]:
        with self.listeners.listen() as listener:
            proxy = "socks5://{}:{}".format(*listener.getsockname())
            context = await self._or_kill(self._make_context(proxy))
            session = None
            try:
                session, frame = await self._or_kill(self._make_page(context, draws_by_itself=draws_by_itself))
                turn = None if draws_by_itself or not self.controls_frames else self._frame_turn
                yield BlankPage(session, frame, listener, self._pages.open_spare, self._identity, turn)
            finally:
                if session:
                    self._connection.forget(session.id)
                await self._dispose(context)

    async def _or_kill(self, opening: Coroutine[Any, Any, T]) -> T:
        """Open a page, or a part of one. Kill the browser if that takes too long."""
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                return await opening
        except TimeoutError:
            log.warning("a page could not be opened: killing the browser", pid=self.group.pid)
            self.kill()
            raise BrowserCrashed from None

    async def _make_context(self, proxy: str) -> str:
        made = await self._root.call("Target.createBrowserContext", disposeOnDetach=True, **self._proxy_options(proxy))
        context = str(made["browserContextId"])
        self._contexts[context] = None
        return context

    async def _make_page(self, context: str, *, draws_by_itself: bool) -> tuple[Session, str]:
        """Open a page and set it up as every capture needs it, in as few round trips as possible."""
        self._root.send("Browser.setDownloadBehavior", behavior="deny", browserContextId=context)
        # Headless Chromium refuses notifications without being asked, but says that it would ask.
        self._root.send(
            "Browser.setPermission", permission={"name": "notifications"}, setting="denied", browserContextId=context
        )
        controlled = self.controls_frames and not draws_by_itself
        target = await self._create_target(context, controlled=controlled)
        attached = await self._root.call("Target.attachToTarget", targetId=target, flatten=True)
        session = self._connection.session(str(attached["sessionId"]))
        session.on("Inspector.targetCrashed", lambda _: session.fail(PageCrashed()))
        frames = session.send("HeadlessExperimental.enable") if controlled else None
        answers = await asyncio.gather(
            session.send("Page.enable"),
            session.send("Inspector.enable"),
            session.send("Page.addScriptToEvaluateOnNewDocument", source=_AS_USUAL),
            session.send("Page.setLifecycleEventsEnabled", enabled=True),
            # Chromium moves the mouse of each new window to (0, 0), over a menu perhaps.
            session.send("Input.setIgnoreInputEvents", ignore=True),
            session.send("Page.getFrameTree"),
        )
        if frames:
            await self._require_frame_control(frames)
        return session, str(answers[-1]["frameTree"]["frame"]["id"])

    async def _create_target(self, context: str, *, controlled: bool) -> str:
        options: dict[str, Any] = {"url": "about:blank", "browserContextId": context}
        if controlled:
            with contextlib.suppress(ProtocolError):
                frames = {"enableBeginFrameControl": True, "width": 1280, "height": 720}
                return str((await self._root.call("Target.createTarget", **options, **frames))["targetId"])
        return str((await self._root.call("Target.createTarget", **options))["targetId"])

    async def _require_frame_control(self, answer: asyncio.Future[dict[str, Any]]) -> None:
        """Only the headless shell has frame control. Without it, every page draws by itself, now and later."""
        try:
            await answer
        except ProtocolError:
            self.controls_frames = False
            log.warning(
                "frames_not_controlled", browser=self.version, help="captures are slower: see docs/capturing.md"
            )

    def _target_created(self, event: dict[str, Any]) -> None:
        """Close pop-ups: every page of a context but the first, which is ours."""
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


async def _close(group: ProcessGroup, connection: Connection | None, listeners: Listeners) -> None:
    listeners.close()
    try:
        await group.close()
    finally:
        if connection:
            await connection.close()
