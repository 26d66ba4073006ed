"""One capture: open the page, wait as asked, take the picture. No policy, no queue, no retries."""

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
from engine.params import CaptureParams
from engine.traffic import Traffic

END_GAME = 2.5  # seconds of the deadline that are kept for the picture of a page that never finishes
IDLE_SECONDS = 10  # after load; a page that polls is never idle
SCROLL_SECONDS = 10
FONT_SECONDS = 1
ERROR_PAGE_SECONDS = 1
ABORTED = "net::ERR_ABORTED"
PASSING = frozenset({408, 425, 429})  # a time-out, too early, too many requests (RFC 9110, 8470, 6585): ask again later

MILESTONES = {"load": "load", "domcontentloaded": "DOMContentLoaded", "networkidle": "load"}
COOKIE_BANNERS = tuple(
    line
    for line in (Path(__file__).parents[1] / "data" / "cookie-banners.css").read_text(encoding="utf-8").splitlines()
    if not line.startswith("/*")
)


async def take(
    blank: BlankPage, params: CaptureParams, ads: AdFilter | None, traffic: Traffic, deadline: float
) -> bytes:
    """Take the picture that `params` describe in the page `blank`, before `deadline` on the loop's clock.

    `ads` is None where advertisements may show; `traffic` is told the page's requests. Raises PageFailed when the page
    is at fault, InvalidParams for a selector that is none, DeadlineExceeded for a page that does not answer, and what
    `screenshot.take` raises.
    """
    capture = PageCapture(Page(blank, deadline), params, traffic)
    await capture.prepare(ads)
    for ready in (capture.arrive, capture.settle, capture.settle):
        with contextlib.suppress(DocumentReplaced):
            try:
                async with asyncio.timeout_at(deadline - END_GAME):
                    await ready()
            except TimeoutError:
                await capture.make_do()
            return await capture.shoot()
    raise PageFailed("the page does not stay long enough for a picture")


