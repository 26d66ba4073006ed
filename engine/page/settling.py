"""Lets a page come to rest: gives it time of its own, and real time for what does not stop its clock."""

import asyncio
import contextlib

from engine.errors import SelectorNotFound
from engine.page import scripts
from engine.page.answer import Answer
from engine.page.page import Page
from engine.traffic import Traffic
from options import CaptureOptions

PICTURE_SECONDS = 2.5  # reserved at the end of the deadline, for the picture of a page that never finishes loading
IDLE_SECONDS = 10  # after load: a page that polls is never idle
GIVEN_UP_SECONDS = 0.3  # for the requests of a page that waited for what never came
SETTLED_MS = 2000  # of page time after load: a visitor's first look
DRAWN_MS = 34  # of page time, for two frames
NETWORK_SECONDS = 2.4  # of real time after load, for requests that the page makes then
REST_SECONDS = 0.6  # after that, for a page that keeps itself busy
LIVE_SECONDS = 1  # of real time besides, for a page with WebSockets or workers
INSTALLING_SECONDS = 0.05  # between looks at a service worker
# A page that shows next to nothing, or little while requests are under way, is looked at once more.
PATIENT_MS, PATIENT_SECONDS = 5000, 2.5
MISSING_MS = 167  # of page time, in which requests under way are waited for
REST_ROUNDS = 8  # chained animations
# Text stays invisible for so much page time while its font is under way, then shows in another font, in some 10 ms.
FONT_BLOCK_MS, FONT_BLOCK_SECONDS = 3000, 1
POLL_MS, POLL_SECONDS, LONGEST_WAIT_MS = 100, 0.02, 30_000  # page time and real time between looks for an element


