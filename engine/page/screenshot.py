"""The picture of a page that is ready: viewport, whole page, one element, or paper; checked before it is believed."""

import base64
import math
from dataclasses import dataclass
from typing import Any

from engine.errors import PageFailed
from engine.page import integrity, scripts
from engine.page.page import Page
from engine.params import MAX_PIXELS, CaptureParams

MAX_SIDE = 16_384  # device pixels; above it pictures come back blank or empty
MAX_WEBP_SIDE = 16_383
MAX_PDF_PAGES = 100


@dataclass(frozen=True, slots=True)
class Clip:
    """A part of the document in CSS pixels."""

    x: float
    y: float
    width: float
    height: float


async def take(page: Page, params: CaptureParams) -> bytes:
    """Take the picture of the document that is there.

    Raises PageFailed where there is nothing to show, integrity.BrokenPicture for a broken one, and DocumentReplaced.
    """
    if params.format == "pdf":
        return await _print(page)
    clip = await _clip(page, params)
    shot = await page.insist(lambda: _screenshot(page, params, clip))
    body = base64.b64decode(shot["data"])
    width, height = (clip.width, clip.height) if clip else (params.width, params.height)
    integrity.check(body, params.format, (round(width * params.scale), round(height * params.scale)))
    return body


def max_height(params: CaptureParams) -> int:
    """In CSS pixels: what the encoders can do, and what the memory should hold."""
    side = MAX_WEBP_SIDE if params.format == "webp" else MAX_SIDE
    return int(min(side / params.scale, MAX_PIXELS / (params.width * params.scale**2)))


async def _clip(page: Page, params: CaptureParams) -> Clip | None:
    """The part to show; None for the viewport."""
    if params.selector:
        return _element(await page.insist(lambda: page.ask(scripts.ELEMENT, params.selector)), params)
    if not params.full_page:
        return None
    metrics = await page.insist(lambda: page.session.call("Page.getLayoutMetrics"))
    height = min(math.ceil(metrics["cssContentSize"]["height"]), max_height(params))
    return Clip(0, 0, params.width, height) if height > params.height else None


def _element(box: dict[str, float] | None, params: CaptureParams) -> Clip:
    if box is None:
        raise PageFailed("selector: no element matched")
    x, y = max(0, math.floor(box["x"])), max(0, math.floor(box["y"]))
    width = min(math.ceil(box["x"] + box["width"]) - x, params.width)
    height = min(math.ceil(box["y"] + box["height"]) - y, max_height(params))
    if width < 1 or height < 1:
        raise PageFailed("selector: the element has no size")
    return Clip(x, y, width, height)


async def _screenshot(page: Page, params: CaptureParams, clip: Clip | None) -> dict[str, Any]:
    options: dict[str, Any] = {"format": params.format}
    if params.format == "png":
        options["optimizeForSpeed"] = True
    else:
        options["quality"] = params.quality
    if clip:
        box = {"x": clip.x, "y": clip.y, "width": clip.width, "height": clip.height, "scale": 1}
        options |= {"clip": box, "captureBeyondViewport": True}
    return await page.frame.ask("Page.captureScreenshot", **options)


async def _print(page: Page) -> bytes:
    options = {"printBackground": True, "preferCSSPageSize": True, "pageRanges": f"1-{MAX_PDF_PAGES}"}
    printed = await page.insist(lambda: page.frame.ask("Page.printToPDF", **options))
    body = base64.b64decode(printed["data"])
    integrity.check(body, "pdf", None)
    return body