class PageCapture:
    def __init__(self, page: Page, params: CaptureParams, traffic: Traffic) -> None:
        self._page = page
        self._params = params
        self._traffic = traffic
        self._waiting_for = params.wait_for
        self._sized: asyncio.Future[dict[str, Any]]
        rules = COOKIE_BANNERS if params.block_cookie_banners else ()
        self._hiding = (
            scripts.call(scripts.HIDE, rules, params.hide_selectors) if rules or params.hide_selectors else ""
        )

    async def prepare(self, ads: AdFilter | None) -> None:
        """Set up what this capture asks for while the page is still blank: one round trip in all, if any."""
        send, params = self._page.session.send, self._params
        # The browser's own business, and so in force before it navigates.
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
            self._page.session.on("Fetch.requestPaused", self._judge(ads))
            setup.append(send("Fetch.enable", patterns=[{"urlPattern": "*"}]))
        await asyncio.gather(*setup)
        await self._check_selectors()

    async def arrive(self) -> None:
        await self.open()
        await self.settle()

    async def open(self) -> None:
        """Navigate. Raises PageFailed where nothing came that could be shown."""
        send = self._page.session.send
        navigating = send("Page.navigate", url=self._params.target.href)
        await self._sized
        answer = await navigating
        self._page.make_next()
        if answer.get("isDownload"):
            raise PageFailed("the page is a download")
        error = answer.get("errorText")
        if error == ABORTED:  # 204, 205: no error page follows
            raise PageFailed("the page could not be loaded: it answered without a document")
        if error:
            raise PageUnreachable(f"the page could not be loaded: {_public(error)}", await self._unreached())

    async def settle(self) -> None:
        """Wait for everything that was asked for, and again if the page moves on meanwhile."""
        frame = self._page.frame
        while True:
            await frame.reach(MILESTONES[self._params.wait_until])
            document = frame.document
            try:
                await self._wait_as_asked()
            except ProtocolError:
                # The script's document is gone. It must have been replaced, or the error is our own.
                if await self._stays(document) and not frame.moving:
                    raise
            if frame.document == document and not frame.moving:
                return

    async def make_do(self) -> None:
        """The navigation limit has passed: stop the page's scripts and check that there is something to show."""
        if not self._page.frame.committed:
            raise DeadlineExceeded("the page did not answer in time")
        self._page.session.send("Runtime.terminateExecution")
        await self._page.insist(self._check_document)
        if not await self._page.ask(scripts.DRAWABLE):
            raise DeadlineExceeded("the page had nothing to show in time")
        if self._waiting_for and not await self._page.ask(scripts.MATCHES, self._waiting_for):
            raise PageFailed("wait_for: no element matched in time")

    async def _unreached(self) -> str:
        """The URL behind all redirects: the error page tells, which comes after the answer."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ERROR_PAGE_SECONDS):
                return await self._page.frame.error_page()
        return self._params.target.href

    async def shoot(self) -> bytes:
        """Take the picture of the document that was looked at last. Raises DocumentReplaced when it left meanwhile.

        A page can leave at any time for what is refused or does not come: its picture would be a blank one.
        """
        document = self._page.frame.document
        try:
            await self._hide_again()
            body = await screenshot.take(self._page, self._params)
        except (PageFailed, BrokenPicture, ProtocolError):
            if await self._stays(document):
                raise
            raise DocumentReplaced from None
        if not await self._stays(document):
            raise DocumentReplaced
        return body

    async def _stays(self, document: int) -> bool:
        """Tell whether `document` is still the one that is there."""
        with contextlib.suppress(DocumentReplaced):
            # What happened before has been told when the answer comes.
            await self._page.insist(lambda: self._page.frame.ask("Page.getFrameTree"))
        return self._page.frame.document == document

    async def _hide_again(self) -> None:
        """For what came, or came back, after the document began."""
        if self._hiding:
            await self._page.insist(lambda: self._page.evaluate(self._hiding))

    async def _check_selectors(self) -> None:
        for name in ("wait_for", "selector", "hide_selectors"):
            if selector := getattr(self._params, name):
                try:
                    await self._page.ask(scripts.VALID_SELECTOR, selector)
                except PageFailed:
                    raise InvalidParams(f"{name}: must be a valid CSS selector") from None

    async def _check_document(self, loaded: str = scripts.LOADED, *arguments: object) -> None:
        """Raise PageFailed unless the document came over HTTP with a status below 400, as `loaded` finds it."""
        if self._page.frame.unreachable:
            raise PageUnreachable("the page could not be loaded", self._page.frame.unreachable)
        if not self._page.frame.url.startswith(("http:", "https:")):
            raise PageFailed("the page left for something that is not a web page")
        answer = await self._page.ask(loaded, *arguments)
        self._traffic.requests = answer["requests"]
        _check_status(answer["status"])

    async def _wait_as_asked(self) -> None:
        params = self._params
        if params.wait_until == "networkidle" or params.wait_for or params.delay or params.full_page:
            await self._check_document()  # before it is waited for in vain
            await self._wait_longer()
        await self._check_document(scripts.CALM, 0 if params.wait_until == "domcontentloaded" else FONT_SECONDS * 1000)

    async def _wait_longer(self) -> None:
        params, page = self._params, self._page
        if params.wait_until == "networkidle":
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(IDLE_SECONDS):
                    await page.frame.reach("networkIdle")
        if params.wait_for:
            await page.ask(scripts.WAIT_FOR, params.wait_for)
            self._waiting_for = None
        await page.session.pause(params.delay / 1000)
        if params.full_page and params.format != "pdf":
            patience = min(SCROLL_SECONDS, max(0, page.time_left - END_GAME - 1))
            await page.ask(scripts.SCROLL, screenshot.max_height(params), patience * 1000)

    def _judge(self, ads: AdFilter) -> Callable[[dict[str, Any]], None]:
        """Let the page itself through, and of what it asks for all but the advertisements."""

        def judge(event: dict[str, Any]) -> None:
            kind, request = event["resourceType"], event["requestId"]
            is_page = kind == "Document" and event["frameId"] == self._page.frame.id
            if not is_page and ads.blocks(event["request"]["url"], self._params.target.href, kind):
                self._page.session.send("Fetch.failRequest", requestId=request, errorReason="BlockedByClient")
            else:
                self._page.session.send("Fetch.continueRequest", requestId=request)

        return judge


def _check_status(status: int) -> None:
    """Raise PageRefused for an answer that will be the same again, PageFailed for one that may be another."""
    if 400 <= status < 500 and status not in PASSING:
        raise PageRefused(status)
    if status >= 400:
        raise PageFailed(f"the page answered {status}")


def _public(error: str) -> str:
    """Chromium's name for a network error, a fixed vocabulary: `ERR_CONNECTION_REFUSED`."""
    return error.removeprefix("net::").partition(" ")[0][:64]
