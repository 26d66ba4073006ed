"""Captures one page: loads it, waits as the options ask, takes the picture. No policy, no queue, no retries."""

import asyncio
import contextlib
from dataclasses import dataclass, replace
from typing import Any

from engine.browser.page_pool import BlankPage
from engine.devtools.connection import ProtocolError
from engine.errors import (
    DeadlineExceeded,
    EngineError,
    InvalidSelector,
    NotAPage,
    PageFailed,
    PageStatus,
    PageUnreachable,
    ThumbnailsDeclined,
)
from engine.page import application, metadata, pdf, screenshot, scripts, whole
from engine.page.actions import Actions
from engine.page.adblock import RequestFilter
from engine.page.answer import Answer
from engine.page.banners import Banners
from engine.page.clock import NoFrame
from engine.page.cookies import set_cookies
from engine.page.frame import REDIRECT_SECONDS, WORLD, DocumentReplaced
from engine.page.integrity import BrokenPicture
from engine.page.interception import Interception
from engine.page.loading import wait_for_load
from engine.page.page import Page
from engine.page.pdf import PDFViewer
from engine.page.settling import DRAWN_MS, NETWORK_SECONDS, PATIENT_MS, PICTURE_SECONDS, SETTLED_MS, Settling
from engine.page.whole import View
from engine.traffic import Traffic
from options import CaptureOptions, Document, Notes, PageMetadata, Selector
from options.contract import OPTIONS

CHALLENGES = frozenset({403, 429, 503})  # statuses of pages that check the visitor, some for five seconds
MOST_ERRORS = 5  # documents with an error status; a page that keeps reloading one never gets beyond it
REPLACEMENTS = 5  # navigations after the first load; a page that reloads itself is never at rest
ERROR_PAGE_SECONDS = 1
ABORTED = "net::ERR_ABORTED"