class Settling:
    def __init__(self, page: Page, params: CaptureOptions, traffic: Traffic, answer: Answer) -> None:
        self._page = page
        self._params = params
        self._traffic = traffic
        self._answer = answer
        self._unmatched = params.wait_for  # until an element matches

    async def settle(self) -> bool:
        """Give a page that has loaded the time that the options ask for. Returns whether it seems unfinished even then."""
        page, params = self._page, self._params
        settled = params.wait_until == "settled"
        await self._require_clock_of_canvases()
        has_given_up = self._traffic.has_given_up and not page.frame.loaded
        patience = GIVEN_UP_SECONDS if has_given_up else NETWORK_SECONDS + params.delay / 1000
        shows = await self.rest(params.delay + (SETTLED_MS if settled else DRAWN_MS), patience)
        if not settled:
            return False
        if self._is_live:
            shows = await self._let_live(LIVE_SECONDS)
        if await page.children.is_installing():
            shows = await self._wait_for_service_worker()
        if has_given_up or not await self._may_show_more(shows):
            return False
        shows = await self._look_patiently()
        return shows == "word" or (shows == "motion" and await page.clock.is_waiting())

    async def rest(self, milliseconds: float, patience: float = NETWORK_SECONDS) -> str:
        """Let page time pass, then finish animations, and wait for images in view and fonts.

        Requests under way are waited for at most `patience` seconds of real time. Returns how much the page shows.
        """
        page, now, document = self._page, asyncio.get_running_loop().time, self._page.frame.document

        def is_over() -> bool:
            return page.is_replaced() or page.frame.document != document

        until = now() + min(patience + REST_SECONDS, page.time_left - PICTURE_SECONDS)
        page.clock.wait_for_network(now() + patience)
        await page.clock.advance(milliseconds, until, is_over)
        for _ in range(REST_ROUNDS):
            if is_over():
                return "much"
            rest = await self._answer.inspect(scripts.REST)
            missing = rest["missing"] and self._params.wait_until != "domcontentloaded"
            if not (rest["running"] or missing) or now() > until:
                break
            await page.clock.advance(DRAWN_MS if rest["running"] else MISSING_MS, until, is_over)
        if rest["fonts"] and missing:
            page.clock.wait_for_network(0)
            await page.clock.advance(FONT_BLOCK_MS, now() + FONT_BLOCK_SECONDS, is_over)
        await self._require_clock_of_canvases()
        return str(rest["shows"])

    async def _require_clock_of_canvases(self) -> None:
        """Raise NoFrame if a worker draws a canvas, unless the page draws by itself.

        Workers run in real time, and their frames keep those of the page waiting, some for ever.
        """
        if self._page.children.workers and await self._page.run(scripts.HAS_GIVEN_CANVAS):
            self._page.clock.require_real_time()

    @property
    def _is_live(self) -> bool:
        """Whether the page has workers or WebSockets, or may get one: a connection is under way.

        A request would have stopped the clock meanwhile, so real time has passed if it has `stalled`.
        """
        traffic, stalled = self._traffic, self._page.clock.stalled
        return bool(self._page.children.workers or traffic.websockets or (traffic.dialling and not stalled))

    async def _may_show_more(self, shows: str) -> bool:
        """Judge a page that `shows` what `scripts.REST` says. Few finished pages may seem unfinished: each costs seconds."""
        if shows in ("nothing", "word", "motion") or (shows == "boxes" and self._is_live):
            return True
        return shows != "much" and (self._page.clock.stalled or await self._page.clock.is_waiting())

    async def _look_patiently(self) -> str:
        """Give a page more of its own time, for its requests, and of real time, for what does not stop its clock.

        Returns what `rest` does.
        """
        if not self._page.clock.stalled:  # it waits for workers or for a compiler perhaps, which cannot be seen
            await self._let_live(2 * LIVE_SECONDS if self._is_live else LIVE_SECONDS)
        return await self.rest(PATIENT_MS, PATIENT_SECONDS)

    async def _let_live(self, seconds: float) -> str:
        """Let real time pass: the clock of a page stops for requests, but neither for WebSockets nor for workers.

        Returns what `rest` does.
        """
        async with self._page.clock.running():
            await self._page.session.pause(seconds)
        return await self.rest(DRAWN_MS)

    async def _wait_for_service_worker(self) -> str:
        """Let real time pass until the service worker of a first visit is installed. The page may reload when it is.

        Returns what `rest` does.
        """
        page, now, document = self._page, asyncio.get_running_loop().time, self._page.frame.document
        until = now() + LIVE_SECONDS
        async with page.clock.running():
            while now() < until and page.frame.document == document and await page.children.is_installing():
                await page.session.pause(INSTALLING_SECONDS)
        return await self.rest(SETTLED_MS)

    async def wait_for_idle_network(self) -> None:
        page = self._page
        async with page.clock.running():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(IDLE_SECONDS):
                    await page.frame.wait_for_milestone("networkIdle")

    async def wait_for_element(self) -> None:
        """Wait for the element of the option `wait_for`. Raises SelectorNotFound after 30 seconds of page time.

        Page time runs faster than real time, but not so fast that a slow message comes too late.
        """
        page, now, passed = self._page, asyncio.get_running_loop().time, 0
        self._unmatched = self._params.wait_for
        while self._unmatched and not await page.run(scripts.MATCHES, self._unmatched):
            if page.is_replaced():
                return
            if passed >= LONGEST_WAIT_MS:
                raise self._not_found
            passed += POLL_MS
            page.clock.wait_for_network(now() + NETWORK_SECONDS)
            await page.clock.advance(POLL_MS, now() + NETWORK_SECONDS, page.is_replaced)
            await page.session.pause(POLL_SECONDS)
        self._unmatched = None

    async def require_element(self) -> None:
        """Raise SelectorNotFound if the option `wait_for` has matched nothing so far."""
        if self._unmatched and not await self._page.run(scripts.MATCHES, self._unmatched):
            raise self._not_found

    @property
    def _not_found(self) -> SelectorNotFound:
        return SelectorNotFound("wait_for", f'no element matched "{self._unmatched}" in time')
