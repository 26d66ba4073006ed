"""Keeps one browser running, and replaces it after a crash, after its last capture, or above its memory limit.

Must not know pages.
"""

import asyncio
import os
import pwd
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

import structlog

from engine.browser.browser import Browser, Isolation, LaunchFailed
from engine.browser.members import Member
from engine.browser.process import remove_stale_directories
from engine.config import EngineSettings
from telemetry import metrics

WATCH_SECONDS = 0.2  # a hostile page allocates 1 GB a second
BACKOFF_SECONDS = 1
NAMESPACES = {"auto": (True, False), "namespace": (True,), "flags": (False,)}

log = structlog.get_logger()


class Supervisor:
    """Holds the current browser, and retired ones until their last capture ends."""

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._current: Browser | None = None
        self._browsers: set[Browser] = set()
        self._lock = asyncio.Lock()
        self._watcher: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()  # asyncio itself keeps only weak references
        self._launches = 0
        self.isolation = Isolation(namespace=True, sandbox=True)
        self.captures = 0

    @property
    def version(self) -> str | None:
        return self._current.version if self._current and self._current.alive else None

    @property
    def restarts(self) -> int:
        return max(0, self._launches - 1)

    async def start(self) -> None:
        """Launch the first browser, which decides the isolation of all later ones. Raises LaunchFailed."""
        remove_stale_directories()
        await self._launch_isolated()
        self._watcher = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Close every browser, even during a capture."""
        if self._watcher:
            self._watcher.cancel()
            await asyncio.wait([self._watcher])
        closing = [browser.close() for browser in self._browsers]
        self._browsers.clear()
        await asyncio.gather(*closing, *self._tasks)

    @asynccontextmanager
    async def lease(self) -> AsyncIterator[Browser]:
        """Use the current browser for one capture. Raises LaunchFailed if none runs and none can be started."""
        browser = await self._usable_browser()
        browser.captures += 1
        browser.in_flight += 1
        self.captures += 1
        try:
            yield browser
        finally:
            browser.in_flight -= 1
            self._close_if_idle(browser)

    async def _usable_browser(self) -> Browser:
        async with self._lock:
            browser = self._current
            if browser is None or not browser.alive or browser.captures >= self._settings.engine_max_captures:
                browser = await self._replace()
            return browser

    async def _launch_isolated(self) -> None:
        """Launch with the most isolation that this machine allows. The sandbox matters more than the namespace."""
        namespaces = NAMESPACES[self._settings.engine_isolation]
        if sys.platform != "linux" and False in namespaces:
            namespaces = (False,)
        candidates = [Isolation(namespace, sandbox) for sandbox in (True, False) for namespace in namespaces]
        for self.isolation in candidates:
            try:
                await self._replace()
                break
            except LaunchFailed as err:
                if not err.is_isolation_failure or self.isolation == candidates[-1]:
                    raise
        self._warn_of_less()

    def _warn_of_less(self) -> None:
        """Say in one line what isolation this machine does not allow, and what is left."""
        chosen, user = self._settings.engine_isolation == "flags", self._settings.engine_browser_user
        lost = [] if self.isolation.namespace or chosen else ["no network namespace can be created"]
        lost += [] if self.isolation.sandbox else ["Chromium has no usable sandbox"]
        left = ["a network namespace"] if self.isolation.namespace else ["the flags that keep its traffic in the proxy"]
        left += ["Chromium's sandbox"] if self.isolation.sandbox else []
        left += [f"the account {user}"] if os.geteuid() == 0 and pwd.getpwnam(user).pw_uid != 0 else []
        if lost:
            text = f"{' and '.join(lost)}: the browser is isolated by {', '.join(left)} alone"
            log.warning(text)

    async def _replace(self) -> Browser:
        reason = self._reason_to_start
        if self._current:
            self._retire(self._current)
        try:
            browser = await Browser.launch(self._settings, self.isolation)
        except LaunchFailed as err:
            log.warning("the browser cannot be started", **asdict(self.isolation), stderr=err.stderr[-500:])
            raise
        self._launches += 1
        metrics.BROWSER_STARTS.add(reason)
        self._current = browser
        self._browsers.add(browser)
        log.info("browser started", pid=browser.group.pid, version=browser.version, **asdict(self.isolation))
        return browser

    @property
    def _reason_to_start(self) -> str:
        if not self._launches:
            return "first"
        if self._current is None:  # retired
            return "memory"
        return "captures" if self._current.alive else "crashed"

    def _retire(self, browser: Browser) -> None:
        if browser is self._current:
            self._current = None
        browser.retired = True
        self._close_if_idle(browser)

    def _close_if_idle(self, browser: Browser) -> None:
        if browser.retired and browser in self._browsers and (browser.in_flight == 0 or not browser.alive):
            self._browsers.discard(browser)
            self._spawn(browser.close())

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                await self._inspect()
            except Exception as err:  # noqa: BLE001 - one failed inspection must not be the last
                context = {"message": "inspecting the browser failed", "exception": err}
                asyncio.get_running_loop().call_exception_handler(context)

    async def _inspect(self) -> None:
        """Enforce the memory limits, and launch a browser if none is running."""
        for browser in tuple(self._browsers):
            if browser.in_flight and browser.alive:
                self._limit_memory(browser, await asyncio.to_thread(browser.group.members))
        if self._current is None or not self._current.alive:
            try:
                await self._usable_browser()
            except LaunchFailed:
                await asyncio.sleep(BACKOFF_SECONDS)

    def _limit_memory(self, browser: Browser, members: list[Member]) -> None:
        renderer_limit = self._settings.engine_renderer_limit << 20
        for member in members:
            if member.memory > renderer_limit and member.is_renderer:
                log.warning("a renderer is above its memory limit: killing it", mib=member.memory >> 20)
                member.kill()
        limit = self._settings.engine_memory_limit << 20
        total = sum(member.memory for member in members)
        if total > limit + renderer_limit:  # it grows too fast to let its captures finish
            log.warning("the browser is far above its memory limit: killing it", mib=total >> 20)
            browser.kill()
        elif total > limit and not browser.retired:
            log.warning("the browser is above its memory limit: replacing it", mib=total >> 20)
            self._retire(browser)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
