"""Runs the engine in the test's own process and event loop, with the test's resolver, network and limits."""

import ctypes
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp.test_utils import TestClient, TestServer

from engine.app import create_app
from engine.browser.process import PR_SET_CHILD_SUBREAPER
from engine.browser.supervisor import Supervisor
from engine.config import EngineSettings
from engine.egress.gate import Gate, Limits, Stream
from engine.parsing import parse
from engine.service import CaptureService
from engine.traffic import Traffic
from netguard import Guard
from scripts.headless_shell import chromium

Connect = Callable[[str, int], Awaitable[Stream]]


class Service:
    def __init__(self, settings: EngineSettings, service: CaptureService, supervisor: Supervisor) -> None:
        self.settings, self.service, self.supervisor = settings, service, supervisor
        self.traffic = Traffic()

    async def capture(self, url: str, **params: object) -> bytes:
        """Take a picture. Raises the engine's errors."""
        self.traffic = Traffic()
        return (await self.service.capture(parse({"url": url} | params), self.traffic)).body

    async def get(self, **params: object) -> tuple[int, Mapping[str, str], bytes]:
        """Ask for a picture over HTTP. Returns status, headers and body."""
        app = create_app(self.settings, self.service, self.supervisor)
        async with (
            TestClient(TestServer(app)) as client,
            client.get("/v1/screenshot", params={name: str(value) for name, value in params.items()}) as response,
        ):
            return response.status, response.headers, await response.read()

    async def end_proxies(self) -> None:
        for egress in tuple(self.service.proxies):
            await egress.close()


@asynccontextmanager
async def running_service(
    lookup: Callable[[str], Iterable[str]], connect: Connect, limits: Limits | None = None, slots: int = 1
) -> AsyncIterator[Service]:
    settings = EngineSettings(
        engine_chromium=chromium(), engine_filter_lists=(Path("/nowhere.txt"),), engine_concurrency=slots
    )
    supervisor = Supervisor(settings)
    service = CaptureService(settings, supervisor, Gate(Guard(lookup=lookup), slots, limits, connect))
    try:
        await service.start()
        yield Service(settings, service, supervisor)
    finally:
        await supervisor.stop()
        leave_orphans_alone()


def leave_orphans_alone() -> None:
    """Undo `become_subreaper`: the test's process must not collect the zombies of other tests' engines."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