SELECTORS = {name: option.attribute for name, option in OPTIONS.items() if isinstance(option.kind, Selector)}
MILESTONES = {"settled": "load", "load": "load", "domcontentloaded": "DOMContentLoaded", "networkidle": "load"}


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture, with notes about it, and what the page says of itself."""

    body: bytes
    notes: Notes
    metadata: PageMetadata


async def capture_page(  # noqa: PLR0913 - what a capture is about
    blank: BlankPage,
    params: CaptureOptions,
    unwanted: RequestFilter | None,
    traffic: Traffic,
    deadline: float,
    *,
    document: Document | None = None,
    viewer: PDFViewer | None = None,
) -> Shot:
    """Capture what `params` describe in the page `blank`, before `deadline` on the loop's clock.

    A `document` is shown in place of a page. Requests that are `unwanted` fail. Without a `viewer`, a PDF is no page. The page's requests are counted in `traffic`.

    Raises PageFailed if the page is at fault, InvalidSelector, DeadlineExceeded if the page does
    not answer, and the errors of `screenshot.take`.
    """
    capture = PageCapture(Page(blank, params, deadline), params, document, traffic, viewer)
    with traffic.timed("prepare"):
        await capture.prepare(unwanted)
    now, began = asyncio.get_running_loop().time, deadline
    for load in (capture.arrive, capture.settle, capture.settle):
        if now() - began > deadline - now():  # the attempt would take as long as the one before, and fail too late
            break
        began = now()
        with contextlib.suppress(DocumentReplaced):
            try:
                async with asyncio.timeout_at(deadline - PICTURE_SECONDS):
                    await load()
            except (TimeoutError, DeadlineExceeded):
                await capture.accept_unfinished()
            with traffic.timed("shoot"):
                return await capture.shoot()
    raise PageFailed("the page navigated during every attempt to take its picture")


class PageCapture:
    def __init__(
        self,
        page: Page,
        params: CaptureOptions,
        document: Document | None,
        traffic: Traffic,
        viewer: PDFViewer | None,
    ) -> None:
        self._page = page
        self._document = document
        self._viewer = viewer
        self._params = params
        self._traffic = traffic
        self._answer = Answer(page, params, traffic)
        self._settling = Settling(page, params, traffic, self._answer)
        traffic.is_arriving, traffic.is_held_up = page.is_replaced, page.is_held_up
        self._sized: asyncio.Future[dict[str, Any]]
        self._interception: Interception
        self._view = View(params.height)
        self._replacements = 0
        self._errors = 0
        self._is_unfinished = False
        self._is_file = False  # a PDF, shown by a page of ours
        self._banners = Banners(page, params)
        self._actions = Actions(page, params)
        self._hiding = scripts.call_expression(scripts.HIDE, params.hide) if params.hide else ""

    async def prepare(self, unwanted: RequestFilter | None) -> None:
        """Set the page up while it is still blank, in one round trip at most."""
        send, params = self._page.session.send, self._params
        self._sized = self._page.set_viewport(params.width, params.height)
        setup = [*self._page.set_visitor()]
        if params.ignore_https_errors:  # of this session alone: a capture beside it still refuses them
            setup.append(send("Security.setIgnoreCertificateErrors", ignore=True))
        if self._hiding:
            setup.append(send("Page.addScriptToEvaluateOnNewDocument", source=self._hiding, worldName=WORLD))
        self._interception = Interception(self._page, params, unwanted, self._document)
        setup.append(self._interception.begin())
        self._actions.prepare()
        setup.append(self._page.children.watch())
        await asyncio.gather(*setup, set_cookies(self._page, params))
        await self._require_valid_selectors()

    async def arrive(self) -> None:
        with self._traffic.timed("arrive"):
            is_document = await self._navigate()
        if is_document:
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
        file = await self._viewer.fetch(self._page, self._params)
        self._answer.status = file.status
        self._is_file = True
        self._view = await self._viewer.show(self._page, self._params, file.pieces)
        self._actions.end_script()

    async def settle(self) -> None:
        """Wait for everything that the options ask for, and start over if the page navigates meanwhile."""
        with self._traffic.timed("settle"):
            await self._settle()

    async def _settle(self) -> None:
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
        await self._page.interrupt_if_busy(self._answer.require_success)
        await self._require_drawable(DeadlineExceeded("the page had nothing to show in time"))
        await self._settling.require_element()
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
            if not self._answer.is_judged:
                await self._answer.require_success()
            await self._banners.hide_again()
            with contextlib.suppress(DeadlineExceeded):
                await self._actions.style()
            if self._interception.has_opted_out(self._page.frame.loader):
                raise ThumbnailsDeclined
            said = await self._read_metadata()
            body = await screenshot.take(self._page, self._params, self._view)
        except (PageFailed, BrokenPicture, ProtocolError):
            if await self._is_current(document):
                raise
            raise DocumentReplaced from None
        if not await self._is_current(document):
            raise DocumentReplaced
        return Shot(body, self._notes, said)

    async def _read_metadata(self) -> PageMetadata:
        status = self._answer.status
        if self._is_file:
            return PageMetadata.of({"url": self._params.target.url, "status": status})
        if self._document:  # it has no address, and its author wants it to be shown
            return replace(await metadata.read(self._page, status, may_decline=False), url="")
        return await metadata.read(self._page, status)

    @property
    def _notes(self) -> Notes:
        return Notes(
            self._view.cut_at,
            unfinished=int(self._is_unfinished),
            clipped=int(self._view.clipped),
            script_failed=int(self._actions.script_failed),
            page_status=self._answer.status if self._params.error_pages == "show" else 0,
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
                    raise InvalidSelector(name) from None

    async def _outwaits_error(self) -> bool:
        """Return false if the document is the page itself, and true if it has an error status, but the page has left it.

        A script passes the visitor of a challenge on, and leads from a host's `404.html` to the application: the document
        at rest is judged. One without scripts stays as it is, and is judged at once. A `404.html` that is the application
        is the page itself. Raises PageStatus.
        """
        frame, document = self._page.frame, self._page.frame.document
        answer = await self._answer.inspect()
        if not self._answer.is_refused:
            return False
        self._errors += 1
        shows = sent = ""
        if answer["scripted"] and self._errors <= MOST_ERRORS:
            sent = await application.source(self._page) if answer["status"] == application.STATUS else ""
            shows = await self._settling.rest(SETTLED_MS)
            if answer["status"] in CHALLENGES or (sent and shows in ("word", "motion")):
                shows = await self._settling.rest(PATIENT_MS)
        if self._errors > MOST_ERRORS or (frame.document == document and not frame.navigating):
            if shows in ("little", "much") and await application.is_shell(self._page, sent):
                self._answer.accept()
                return False
            raise PageStatus(answer["status"])
        return True

    async def _come_to_rest(self) -> None:
        params, page = self._params, self._page
        self._view = View(params.height)
        if (page.width, page.height) != (params.width, params.height):  # the document before this one was shown whole
            page.set_viewport(params.width, params.height)
        self._answer.require_web_page()
        if page.frame.stopped and not page.frame.loaded:
            await self._require_drawable(PageFailed("the page stopped before it had anything to show"))
        if await self._outwaits_error():
            return
        await self._actions.style()
        await self._actions.run_script()
        if params.wait_until == "networkidle":
            await self._settling.wait_for_idle_network()
        await self._settling.wait_for_element()
        self._is_unfinished = False
        self._is_unfinished = await self._settling.settle()
        await self._clear_banners()
        await self._act()
        if self._shows_whole or await whole.is_clip_beyond_window(page, params):
            self._view = await whole.show(page, params, self._settling.rest)
            await self._clear_banners()  # some come when the page is scrolled
        self._view = await whole.clip(page, params, self._view)

    async def _act(self) -> None:
        """Click and scroll, and let the page come to rest after each."""
        if await self._actions.click():
            await self._settling.rest(self._params.delay + SETTLED_MS)
            await self._clear_banners()
        if await self._actions.scroll():
            await self._settling.rest(SETTLED_MS)

    async def _clear_banners(self) -> None:
        if not await self._banners.clear():
            return
        shows = await self._settling.rest(DRAWN_MS)
        if shows != "much" and self._banners.was_refused:  # the page waited for the answer before it showed its content
            await self._settling.rest(SETTLED_MS)


def _public(error: str) -> str:
    """Extract Chromium's name of a network error, which is from a fixed set, such as `ERR_CONNECTION_REFUSED`."""
    return error.removeprefix("net::").partition(" ")[0][:64]
