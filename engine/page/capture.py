"""Captures one page: loads it, waits as the options ask, takes the picture. No policy, no queue, no retries."""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Any

from engine.browser.page_pool import BlankPage
from engine.devtools.connection import ProtocolError
from engine.errors import (
    DeadlineExceeded,
    EngineError,
    InvalidParams,
    NotAPage,
    PageFailed,
    PageStatus,
    PageUnreachable,
    SelectorNotFound,
)
from engine.page import pdf, screenshot, scripts, whole
from engine.page.actions import Actions
from engine.page.adblock import RequestFilter
from engine.page.banners import Banners
from engine.page.clock import NoFrame
from engine.page.cookies import set_cookies
from engine.page.frame import REDIRECT_SECONDS, WORLD, DocumentReplaced
from engine.page.integrity import BrokenPicture
from engine.page.interception import Interception
from engine.page.loading import wait_for_load
from engine.page.page import Page
from engine.page.pdf import PDFViewer
from engine.page.whole import View
from engine.traffic import Traffic
from options import CaptureOptions, Notes, Selector
from options.contract import OPTIONS

PICTURE_SECONDS = 2.5  # reserved at the end of the deadline, for the picture of a page that never finishes loading
IDLE_SECONDS = 10  # after load: a page that polls is never idle
GIVEN_UP_SECONDS = 0.3  # for the requests of a page that waited for what never came
SETTLED_MS = 2000  # of page time after load: a visitor's first look
DRAWN_MS = 34  # of page time, for two frames
NETWORK_SECONDS = 2.4  # of real time after load, for requests that the page makes then
REST_SECONDS = 0.6  # after that, for a page that keeps itself busy
LIVE_SECONDS = 1  # of real time besides, for a page with WebSockets or workers
# A page that shows next to nothing, or little while requests are under way, is looked at once more.
PATIENT_MS, PATIENT_SECONDS = 5000, 2.5
MISSING_MS = 167  # of page time, in which requests under way are waited for
REST_ROUNDS = 8  # chained animations
# Text stays invisible for so much page time while its font is under way, then shows in another font, in some 10 ms.
FONT_BLOCK_MS, FONT_BLOCK_SECONDS = 3000, 1
POLL_MS, POLL_SECONDS, LONGEST_WAIT_MS = 100, 0.02, 30_000  # page time and real time between looks for an element
CHALLENGES = frozenset({403, 429, 503})  # statuses of pages that check the visitor, some for five seconds
MOST_ERRORS = 5  # documents with an error status; a page that keeps reloading one never gets beyond it
REPLACEMENTS = 5  # navigations after the first load; a page that reloads itself is never at rest
ERROR_PAGE_SECONDS = 1
ABORTED = "net::ERR_ABORTED"

