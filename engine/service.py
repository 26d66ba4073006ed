"""Captures a page by policy: admit it, judge its target, set a deadline, and retry once if the browser crashes."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

import structlog

from engine.admission.crashes import CrashHistory
from engine.admission.drain import Drain
from engine.admission.slots import Slots
from engine.browser.browser import Browser
from engine.browser.supervisor import Supervisor
from engine.config import EngineSettings
from engine.devtools.connection import ProtocolError
from engine.egress.gate import Gate
from engine.egress.proxy import ConnectionFailure, Egress
from engine.egress.socks import Destination
from engine.errors import (
    BlockedURL,
    BrowserCrashed,
    DeadlineExceeded,
    EngineError,
    OptionNotAllowed,
    PageCrashed,
    PageFailed,
    PageUnreachable,
    ProxyFailed,
    ResolverBusy,
)
from engine.page import adblock, capture
from engine.page.adblock import AdFilter
from engine.page.capture import Shot
from engine.page.clock import NoFrame
from engine.page.document import PLACE
from engine.page.image_filter import ImageFilter
from engine.page.integrity import BrokenPicture
from engine.page.pdf import PDFViewer
from engine.parsing import locate
from engine.traffic import Traffic
from netguard import Judgement, Verdict
from options import CaptureOptions, Document, Notes, PageMetadata
from telemetry import traces

log = structlog.get_logger()

MakeProxy = Callable[[], Egress]


@dataclass(frozen=True, slots=True)
class Order:
    """What one capture is about: its options, the document in place of a page, and its proxy."""

    params: CaptureOptions
    document: Document | None
    make_proxy: MakeProxy

    @property
    def name(self) -> str:
        """What has crashed, if it crashes."""
        return self.document.target.url if self.document else self.params.target.url


@dataclass(frozen=True, slots=True)
class CaptureResult:
    """A whole picture with notes, what its page says of itself, the seconds in the queue, and the number of attempts."""

    body: bytes
    notes: Notes
    metadata: PageMetadata
    queued: float
    attempts: int


class CaptureService:
    def __init__(self, settings: EngineSettings, supervisor: Supervisor, gate: Gate) -> None:
        """The `gate` judges each target before its capture, and every other destination when the page connects."""
        self._deadline = settings.engine_deadline
        self._ignores_https_errors = settings.allow_ignore_https_errors
        self._pdfjs = settings.engine_pdfjs
        self._viewer: PDFViewer | None = None
        self._filter_lists = settings.engine_filter_lists
        self._supervisor = supervisor
        self._ads: asyncio.Task[AdFilter | None] | None = None
        self._trackers: asyncio.Task[AdFilter | None] | None = None
        self._gate = gate
        self._crashes = CrashHistory()
        self.drain = Drain()
        self.proxies: set[Egress] = set()
        # A client waits at most as long in the queue as for the capture itself.
        self.slots = Slots(settings.engine_concurrency, settings.engine_queue, settings.engine_deadline)

    async def start(self) -> None:
        """Launch the browser, and begin to load the filter lists. Raises LaunchFailed."""
        self._viewer = await asyncio.to_thread(PDFViewer.load, self._pdfjs)
        self._ads = asyncio.create_task(asyncio.to_thread(adblock.load, self._filter_lists))
        await self._supervisor.start()

    async def capture(
        self,
        params: CaptureOptions,
        traffic: Traffic,
        *,
        document: Document | None = None,
        client: str = "",
        background: bool = False,
    ) -> CaptureResult:
        """Capture the page that `params` describe, and count its `traffic`. Foreground captures go before `background`.

        A `document` is shown in place of a page.

        The captures of each `client` take turns with those of others.

        Raises BlockedURL, EngineBusy, InvalidParams, PageFailed, DeadlineExceeded and Unavailable.
        """
        with self.drain.enter():
            if document is not None:
                params = replace(params, target=PLACE)
                make_proxy = partial(Egress, self._gate, traffic, network=document.network)
            else:
                make_proxy = partial(Egress, self._gate, traffic, await self._admit(params))
            order = Order(params, document, make_proxy)
            return await self._capture(order, traffic, client=client, background=background)

    async def _admit(self, params: CaptureOptions) -> Mapping[Destination, Judgement]:
        """Judge the target of a capture. The proxy dials what was judged here: a second look-up might give others.

        Raises OptionNotAllowed, BlockedURL and Unavailable.
        """
        if params.ignore_https_errors and not self._ignores_https_errors:
            raise OptionNotAllowed("ignore_https_errors", "ALLOW_IGNORE_HTTPS_ERRORS")
        target = Destination.canonical(params.target.host, params.target.port)
        judgement = await self._gate.admit(target)
        if not judgement.ok:
            raise BlockedURL(judgement.verdict)
        return {target: judgement}

    async def _capture(self, order: Order, traffic: Traffic, *, client: str, background: bool) -> CaptureResult:
        self._crashes.refuse_crasher(order.name)
        arrived = time.monotonic()
        async with AsyncExitStack() as slot:
            with traces.span("queue"):
                await slot.enter_async_context(self.slots.hold(client, background=background))
            queued = time.monotonic() - arrived
            traffic.note_part("queue", queued)
            deadline = asyncio.get_running_loop().time() + self._deadline
            try:
                async with asyncio.timeout_at(deadline):
                    try:
                        shot, attempts = await self._attempt(order, deadline), 1
                    except BrowserCrashed:
                        shot, attempts = await self._attempt(order, deadline), 2
                return CaptureResult(shot.body, shot.notes, shot.metadata, queued, attempts)
            except TimeoutError:
                raise DeadlineExceeded(f"the capture took longer than {self._deadline:g} s") from None

    async def finish(self) -> None:
        """Take nothing new, and wait for what is here: each capture waits and runs for at most its deadline."""
        self.drain.begin()
        log.info("draining", in_flight=self.slots.in_use, queued=self.slots.queued)
        await self.drain.finish()

    async def _attempt(self, order: Order, deadline: float) -> Shot:
        async with self._supervisor.lease() as browser:
            try:
                return await self._capture_as_it_can_be(browser, order, deadline)
            except BaseException:
                if not browser.alive:  # crashed, or killed because it did not respond
                    self._crashes.record(order.name, browser.open_pages)
                raise

    async def _capture_as_it_can_be(self, browser: Browser, order: Order, deadline: float) -> Shot:
        """Capture, and once more for each thing that the page cannot do: draw when it is asked to, or hold its images."""
        draws_by_itself, images, host = False, True, order.params.target.host
        while True:
            try:
                return await self._capture_in(browser, order, deadline, draws_by_itself=draws_by_itself, images=images)
            except NoFrame:  # never from a page that draws by itself
                draws_by_itself = True
                log.warning("page_not_drawn", host=host, help="captured again in a page that draws by itself")
            except PageCrashed:
                if not images:
                    raise
                images = False
                log.warning("page_crashed", host=host, help="captured again without its images")

    async def _capture_in(
        self,
        browser: Browser,
        order: Order,
        deadline: float,
        *,
        draws_by_itself: bool,
        images: bool,
    ) -> Shot:
        """Capture in a new page. Raises NoFrame if the page does not draw when it is asked to."""
        params = order.params
        ads = await self._filter(params)
        no_images = None if images else ImageFilter(ads)
        async with (
            browser.page(draws_by_itself=draws_by_itself) as blank,
            self._open_proxy(blank.listener, order.make_proxy) as proxy,
        ):
            try:
                shot = await capture.capture_page(
                    blank,
                    params,
                    no_images or ads,
                    proxy.traffic,
                    deadline,
                    document=order.document,
                    viewer=self._viewer,
                )
                missing = proxy.parts_missing + (no_images.refused if no_images else 0)
                return replace(shot, notes=replace(shot.notes, parts_missing=missing))
            except PageUnreachable as err:
                if order.document:  # it has led the browser elsewhere
                    raise BlockedURL(Verdict.NO_NETWORK) from err
                raise _reason(err, proxy) from err
            except (BrokenPicture, ProtocolError) as err:
                if isinstance(err, NoFrame) and not draws_by_itself:
                    raise
                raise PageFailed("the browser could not draw the page") from err

    async def _filter(self, params: CaptureOptions) -> AdFilter | None:
        """Return what recognises the requests that the options block, or None. The lists of trackers are seldom needed."""
        if params.block_ads:
            return await asyncio.shield(self._ads) if self._ads else None
        if not params.block_trackers:
            return None
        if not self._trackers:
            lists = adblock.of_trackers(self._filter_lists)
            self._trackers = asyncio.create_task(asyncio.to_thread(adblock.load, lists))
        return await asyncio.shield(self._trackers)

    @asynccontextmanager
    async def _open_proxy(self, listener: socket.socket, make_proxy: MakeProxy) -> AsyncIterator[Egress]:
        """Run the proxy of one capture. Raises ProxyFailed if the proxy failed before the capture ended."""
        proxy = make_proxy()
        self.proxies.add(proxy)
        try:
            await proxy.open(listener)
            yield proxy
        except PageFailed as err:
            if await proxy.is_healthy():
                raise
            raise ProxyFailed from err
        else:
            if not await proxy.is_healthy():  # parts of the page may be missing from the picture
                raise ProxyFailed
        finally:
            self.proxies.discard(proxy)
            await proxy.close()


def _reason(err: PageUnreachable, proxy: Egress) -> EngineError:
    """Return the proxy's reason for a failed navigation, which is more precise than the browser's."""
    try:
        target = locate(err.url)
    except ValueError:
        return err
    match proxy.failure_of(target.host, target.port):
        case None:
            return err
        case ConnectionFailure.SILENT:
            return DeadlineExceeded("the page did not answer in time")
        case ConnectionFailure.BUSY:
            return ResolverBusy()
        case ConnectionFailure() as failure:
            return PageUnreachable(failure, err.url)
        case verdict:
            return BlockedURL(verdict)
