"""Captures one page: loads it, waits as the options ask, takes the picture. No policy, no queue, no retries."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.browser.page_pool import BlankPage
from engine.devtools.connection import ProtocolError
from engine.errors import DeadlineExceeded, InvalidParams, PageFailed, PageRefused, PageUnreachable
from engine.page import screenshot, scripts
from engine.page.adblock import AdFilter
from engine.page.frame import WORLD, DocumentReplaced
from engine.page.integrity import BrokenPicture
from engine.page.page import Page
from engine.params import OPTIONS
from engine.traffic import Traffic
from options import CaptureOptions, Selector

PICTURE_SECONDS = 2.5  # reserved at the end of the deadline, for the picture of a page that never finishes loading
IDLE_SECONDS = 10  # after load: a page that polls is never idle
SCROLL_SECONDS = 10
FONT_SECONDS = 1
ERROR_PAGE_SECONDS = 1
ABORTED = "net::ERR_ABORTED"
TRANSIENT = frozenset({408, 425, 429})  # request time-out, too early, too many requests: RFC 9110, 8470, 6585

SELECTORS = {name: option.attribute for name, option in OPTIONS.items() if isinstance(option.kind, Selector)}
MILESTONES = {"load": "load", "domcontentloaded": "DOMContentLoaded", "networkidle": "load"}
COOKIE_BANNERS = tuple(
    line
    for line in (Path(__file__).parents[1] / "data" / "cookie-banners.css").read_text(encoding="utf-8").splitlines()
    if not line.startswith("/*")
)


async def capture_page(
    blank: BlankPage, params: CaptureOptions, ads: AdFilter | None, traffic: Traffic, deadline: float
) -> bytes:
    """Capture what `params` describe in the page `blank`, before `deadline` on the loop's clock.

    `ads` is None if advertisements may show. The page's requests are counted in `traffic`. Raises PageFailed if the
    page is at fault, InvalidParams for an invalid selector, DeadlineExceeded if the page does not answer, and the
    errors of `screenshot.take`.
    """
    capture = PageCapture(Page(blank, deadline), params, traffic)
    await capture.prepare(ads)
    for load in (capture.arrive, capture.settle, capture.settle):
        with contextlib.suppress(DocumentReplaced):
            try:
                async with asyncio.timeout_at(deadline - PICTURE_SECONDS):
                    await load()
            except TimeoutError:
                await capture.accept_unfinished()
            return await capture.shoot()
    raise PageFailed("the page navigated during every attempt to take its picture")


class PageCapture:
    def __init__(self, page: Page, params: CaptureOptions, traffic: Traffic) -> None:
        self._page = page
        self._params = params
        self._traffic = traffic
        self._unmatched = params.wait_for  # until an element matches
        self._sized: asyncio.Future[dict[str, Any]]
        rules = COOKIE_BANNERS if params.block_cookie_banners else ()
        self._hiding = scripts.call_expression(scripts.HIDE, rules, params.hide) if rules or params.hide else ""

    async def prepare(self, ads: AdFilter | None) -> None:
        """Set the page up while it is still blank, in one round trip at most."""
        send, params = self._page.session.send, self._params
        # The browser handles this call itself, so it applies before the navigation without a wait.
        self._sized = send(
            "Emulation.setDeviceMetricsOverride",
            width=params.width,
            height=params.height,
            deviceScaleFactor=params.scale,
            mobile=False,
        )
        setup = []
        if params.dark_mode:
            dark = {"name": "prefers-color-scheme", "value": "dark"}
            setup.append(send("Emulation.setEmulatedMedia", features=[dark]))
        if self._hiding:
            setup.append(send("Page.addScriptToEvaluateOnNewDocument", source=self._hiding, worldName=WORLD))
        if ads:
            self._page.session.on("Fetch.requestPaused", self._block_ads(ads))
            setup.append(send("Fetch.enable", patterns=[{"urlPattern": "*"}]))
        await asyncio.gather(*setup)
        await self._require_valid_selectors()

    async def arrive(self) -> None:
        await self._navigate()
        await self.settle()

    async def _navigate(self) -> None:
        """Navigate. Raises PageFailed if the target is no document."""
        send = self._page.session.send
        navigating = send("Page.navigate", url=self._params.target.url)
        await self._sized
        answer = await navigating
        self._page.open_spare()
        if answer.get("isDownload"):
            raise PageFailed("the page is a download, not a document")
        error = answer.get("errorText")
        if error == ABORTED:  # 204, 205: no error page follows
            raise PageFailed("the page could not be loaded: its answer had no content")
        if error:
            raise PageUnreachable(f"the page could not be loaded: {_public(error)}", await self._failed_url())

    async def settle(self) -> None:
        """Wait for everything that the options ask for, and start over if the page navigates meanwhile."""
        frame = self._page.frame
        while True:
            await frame.wait_for_milestone(MILESTONES[self._params.wait_until])
            document = frame.document
            try:
                await self._wait_for_options()
            except ProtocolError:
                # A navigation must have replaced the script's document, or the error is our own.
                if await self._is_current(document) and not frame.navigating:
                    raise
            if frame.document == document and not frame.navigating:
                return

    async def accept_unfinished(self) -> None:
        """Terminate the scripts of a page that did not finish in time. Raises if there is nothing to show."""
        if not self._page.frame.committed:
            raise DeadlineExceeded("the page did not answer in time")
        self._page.session.send("Runtime.terminateExecution")
        await self._page.interrupt_if_busy(self._require_document)
        if not await self._page.run(scripts.DRAWABLE):
            raise DeadlineExceeded("the page had nothing to show in time")
        if self._unmatched and not await self._page.run(scripts.MATCHES, self._unmatched):
            raise PageFailed(f'wait_for: no element matched "{self._unmatched}" in time')

    async def _failed_url(self) -> str:
        """Return the URL after all redirects. It comes with the error page, which follows the answer."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ERROR_PAGE_SECONDS):
                return await self._page.frame.wait_for_error_page()
        return self._params.target.url

    async def shoot(self) -> bytes:
        """Take the picture of the current document. Raises DocumentReplaced if the page navigates meanwhile.

        A page can navigate to a refused or unreachable URL at any time, and its picture would be blank.
        """
        document = self._page.frame.document
        try:
            if self._hiding:  # also hide what the page added since
                await self._page.interrupt_if_busy(lambda: self._page.evaluate(self._hiding))
            body = await screenshot.take(self._page, self._params)
        except (PageFailed, BrokenPicture, ProtocolError):
            if await self._is_current(document):
                raise
            raise DocumentReplaced from None
        if not await self._is_current(document):
            raise DocumentReplaced
        return body

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

    async def _require_document(self, loaded: str = scripts.LOADED, *arguments: object) -> None:
        """Raise PageFailed unless the document came over HTTP with a status below 400. Runs the script `loaded` for that."""
        if self._page.frame.unreachable_url:
            raise PageUnreachable("the page could not be loaded", self._page.frame.unreachable_url)
        if not self._page.frame.url.startswith(("http:", "https:")):
            raise PageFailed("the page navigated to a URL that is neither http nor https")
        answer = await self._page.run(loaded, *arguments)
        self._traffic.requests = answer["requests"]
        _require_success(answer["status"])

    async def _wait_for_options(self) -> None:
        params = self._params
        if params.wait_until == "networkidle" or params.wait_for or params.delay or params.full_page:
            await self._require_document()  # an error status needs no further wait
            await self._wait_after_load()
        await self._require_document(
            scripts.SETTLE, 0 if params.wait_until == "domcontentloaded" else FONT_SECONDS * 1000
        )

    async def _wait_after_load(self) -> None:
        params, page = self._params, self._page
        if params.wait_until == "networkidle":
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(IDLE_SECONDS):
                    await page.frame.wait_for_milestone("networkIdle")
        if params.wait_for:
            await page.run(scripts.WAIT_FOR, params.wait_for)
            self._unmatched = None
        await page.session.pause(params.delay / 1000)
        if params.full_page and params.format != "pdf":
            limit = min(SCROLL_SECONDS, max(0, page.time_left - PICTURE_SECONDS - 1))
            await page.run(scripts.SCROLL, screenshot.max_height(params), limit * 1000)

    def _block_ads(self, ads: AdFilter) -> Callable[[dict[str, Any]], None]:
        """Make the listener that fails a page's requests for advertisements, but never that for the page itself."""

        def judge(event: dict[str, Any]) -> None:
            kind, request = event["resourceType"], event["requestId"]
            is_page = kind == "Document" and event["frameId"] == self._page.frame.id
            if not is_page and ads.blocks(event["request"]["url"], self._params.target.url, kind):
                self._page.session.send("Fetch.failRequest", requestId=request, errorReason="BlockedByClient")
            else:
                self._page.session.send("Fetch.continueRequest", requestId=request)

        return judge


def _require_success(status: int) -> None:
    """Raise PageRefused for a permanent error status, PageFailed for one that a retry may not meet."""
    if 400 <= status < 500 and status not in TRANSIENT:
        raise PageRefused(status)
    if status >= 400:
        raise PageFailed(f"the page answered {status}")


def _public(error: str) -> str:
    """Extract Chromium's name of a network error, which is from a fixed set, such as `ERR_CONNECTION_REFUSED`."""
    return error.removeprefix("net::").partition(" ")[0][:64]