SELECTORS = {name: option.attribute for name, option in OPTIONS.items() if isinstance(option.kind, Selector)}
MILESTONES = {"settled": "load", "load": "load", "domcontentloaded": "DOMContentLoaded", "networkidle": "load"}


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture, with notes about it."""

    body: bytes
    notes: Notes


async def capture_page(
    blank: BlankPage,
    params: CaptureOptions,
    unwanted: RequestFilter | None,
    traffic: Traffic,
    deadline: float,
    viewer: PDFViewer | None = None,
) -> Shot:
    """Capture what `params` describe in the page `blank`, before `deadline` on the loop's clock.

    Requests that are `unwanted` fail. Without a `viewer`, a PDF is no page. The page's requests are counted in `traffic`.

    Raises PageFailed if the page is at fault, InvalidParams for an invalid selector, DeadlineExceeded if the page does
    not answer, and the errors of `screenshot.take`.
    """
    capture = PageCapture(Page(blank, params, deadline), params, traffic, viewer)
    await capture.prepare(unwanted)
    for load in (capture.arrive, capture.settle, capture.settle):
        with contextlib.suppress(DocumentReplaced):
            try:
                async with asyncio.timeout_at(deadline - PICTURE_SECONDS):
                    await load()
            except (TimeoutError, DeadlineExceeded):
                await capture.accept_unfinished()
            return await capture.shoot()
    raise PageFailed("the page navigated during every attempt to take its picture")


class PageCapture:
    def __init__(self, page: Page, params: CaptureOptions, traffic: Traffic, viewer: PDFViewer | None) -> None:
        self._page = page
        self._viewer = viewer
        self._params = params
        self._traffic = traffic
        traffic.is_arriving, traffic.is_held_up = page.is_replaced, page.is_held_up
        self._unmatched = params.wait_for  # until an element matches
        self._sized: asyncio.Future[dict[str, Any]]
        self._view = View(params.height)
        self._replacements = 0
        self._errors = 0
        self._judged = 0  # the document whose status is known to be one that may be shown
        self._status = 0  # of the document that was inspected last
        self._is_unfinished = False
        self._banners = Banners(page, params)
        self._actions = Actions(page, params)
        self._hiding = scripts.call_expression(scripts.HIDE, params.hide) if params.hide else ""

    async def prepare(self, unwanted: RequestFilter | None) -> None:
        """Set the page up while it is still blank, in one round trip at most."""
        send, params = self._page.session.send, self._params
        self._sized = self._page.set_viewport(params.height)
        setup = [*self._page.set_visitor()]
        if params.ignore_https_errors:  # of this session alone: a capture beside it still refuses them
            setup.append(send("Security.setIgnoreCertificateErrors", ignore=True))
        if self._hiding:
            setup.append(send("Page.addScriptToEvaluateOnNewDocument", source=self._hiding, worldName=WORLD))
        if pausing := Interception(self._page, params, unwanted).begin():
            setup.append(pausing)
        self._actions.prepare()
        setup.append(self._page.children.watch())
        await asyncio.gather(*setup, set_cookies(self._page, params))
        await self._require_valid_selectors()

    async def arrive(self) -> None:
        if await self._navigate():
            await self.settle()
        else:
            await self._show_download()

    async def _navigate(self) -> bool:
        """Navigate, and return whether to a document: false for a download. Raises PageFailed for neither."""
        send = self._page.session.send
        navigating = send("Page.navigate", url=self._params.target.url)
        await self._sized
        answer = await navigating
        self._page.open_spare()
        if answer.get("isDownload"):
            return False
        error = answer.get("errorText")
        if error == ABORTED:  # 204, 205: no error page follows
            raise NotAPage("the page could not be loaded: its answer had no content")
        if error:
            raise PageUnreachable(_public(error), await self._failed_url())
        return True

    async def _show_download(self) -> None:
        """Show the download if it is a PDF. Raises NotAPage for any other, and PageStatus."""
        if not self._viewer:
            raise NotAPage(pdf.DOWNLOAD)
        file = await self._viewer.fetch(self._page, self._params.target.url)
        self._status = file.status
        if file.status >= 400:  # the browser has shown its own error page, even to those who ask for the site's
            raise PageStatus(file.status)
        self._view = await self._viewer.show(self._page, self._params, file.pieces)

    async def settle(self) -> None:
        """Wait for everything that the options ask for, and start over if the page navigates meanwhile."""
        frame = self._page.frame
        while True:
            async with self._page.clock.running():
                await wait_for_load(self._page, self._traffic, MILESTONES[self._params.wait_until])
            document = frame.document
            try:
                await self._come_to_rest()
            except NoFrame:
                raise
            except ProtocolError:
                # A navigation must have replaced the script's document, or the error is our own.
                if await self._is_current(document) and not frame.navigating:
                    raise
            if frame.navigating and not frame.leaving:  # a redirect is scheduled, within a second of page time
                until = asyncio.get_running_loop().time() + NETWORK_SECONDS
                await self._page.clock.advance(REDIRECT_SECONDS * 1000, until, self._page.is_replaced)
            if frame.document == document and (not frame.navigating or self._replacements >= REPLACEMENTS):
                return
            self._replacements += 1

    async def accept_unfinished(self) -> None:
        """Stop the scripts of a page that did not finish in time. Raises if there is nothing to show."""
        if not self._page.frame.committed:
            raise DeadlineExceeded("the page did not answer in time")
        self._page.stop_scripts()
        await self._page.interrupt_if_busy(self._require_success)
        await self._require_drawable(DeadlineExceeded("the page had nothing to show in time"))
        if self._unmatched and not await self._page.run(scripts.MATCHES, self._unmatched):
            raise SelectorNotFound("wait_for", f'no element matched "{self._unmatched}" in time')
        self._actions.require_clicked()
        await self._actions.scroll()
        if self._shows_whole:
            self._view = await whole.show_unfinished(self._page, self._params)
        self._view = await whole.clip(self._page, self._params, self._view)

    @property
    def _shows_whole(self) -> bool:
        """Whether the picture may show more than the viewport."""
        return self._params.full_page or bool(self._params.selector) or self._params.format == "pdf"

    async def _require_drawable(self, error: EngineError) -> None:
        if not await self._page.run(scripts.DRAWABLE):
            raise error

    async def _failed_url(self) -> str:
        """Return the URL after all redirects. It comes with the error page, which follows the answer."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ERROR_PAGE_SECONDS):
                return await self._page.frame.wait_for_error_page()
        return self._params.target.url

    async def shoot(self) -> Shot:
        """Take the picture of the current document. Raises DocumentReplaced if the page navigates meanwhile.

        A page can navigate to a refused or unreachable URL at any time, and its picture would be blank.
        """
        document = self._page.frame.document
        try:
            if self._hiding:  # also hide what the page added since
                with contextlib.suppress(DeadlineExceeded):  # a page that fights it is shown as it is
                    await self._page.evaluate(self._hiding)
            if self._page.frame.document != self._judged:
                await self._require_success()
            await self._banners.hide_again()
            with contextlib.suppress(DeadlineExceeded):
                await self._actions.style()
            body = await screenshot.take(self._page, self._params, self._view)
        except (PageFailed, BrokenPicture, ProtocolError):
            if await self._is_current(document):
                raise
            raise DocumentReplaced from None
        if not await self._is_current(document):
            raise DocumentReplaced
        return Shot(body, self._notes)

    @property
    def _notes(self) -> Notes:
        return Notes(
            self._view.cut_at,
            unfinished=int(self._is_unfinished),
            clipped=int(self._view.clipped),
            script_failed=int(self._actions.script_failed),
            page_status=self._status if self._params.error_pages == "show" else 0,
        )

    async def _is_current(self, document: int) -> bool:
        """Return whether `document` is still the current one."""
        with contextlib.suppress(DocumentReplaced):
            # The browser reports all earlier events before it answers this call.
            await self._page.interrupt_if_busy(lambda: self._page.frame.call_in_document("Page.getFrameTree"))
        return self._page.frame.document == document

    async def _require_valid_selectors(self) -> None:
        for name, attribute in SELECTORS.items():
            if selector := getattr(self._params, attribute):
                try:
                    await self._page.run(scripts.VALID_SELECTOR, selector)
                except PageFailed:
                    raise InvalidParams(f"{name}: must be a valid CSS selector") from None

    def _require_web_page(self) -> None:
        """Raise PageFailed unless the document came over HTTP."""
        if self._page.frame.unreachable_url:
            raise PageUnreachable("", self._page.frame.unreachable_url)
        if not self._page.frame.url.startswith(("http:", "https:")):
            raise NotAPage("the page navigated to a URL that is neither http nor https")

    async def _inspect(self, script: str = scripts.LOADED) -> dict[str, Any]:
        """Return the answer of `script`, which is about the document and its requests. Raises as `_require_web_page`."""
        self._require_web_page()
        document = self._page.frame.document
        answer: dict[str, Any] = await self._page.run(script)
        self._traffic.requests = answer["requests"]
        if answer["media"]:
            raise NotAPage("the URL is a file of sound or video, not a page")
        self._status = answer["status"]
        if not self._refuses(self._status):
            self._judged = document
        return answer

    def _refuses(self, status: int) -> bool:
        return status >= 400 and self._params.error_pages == "refuse"

    async def _require_success(self) -> None:
        """Raise PageStatus if the document that is there has an error status."""
        if self._refuses(status := (await self._inspect())["status"]):
            raise PageStatus(status)

    async def _outwaits_error(self) -> bool:
        """Return false if the document is the page itself, and true if it has an error status, but the page has left it.

        A script passes the visitor of a challenge on, and leads from a host's `404.html` to the application: the document
        at rest is judged. One without scripts stays as it is, and is judged at once. Raises PageStatus.
        """
        frame, document = self._page.frame, self._page.frame.document
        answer = await self._inspect()
        if not self._refuses(answer["status"]):
            return False
        self._errors += 1
        if answer["scripted"] and self._errors <= MOST_ERRORS:
            await self._rest(SETTLED_MS)
            if answer["status"] in CHALLENGES:
                await self._rest(PATIENT_MS)
        if self._errors > MOST_ERRORS or (frame.document == document and not frame.navigating):
            raise PageStatus(answer["status"])
        return True

    async def _come_to_rest(self) -> None:
        params, page = self._params, self._page
        self._view = View(params.height)
        if page.height != params.height:  # the document before this one was shown whole
            page.set_viewport(params.height)
        self._require_web_page()
        if page.frame.stopped and not page.frame.loaded:
            await self._require_drawable(PageFailed("the page stopped before it had anything to show"))
        if await self._outwaits_error():
            return
        page.move_mouse_away()
        await self._actions.style()
        await self._actions.run_script()
        if params.wait_until == "networkidle":
            await self._wait_for_idle_network()
        if params.wait_for:
            await self._wait_for_element(params.wait_for)
        settled = params.wait_until == "settled"
        has_given_up = self._traffic.has_given_up and not page.frame.loaded
        patience = GIVEN_UP_SECONDS if has_given_up else NETWORK_SECONDS + params.delay / 1000
        self._is_unfinished = False
        shows = await self._rest(params.delay + (SETTLED_MS if settled else DRAWN_MS), patience)
        if settled and self._is_live:
            shows = await self._let_live(LIVE_SECONDS)
        if settled and not has_given_up and await self._may_show_more(shows):
            shows = await self._look_patiently()
            self._is_unfinished = shows == "word" or (shows == "motion" and await page.clock.is_waiting())
        await self._clear_banners()
        await self._act()
        if self._shows_whole or await whole.is_clip_beyond_window(page, params):
            self._view = await whole.show(page, params, self._rest)
            await self._clear_banners()  # some come when the page is scrolled
        self._view = await whole.clip(page, params, self._view)

    async def _act(self) -> None:
        """Click and scroll, and let the page come to rest after each."""
        if await self._actions.click():
            await self._rest(self._params.delay + SETTLED_MS)
            await self._clear_banners()
        if await self._actions.scroll():
            await self._rest(SETTLED_MS)

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

        Returns what `_rest` does.
        """
        if not self._page.clock.stalled:  # it waits for workers or for a compiler perhaps, which cannot be seen
            await self._let_live(2 * LIVE_SECONDS if self._is_live else LIVE_SECONDS)
        return await self._rest(PATIENT_MS, PATIENT_SECONDS)

    async def _let_live(self, seconds: float) -> str:
        """Let real time pass: the clock of a page stops for requests, but neither for WebSockets nor for workers.

        Returns what `_rest` does.
        """
        async with self._page.clock.running():
            await self._page.session.pause(seconds)
        return await self._rest(DRAWN_MS)

    async def _clear_banners(self) -> None:
        if await self._banners.clear():
            await self._rest(DRAWN_MS)

    async def _rest(self, milliseconds: float, patience: float = NETWORK_SECONDS) -> str:
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
            rest = await self._inspect(scripts.REST)
            missing = rest["missing"] and self._params.wait_until != "domcontentloaded"
            if not (rest["running"] or missing) or now() > until:
                break
            await page.clock.advance(DRAWN_MS if rest["running"] else MISSING_MS, until, is_over)
        if rest["fonts"] and missing:
            page.clock.wait_for_network(0)
            await page.clock.advance(FONT_BLOCK_MS, now() + FONT_BLOCK_SECONDS, is_over)
        return str(rest["shows"])

    async def _wait_for_idle_network(self) -> None:
        page = self._page
        async with page.clock.running():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(IDLE_SECONDS):
                    await page.frame.wait_for_milestone("networkIdle")

    async def _wait_for_element(self, selector: str) -> None:
        """Wait for an element. Page time runs faster than real time, but not so fast that a slow message comes too late."""
        page, now, passed = self._page, asyncio.get_running_loop().time, 0
        while not await page.run(scripts.MATCHES, selector):
            if page.is_replaced():
                return
            if passed >= LONGEST_WAIT_MS:
                raise SelectorNotFound("wait_for", f'no element matched "{selector}" in time')
            passed += POLL_MS
            page.clock.wait_for_network(now() + NETWORK_SECONDS)
            await page.clock.advance(POLL_MS, now() + NETWORK_SECONDS, page.is_replaced)
            await page.session.pause(POLL_SECONDS)
        self._unmatched = None


def _public(error: str) -> str:
    """Extract Chromium's name of a network error, which is from a fixed set, such as `ERR_CONNECTION_REFUSED`."""
    return error.removeprefix("net::").partition(" ")[0][:64]
