"""Keeps one browser warm: replaces it when it has died, is worn out or grows too big. Knows nothing of pages."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

import structlog

from engine.browser.browser import Browser, Isolation, LaunchFailed
from engine.browser.process import Member, sweep
from engine.config import EngineSettings

WATCH_SECONDS = 0.2  # a memory bomb grows by 1 GB a second
BACKOFF_SECONDS = 1
NAMESPACES = {"auto": (True, False), "namespace": (True,), "flags": (False,)}

log = structlog.get_logger()


class Supervisor:
    """The browser that is warm, and old ones that finish what they have under way."""

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._current: Browser | None = None
        self._browsers: set[Browser] = set()
        self._lock = asyncio.Lock()
        self._watcher: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()  # asyncio itself keeps only weak references
        self._launches = 0
        self.walls = Isolation(namespace=True, sandbox=True)
        self.captures = 0

    @property
    def version(self) -> str | None:
        return self._current.version if self._current and self._current.alive else None

    @property
    def restarts(self) -> int:
        return max(0, self._launches - 1)

    async def start(self) -> None:
        """Launch the first browser; it alone decides what walls there can be. Raises LaunchFailed."""
        sweep()
        await self._find_walls()
        self._watcher = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """End every browser, under way or not."""
        if self._watcher:
            self._watcher.cancel()
            await asyncio.wait([self._watcher])
        ending = [browser.end() for browser in self._browsers]
        self._browsers.clear()
        await asyncio.gather(*ending, *self._tasks)

    @asynccontextmanager
    async def lease(self) -> AsyncIterator[Browser]:
        """Use the warm browser for one capture. Raises LaunchFailed when there is none and none can be started."""
        browser = await self._ready()
        browser.captures += 1
        browser.in_flight += 1
        self.captures += 1
        try:
            yield browser
        finally:
            browser.in_flight -= 1
            self._end_if_done(browser)

    async def _ready(self) -> Browser:
        async with self._lock:
            browser = self._current
            if browser is None or not browser.alive or browser.captures >= self._settings.engine_max_captures:
                browser = await self._replace()
            return browser

    async def _find_walls(self) -> None:
        """Launch with as many walls as this machine allows: rather without a namespace than without a sandbox."""
        namespaces = NAMESPACES[self._settings.engine_isolation]
        wanted = [Isolation(namespace, sandbox) for sandbox in (True, False) for namespace in namespaces]
        for self.walls in wanted:
            try:
                await self._replace()
                break
            except LaunchFailed as err:
                if not err.for_want_of_walls or self.walls == wanted[-1]:
                    raise
        if not self.walls.sandbox:
            log.warning("the sandbox cannot be used here: Chromium runs without it")
        if not self.walls.namespace and True in namespaces:
            log.warning("no network namespace can be had here: Chromium is kept in by its flags alone")

    async def _replace(self) -> Browser:
        if self._current:
            self._retire(self._current)
        try:
            browser = await Browser.launch(self._settings, self.walls)
        except LaunchFailed as err:
            log.warning("the browser cannot be started", **asdict(self.walls), said=err.words[-500:])
            raise
        self._launches += 1
        self._current = browser
        self._browsers.add(browser)
        log.info("browser started", pid=browser.group.pid, version=browser.version, **asdict(self.walls))
        return browser

    def _retire(self, browser: Browser) -> None:
        if browser is self._current:
            self._current = None
        browser.retired = True
        self._end_if_done(browser)

    def _end_if_done(self, browser: Browser) -> None:
        if browser.retired and browser in self._browsers and (browser.in_flight == 0 or not browser.alive):
            self._browsers.discard(browser)
            self._spawn(browser.end())

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                await self._look_after()
            except Exception as err:  # noqa: BLE001 - one look that fails must not be the last
                told = {"message": "looking after the browser failed", "exception": err}
                asyncio.get_running_loop().call_exception_handler(told)

    async def _look_after(self) -> None:
        """Relaunch what died, kill what grows too big."""
        for browser in tuple(self._browsers):
            if browser.in_flight and browser.alive:
                self._weigh(browser, await asyncio.to_thread(browser.group.members))
        if self._current is None or not self._current.alive:
            await self._relaunch()

    async def _relaunch(self) -> None:
        try:
            await self._ready()
        except LaunchFailed:
            await asyncio.sleep(BACKOFF_SECONDS)

    def _weigh(self, browser: Browser, members: list[Member]) -> None:
        renderer_limit = self._settings.engine_renderer_limit << 20
        for member in members:
            if member.memory > renderer_limit and member.is_renderer:
                log.warning("a renderer is above its memory limit: killing it", mib=member.memory >> 20)
                member.kill()
        limit = self._settings.engine_memory_limit << 20
        total = sum(member.memory for member in members)
        if total > limit + renderer_limit:  # too fast for the gentle way
            log.warning("the browser is far above its memory limit: killing it", mib=total >> 20)
            browser.kill()
        elif total > limit and not browser.retired:
            log.warning("the browser is above its memory limit: replacing it", mib=total >> 20)
            self._retire(browser)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
