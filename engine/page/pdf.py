"""Shows a URL that is a PDF: pdf.js draws it in the page that the capture has.

That page is sandboxed like every other, and can fetch nothing while it draws. The browser hands the file to the engine
through the egress proxy, and the engine passes it on in pieces: it parses none of it.
"""

import asyncio
import base64
import contextlib
import math
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import structlog

from engine.devtools.connection import ProtocolError
from engine.errors import NotAPage, PageStatus, PageUnreachable, SelectorNotFound, ThumbnailsDeclined
from engine.page import opt_out, scripts, whole
from engine.page.clock import NoFrame
from engine.page.interception import ANSWERS, Interception, is_answer
from engine.page.page import Page
from engine.page.whole import View
from options import CaptureOptions

MAX_BYTES = 32 << 20
DRAWING_SECONDS = 8  # after which a PDF is drawn again, in a page that draws by itself
HEAD, PIECE = 1024, 1 << 20  # bytes; other viewers look for the signature in the first 1024 too
REDIRECTS = frozenset({301, 302, 303, 307, 308})
DOWNLOAD = "the URL is a file to download, not a page"

# Nothing may be fetched, whatever the file says. pdf.js itself is evaluated, which no policy hinders.
_PAGE = """<!doctype html><meta http-equiv=Content-Security-Policy content="default-src 'none'; style-src 'unsafe-inline';
img-src data: blob:; font-src data: blob:"><meta name=viewport content="width=device-width"><style>html { background: #e4e4e4; overflow: hidden } body { margin: 0 }
img { display: block; background: #fff } img + img { margin-top: 8px }</style><body>"""

_PUSH = "(piece) => { (globalThis.pieces ??= []).push(Uint8Array.from(atob(piece), each => each.charCodeAt(0))); }"

