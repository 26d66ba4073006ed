"""A capture as policy: admit it, judge its target, give it a deadline, and try once more if the browser dies."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from engine.admission.crashes import CrashHistory
from engine.admission.slots import Slots
from engine.browser.browser import Browser
from engine.browser.supervisor import Supervisor
from engine.config import EngineSettings
from engine.devtools.connection import ProtocolError
from engine.egress.gate import Gate
from engine.egress.proxy import Egress, Failure
from engine.egress.socks import Destination
from engine.errors import (
    BlockedURL,
    BrowserCrashed,
    DeadlineExceeded,
    EngineError,
    PageFailed,
    PageUnreachable,
    ProxyFailed,
    ResolverBusy,
)
from engine.page import adblock, capture
from engine.page.adblock import AdFilter
from engine.page.integrity import BrokenPicture
from engine.params import CaptureParams, locate
from engine.traffic import Traffic

Proxy = Callable[[], Egress]  # a fresh one for each try


@dataclass(frozen=True, slots=True)
class CaptureResult:
    """A checked picture, and what it took: seconds in the queue, and how many browsers."""

    body: bytes
    queued: float
    attempts: int


class CaptureService:
    def __init__(self, settings: EngineSettings, supervisor: Supervisor, gate: Gate) -> None:
        """Ask `gate` who may be reached: once at the door, and for every connection of a page to anywhere else."""
        self._deadline = settings.engine_deadline
        self._filter_lists = settings.engine_filter_lists
        self._supervisor = supervisor
        self._ads: asyncio.Task[AdFilter | None] | None = None
        self._gate = gate
        self._suspects = CrashHistory()
        self.ways_out: set[Egress] = set()
        # A client waits at most for a third of the deadline and the deadline itself.
        self.slots = Slots(settings.engine_concurrency, settings.engine_queue, settings.engine_deadline / 3)

    async def start(self) -> None:
        """Launch the browser; the filter lists load behind. Raises LaunchFailed."""
        self._ads = asyncio.create_task(asyncio.to_thread(adblock.load, self._filter_lists))
        await self._supervisor.start()

    async def take(self, params: CaptureParams, traffic: Traffic, *, background: bool = False) -> CaptureResult:
        """Take the picture that `params` describe, and count its `traffic`; `background` gives way to all others.

        Raises BlockedURL, EngineBusy, InvalidParams, PageFailed, DeadlineExceeded and Unavailable.
        """
        target = Destination.of(params.target.host, params.target.port)
        judgement = await self._gate.admit(target)
        if not judgement.ok:
            raise BlockedURL(judgement.verdict)
        self._suspects.check(params.target.href)
        arrived = time.monotonic()
        async with self.slots.take(background=background):
            queued = time.monotonic() - arrived
            # The addresses that were judged are dialled: a second look-up might say something else.
            proxy = partial(Egress, self._gate, traffic, {target: judgement})
            body, attempts = await self._within_deadline(params, proxy)
        return CaptureResult(body, queued, attempts)

    async def _within_deadline(self, params: CaptureParams, proxy: Proxy) -> tuple[bytes, int]:
        deadline = asyncio.get_running_loop().time() + self._deadline
        try:
            async with asyncio.timeout_at(deadline):
                try:
                    return await self._once(params, proxy, deadline), 1
                except BrowserCrashed:
                    return await self._once(params, proxy, deadline), 2
        except TimeoutError:
            raise DeadlineExceeded(f"the capture took longer than {self._deadline:g} s") from None

    async def _once(self, params: CaptureParams, proxy: Proxy, deadline: float) -> bytes:
        async with self._supervisor.lease() as browser:
            try:
                return await self._in(browser, params, proxy, deadline)
            except BaseException:
                if not browser.alive:  # dead, or so stuck that it was killed
                    self._suspects.accuse(params.target.href, browser.company)
                raise

    async def _in(self, browser: Browser, params: CaptureParams, proxy: Proxy, deadline: float) -> bytes:
        ads = await asyncio.shield(self._ads) if params.block_ads and self._ads else None
        async with browser.page() as blank, self._way_out(blank.listener, proxy) as egress:
            try:
                return await capture.take(blank, params, ads, egress.traffic, deadline)
            except PageUnreachable as err:
                raise _reason(err, egress) from err
            except (BrokenPicture, ProtocolError) as err:
                raise PageFailed("the browser could not draw the page") from err

    @asynccontextmanager
    async def _way_out(self, listener: socket.socket, proxy: Proxy) -> AsyncIterator[Egress]:
        """A proxy for one capture. Raises ProxyFailed when it did not live to its end."""
        egress = proxy()
        self.ways_out.add(egress)
        try:
            await egress.open(listener)
            yield egress
        except PageFailed as err:
            if await egress.lived():
                raise
            raise ProxyFailed from err
        else:
            if not await egress.lived():  # the picture may lack what could not be fetched any more
                raise ProxyFailed
        finally:
            self.ways_out.discard(egress)
            await egress.close()


def _reason(err: PageUnreachable, egress: Egress) -> EngineError:
    """What the proxy knows about a document that did not come is nearer to the truth than what the browser says."""
    try:
        target = locate(err.url)
    except ValueError:
        return err
    match egress.fate(target.host, target.port):
        case None:
            return err
        case Failure.SILENT:
            return DeadlineExceeded("the page did not answer in time")
        case Failure.BUSY:
            return ResolverBusy()
        case Failure() as failure:
            return PageFailed(f"the page could not be loaded: {failure}")
        case verdict:
            return BlockedURL(verdict)
