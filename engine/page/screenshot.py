"""Takes the picture of a page at rest: its viewport, a clip of it, or a PDF. Refuses broken ones."""

from typing import Any

from engine.devtools.messages import decode_picture
from engine.errors import PageTooLarge
from engine.page import integrity
from engine.page.page import Page
from engine.page.whole import View
from options import MAX_BYTES, CaptureOptions

MAX_PDF_PAGES = 100


async def take(page: Page, params: CaptureOptions, view: View) -> bytes:
    """Take the picture of the current document.

    Raises PageTooLarge, integrity.BrokenPicture, ProtocolError if the page does not draw, and DocumentReplaced.
    """
    body = await (_print(page) if params.format == "pdf" else _draw(page, params, view, fast=True))
    if len(body) > MAX_BYTES and params.format == "png":
        body = await _draw(page, params, view, fast=False)
    if len(body) > MAX_BYTES:
        raise PageTooLarge(len(body))
    return body


async def _draw(page: Page, params: CaptureOptions, view: View, *, fast: bool) -> bytes:
    """Draw the picture. A PNG is encoded `fast`, or small: gradients and photographs get half as large."""
    options: dict[str, Any] = {"format": params.format}
    if params.format == "png":
        options["optimizeForSpeed"] = fast
    else:
        options["quality"] = params.quality
    body = await decode_picture(await page.interrupt_if_busy(lambda: _screenshot(page, params, view, options)))
    width, height = (view.clip.width, view.clip.height) if view.clip else (params.width, view.height)
    integrity.require_whole(body, params.format, (round(width * params.scale), round(height * params.scale)))
    return body


async def _screenshot(page: Page, params: CaptureOptions, view: View, options: dict[str, Any]) -> str | memoryview:
    """Take it in a frame where that is possible, as that is faster."""
    if view.clip is None and params.scale == 1:
        data = await page.clock.screenshot(page.answer_seconds, options)
        if data is not None:
            return data
    if view.clip:
        box = view.clip
        sides = {"x": box.x, "y": box.y, "width": box.width, "height": box.height}
        options["clip"] = {name: side / box.zoom for name, side in sides.items()} | {"scale": box.zoom}
    async with page.clock.drawing():
        taken = await page.frame.call_in_document("Page.captureScreenshot", **options)
        return taken["data"]  # type: ignore[no-any-return]


async def _print(page: Page) -> bytes:
    options = {"printBackground": True, "preferCSSPageSize": True, "pageRanges": f"1-{MAX_PDF_PAGES}"}
    printed = await page.interrupt_if_busy(lambda: page.frame.call_in_document("Page.printToPDF", **options))
    body = await decode_picture(printed["data"])
    integrity.require_whole(body, "pdf", None)
    return body
