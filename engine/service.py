"""A capture as policy: admit it, judge its target, give it a deadline, and try once more if the browser dies."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from engine import adblock, capture
from engine.adblock import AdFilter
from engine.config import Settings
from engine.devtools import ProtocolError
from engine.errors import BlockedURL, BrowserGone, DeadlineExceeded, PageFailed
from engine.params import CaptureParams
from engine.picture import BadPicture
from engine.slots import Slots
from engine.supervisor import Supervisor
from netguard import Guard, exemptions


@dataclass(frozen=True, slots=True)
class Outcome:
    """A checked picture, and what it took: seconds in the queue, and how many browsers."""

    body: bytes
    queued: float
    attempts: int


class CaptureService:
    def __init__(self, settings: Settings, supervisor: Supervisor) -> None:
        self._deadline = settings.engine_deadline
        self._filter_lists = settings.engine_filter_lists
        self._supervisor = supervisor
        self._ads: asyncio.Task[AdFilter | None] | None = None
        self._guard = Guard(ports=frozenset(settings.allowed_ports), exempt=exemptions(settings.private_targets))
        # Of its own, so that slow look-ups do not hold up the watch over the browser's memory.
        self._judges = ThreadPoolExecutor(32, "judge")
        # A client waits at most for a third of the deadline and the deadline itself.
        self.slots = Slots(settings.engine_concurrency, settings.engine_queue, settings.engine_deadline / 3)

    async def start(self) -> None:
        """Launch the browser; the filter lists load behind. Raises LaunchFailed."""
        self._ads = asyncio.create_task(asyncio.to_thread(adblock.load, self._filter_lists))
        await self._supervisor.start()

    async def take(self, params: CaptureParams) -> Outcome:
        """Take the picture that `params` describe.

        Raises BlockedURL, RateLimited, InvalidParams, PageFailed, DeadlineExceeded and Unavailable.
        """
        judgement = await asyncio.get_running_loop().run_in_executor(
            self._judges, self._guard.judge, params.target.host, params.target.port
        )
        if not judgement.ok:
            raise BlockedURL(judgement.verdict)
        arrived = time.monotonic()
        async with self.slots.take():
            queued = time.monotonic() - arrived
            body, attempts = await self._within_deadline(params)
        return Outcome(body, queued, attempts)

    async def _within_deadline(self, params: CaptureParams) -> tuple[bytes, int]:
        deadline = asyncio.get_running_loop().time() + self._deadline
        try:
            async with asyncio.timeout_at(deadline):
                try:
                    return await self._once(params, deadline), 1
                except BrowserGone:
                    return await self._once(params, deadline), 2
        except TimeoutError:
            raise DeadlineExceeded(f"the capture took longer than {self._deadline:g} s") from None

    async def _once(self, params: CaptureParams, deadline: float) -> bytes:
        ads = await asyncio.shield(self._ads) if params.block_ads and self._ads else None
        async with self._supervisor.lease() as browser, browser.page() as session:
            try:
                return await capture.take(session, params, ads, deadline)
            except (BadPicture, ProtocolError) as err:
                raise PageFailed("the browser could not draw the page") from err
