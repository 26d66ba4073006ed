"""Takes the picture of a page at rest: its viewport, the whole page, one element, or a PDF. Refuses broken ones."""

import base64
import math
from dataclasses import dataclass
from typing import Any

from engine.errors import PageFailed
from engine.page import integrity, scripts
from engine.page.page import Page
from options import FORMATS, MAX_PIXELS, CaptureOptions

MAX_SIDE = 16_384  # device pixels: larger pictures come back blank or empty
MAX_PDF_PAGES = 100


@dataclass(frozen=True, slots=True)
class Clip:
    """A part of the document in CSS pixels."""

    x: float
    y: float
    width: float
    height: float


async def take(page: Page, params: CaptureOptions) -> bytes:
    """Take the picture of the current document.

    Raises PageFailed if there is nothing to show, integrity.BrokenPicture, and DocumentReplaced.
    """
    if params.format == "pdf":
        return await _print(page)
    clip = await _clip(page, params)
    answer = await page.interrupt_if_busy(lambda: _screenshot(page, params, clip))
    body = base64.b64decode(answer["data"])
    width, height = (clip.width, clip.height) if clip else (params.width, params.height)
    integrity.require_whole(body, params.format, (round(width * params.scale), round(height * params.scale)))
    return body


def max_height(params: CaptureOptions) -> int:
    """The highest picture in CSS pixels, by the limits of the encoders and of memory."""
    side = min(MAX_SIDE, FORMATS[params.format].longest_side)
    return int(min(side / params.scale, MAX_PIXELS / (params.width * params.scale**2)))


async def _clip(page: Page, params: CaptureOptions) -> Clip | None:
    """Choose the part of the document to show. None is the viewport."""
    if params.selector:
        return _element(await page.interrupt_if_busy(lambda: page.run(scripts.ELEMENT, params.selector)), params)
    if not params.full_page:
        return None
    metrics = await page.interrupt_if_busy(lambda: page.session.call("Page.getLayoutMetrics"))
    height = min(math.ceil(metrics["cssContentSize"]["height"]), max_height(params))
    return Clip(0, 0, params.width, height) if height > params.height else None


def _element(box: dict[str, float] | None, params: CaptureOptions) -> Clip:
    if box is None:
        raise PageFailed(f'selector: no element matched "{params.selector}"')
    x, y = max(0, math.floor(box["x"])), max(0, math.floor(box["y"]))
    width = min(math.ceil(box["x"] + box["width"]) - x, params.width)
    height = min(math.ceil(box["y"] + box["height"]) - y, max_height(params))
    if width < 1 or height < 1:
        raise PageFailed(f'selector: the element that matched "{params.selector}" has no size')
    return Clip(x, y, width, height)


async def _screenshot(page: Page, params: CaptureOptions, clip: Clip | None) -> dict[str, Any]:
    options: dict[str, Any] = {"format": params.format}
    if params.format == "png":
        options["optimizeForSpeed"] = True
    else:
        options["quality"] = params.quality
    if clip:
        box = {"x": clip.x, "y": clip.y, "width": clip.width, "height": clip.height, "scale": 1}
        options |= {"clip": box, "captureBeyondViewport": True}
    return await page.frame.call_in_document("Page.captureScreenshot", **options)


async def _print(page: Page) -> bytes:
    options = {"printBackground": True, "preferCSSPageSize": True, "pageRanges": f"1-{MAX_PDF_PAGES}"}
    printed = await page.interrupt_if_busy(lambda: page.frame.call_in_document("Page.printToPDF", **options))
    body = base64.b64decode(printed["data"])
    integrity.require_whole(body, "pdf", None)
    return body