# Draws pages as wide as the window, one below the other, down to `most` CSS pixels. `isEvalSupported: false` keeps pdf.js
# from making code of a file's fonts (CVE-2024-4367). Now and then, Chromium takes its canvases from a page beside others. So
# each is shown as an image, and the answer is `lost` if it was taken before that was made (and `strict`).
_DRAW = """async ({width, most, pages, strict}) => {
  const data = new Uint8Array(await new Blob(pieces).arrayBuffer());
  try {
    const file = await pdfjsLib.getDocument({data, isEvalSupported: false, enableXfa: false, verbosity: 0}).promise;
    let height = 0, number = 0;
    while (number < Math.min(file.numPages, pages) && height < most) {
      const page = await file.getPage(++number);
      const natural = page.getViewport({scale: 1});
      const viewport = page.getViewport({scale: width / natural.width * devicePixelRatio});
      if (number > 1) height += 8;
      const canvas = document.createElement('canvas');
      canvas.width = Math.round(width * devicePixelRatio);
      canvas.height = Math.max(1, Math.ceil(Math.min(viewport.height, (most - height) * devicePixelRatio)));
      const context = canvas.getContext('2d', {willReadFrequently: true});
      await page.render({canvasContext: context, viewport}).promise;
      const image = new Image();
      image.src = canvas.toDataURL();
      if (strict && context.isContextLost()) return {lost: true};
      image.style.width = width + 'px';
      await image.decode();
      document.body.append(image);
      for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
      height += viewport.height / devicePixelRatio;
    }
    return {height, more: number < file.numPages};
  } catch (err) {
    return {locked: err.name === 'PasswordException'};
  }
}"""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file, in pieces, and the HTTP status that came with it."""

    status: int
    pieces: tuple[bytes, ...]


class PDFViewer:
    """pdf.js, as a package of the system has installed it."""

    def __init__(self, sources: tuple[str, ...]) -> None:
        self._sources = sources

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """Read pdf.js from `folder`. Without it, warn and return None: a PDF is then no page."""
        try:
            sources = tuple(
                (folder / "build" / name).read_text(encoding="utf-8") for name in ("pdf.js", "pdf.worker.js")
            )
        except (OSError, UnicodeDecodeError) as err:
            reason = type(err).__name__
            log.warning("pdf.js was not found, so a PDF is no page: see ENGINE_PDFJS", path=str(folder), reason=reason)
            return None
        return cls(sources)

    async def fetch(self, page: Page, params: CaptureOptions) -> Fetched:
        """Navigate to the download again, and read it.

        Raises PageStatus for an error, NotAPage if it is no PDF, and PageUnreachable.
        """
        session, url = page.session, params.target.url
        interception = Interception(page, params, None)  # from the start: the first one may have followed redirects
        answered: asyncio.Future[dict[str, Any]] = session.new_future()

        def look(event: dict[str, Any]) -> None:
            if not is_answer(event):
                interception.judge(event)
                return
            is_final = "responseStatusCode" in event and event["responseStatusCode"] not in REDIRECTS
            if is_final and event["frameId"] == page.frame.id and not answered.done():
                answered.set_result(event)
            else:
                session.send("Fetch.continueRequest", requestId=event["requestId"])

        session.on("Fetch.requestPaused", look)
        await session.call("Fetch.enable", patterns=[*interception.patterns, ANSWERS])
        navigating = session.send("Page.navigate", url=url)
        await asyncio.wait([answered, navigating], return_when=asyncio.FIRST_COMPLETED)
        if not answered.done():
            raise PageUnreachable(str(navigating.result().get("errorText", "")).removeprefix("net::"), url)
        event = answered.result()
        status = int(event["responseStatusCode"])
        try:
            if status >= 400:  # the browser has shown its own error page, even to those who ask for the site's
                raise PageStatus(status)
            if opt_out.in_headers(event.get("responseHeaders", ())):
                raise ThumbnailsDeclined
            pieces = await _read_pdf(page, event["requestId"])
        finally:
            session.send("Fetch.failRequest", requestId=event["requestId"], errorReason="Aborted")
        await navigating
        return Fetched(status, pieces)

    async def show(self, page: Page, params: CaptureOptions, pieces: Iterable[bytes]) -> View:
        """Draw a PDF, given in `pieces`: its first page, or as many as the options ask for and a picture holds.

        Raises NotAPage if it cannot be drawn, ClipOutside, and SelectorNotFound, as a PDF has no elements.
        """

        def refuse(event: dict[str, Any]) -> None:
            page.session.send("Fetch.failRequest", requestId=event["requestId"], errorReason="BlockedByClient")

        for option, selector in (("selector", params.selector), ("wait_for", params.wait_for), ("click", params.click)):
            if selector:
                raise SelectorNotFound(option, "the URL is a PDF, which has no elements")
        page.session.on("Fetch.requestPaused", refuse)
        await page.session.call("Fetch.enable", patterns=[{"urlPattern": "*"}])
        await page.session.call("Page.setDocumentContent", frameId=page.frame.id, html=_PAGE)
        for piece in pieces:
            await self._evaluate(page, scripts.call_expression(_PUSH, base64.b64encode(piece).decode()))
        for source in self._sources:
            await self._evaluate(page, f"{source}\n;0")
        all_pages = params.full_page or params.format == "pdf"
        beyond = params.clip is not None and params.clip.y + params.clip.height > params.height
        most = whole.max_height(params) if all_pages or beyond else params.height
        seconds = _drawing_seconds(page)
        wanted = {
            "width": params.width,
            "most": most,
            "pages": whole.MAX_SIDE if all_pages else 1,
            "strict": seconds is not None,  # a page that draws by itself is the last try
        }
        try:
            async with asyncio.timeout(seconds), page.clock.drawing():
                drawn = await self._evaluate(page, scripts.call_expression(_DRAW, wanted))
        except TimeoutError:
            raise NoFrame("the PDF was not drawn in time") from None
        if isinstance(drawn, dict) and drawn.get("lost") is True:
            raise NoFrame("the browser took the canvas before it was drawn")
        if not isinstance(drawn, dict) or not isinstance(drawn.get("height"), int | float):
            locked = isinstance(drawn, dict) and drawn.get("locked") is True
            raise NotAPage(f"the PDF cannot be drawn: it {'needs a password' if locked else 'is damaged'}")
        height = params.height
        if all_pages or beyond:
            height = max(height, min(math.ceil(drawn["height"]), most))
            await page.set_viewport(page.width, height)
        view = whole.cut(params, height, math.inf if drawn.get("more") else drawn["height"])
        return await whole.clip(page, params, view)

    async def _evaluate(self, page: Page, expression: str) -> Any:
        answer = await page.session.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            raise NotAPage("the PDF cannot be drawn: it is damaged")
        return answer["result"].get("value")


def _drawing_seconds(page: Page) -> float | None:
    """How long a page may draw that waits for frames it is given: one of them may never come. One that draws by itself
    has until the deadline.
    """
    try:
        page.clock.require_real_time()
    except NoFrame:
        return DRAWING_SECONDS
    return None


async def _read_pdf(page: Page, request: str) -> tuple[bytes, ...]:
    """Read the body of a paused response. While it is paused, the page itself answers no call."""
    pieces: list[bytes] = []
    async with contextlib.aclosing(_read(page, request)) as reading:
        async for piece in reading:
            if not pieces and b"%PDF-" not in piece[:HEAD]:
                raise NotAPage(DOWNLOAD)
            pieces.append(piece)
            if sum(map(len, pieces)) > MAX_BYTES:
                raise NotAPage(f"the PDF is larger than {MAX_BYTES >> 20} MiB")
    return tuple(pieces)


async def _read(page: Page, request: str) -> AsyncGenerator[bytes]:
    """Read the body of a paused response, a piece at a time. The first one has the signature, if there is any."""
    session = page.session
    stream = (await session.call("Fetch.takeResponseBodyAsStream", requestId=request))["stream"]
    try:
        head, size = b"", HEAD
        while True:
            answer = await session.call("IO.read", handle=stream, size=size)
            piece = base64.b64decode(answer["data"]) if answer.get("base64Encoded") else answer["data"].encode()
            if size == HEAD:
                head += piece
                if len(head) < HEAD and not answer["eof"]:
                    continue
                piece, size = head, PIECE
            yield piece
            if answer["eof"]:
                return
    except ProtocolError as err:  # the connection broke off
        raise NotAPage("the file broke off") from err
    finally:
        session.send("IO.close", handle=stream)
