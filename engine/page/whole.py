"""Brings into view what lies outside the viewport: the whole page, one element, or all that a PDF prints.

The viewport becomes as tall as what is shown, so that fixed backgrounds, observers and handlers of `resize` see what
they see in a window of that height. Sizes that follow the height of the window (`100vh`) keep what they were.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from engine.errors import ClipOutside, SelectorNotFound
from engine.page import whole_scripts
from engine.page.page import Page
from options import FORMATS, MAX_PIXELS, CaptureOptions

MAX_SIDE = 16_384  # device pixels: larger pictures come back blank or empty
SCROLL_SECONDS = 5
SCROLL_MS = 400  # of page time at each place: a page that loads what it shows waits until the visitor stops scrolling
REDRAW_MS = 50  # of page time, for the handlers of `resize`
MOST_PINNED = 20_000  # elements: to measure so many takes some 20 ms
SEEN_MS = 2000  # of page time, for what begins when it comes into view
GROWTHS = 2  # times that the viewport follows a page that has grown

Rest = Callable[[float], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the document in pixels of the window, `zoom` of which show one CSS pixel of the page."""

    x: float
    y: float
    width: float
    height: float
    zoom: float = 1


@dataclass(frozen=True, slots=True)
class View:
    """What the picture shows: the viewport, `height` CSS pixels tall, or a `clip` of it. It was `cut` if more exists.

    The options' clip was `clipped` if it reached beyond the page, and so was an element that is wider than a picture can be.
    """

    height: int
    clip: Part | None = None
    cut: bool = False
    clipped: bool = False

    @property
    def cut_at(self) -> int:
        """How much a picture shows of what it was cut off, in CSS pixels; 0 if it was not cut."""
        return round(self.clip.height if self.clip else self.height) if self.cut else 0


def max_height(params: CaptureOptions) -> int:
    """The highest picture in CSS pixels, by the options and by the limits of the encoders and of memory."""
    side = min(MAX_SIDE, FORMATS[params.format].longest_side)
    limit = int(min(side / params.scale, MAX_PIXELS / (params.width * params.scale**2)))
    if params.clip:  # nothing below it is needed
        limit = min(limit, max(params.height, params.clip.y + params.clip.height))
    is_whole_page = params.full_page and not params.selector and params.format != "pdf"
    return min(limit, params.max_height or limit) if is_whole_page else limit


async def show(page: Page, params: CaptureOptions, rest: Rest) -> View:
    """Show what the options ask for. `rest` lets the page come to rest after some milliseconds of its time.

    Raises SelectorNotFound if no element matches the selector.
    """
    if params.selector:
        return await _show_element(page, params, rest)
    await _scroll_through(page, params, rest)
    return await _show_all(page, params, rest)


async def show_unfinished(page: Page, params: CaptureOptions) -> View:
    """Show what there is of a page that did not come to rest in time.

    Raises SelectorNotFound if no element matches the selector, or none that can be seen now.
    """
    if not params.selector:
        found = await page.run(whole_scripts.HEIGHT)
        return cut(params, page.height, found["height"], found["zoom"])
    return _view_of(await _box(page, params, 0), params, page, 0)


async def is_clip_beyond_window(page: Page, params: CaptureOptions) -> bool:
    """Return whether the clip, if there is one, lies above or below of what the window shows."""
    if not params.clip:
        return False
    top: float = (await page.run(whole_scripts.TOP))["top"]
    return max(0, params.clip.y) < top or params.clip.y + params.clip.height > top + page.height


async def clip(page: Page, params: CaptureOptions, view: View) -> View:
    """Return the part of `view` that the options' clip shows. Raises ClipOutside if that is nothing."""
    wanted = params.clip
    if not wanted:
        return view
    found = await page.run(whole_scripts.TOP)
    end = math.ceil(found["top"]) + (view.clip.height if view.clip else view.height)
    left, right = max(0, wanted.x), min(wanted.x + wanted.width, params.width)
    first, last = max(0, wanted.y), min(wanted.y + wanted.height, end)
    if left >= right or first >= last:
        raise ClipOutside(params.width, end)
    part = Part(left, first, right - left, last - first, found["zoom"])
    return View(view.height, part, clipped=(part.width, part.height) != (wanted.width, wanted.height))


async def _scroll_through(page: Page, params: CaptureOptions, rest: Rest) -> None:
    """Scroll by viewports to the end, for pages that listen to scrolling, then back to the top."""
    loop, top = asyncio.get_running_loop(), 0
    end = loop.time() + SCROLL_SECONDS
    limit = math.inf if params.format == "pdf" else max_height(params)
    while loop.time() < end:
        found = await page.run(whole_scripts.SCROLL_TO, top)
        await page.clock.advance(SCROLL_MS, end, page.is_replaced)
        top += found["step"]
        if top >= min(found["height"], limit):
            end_of_page = found["height"]
            found = await page.run(whole_scripts.SCROLL_TO, 0)
            if found["height"] <= end_of_page or top >= limit:
                break
            top = min(top, end_of_page)  # it has loaded more, as its end was seen
    else:
        await page.run(whole_scripts.SCROLL_TO, 0)
    await rest(0)


async def _show_all(page: Page, params: CaptureOptions, rest: Rest) -> View:
    limit, height = max_height(params), params.height
    found = await page.run(whole_scripts.UNFOLD, params.format == "pdf")  # paper has no window to grow
    for _ in range(1 + GROWTHS):
        wanted = max(params.height, min(math.ceil(found["height"]), limit))
        if wanted <= height:
            break
        height = await _resize(page, wanted, rest)
        found = await page.run(whole_scripts.UNFOLD, True)
    if found["inner"] and params.height <= math.ceil(found["bottom"]) < height:  # it did not grow into the window
        height = await _resize(page, math.ceil(found["bottom"]), rest)
        found = await page.run(whole_scripts.UNFOLD, True)
    return cut(params, height, found["height"], found["zoom"])


async def _show_element(page: Page, params: CaptureOptions, rest: Rest) -> View:
    if not await page.run(whole_scripts.BRING_INTO_VIEW, params.selector):
        raise SelectorNotFound("selector", f'no element matched "{params.selector}"')
    await rest(0)
    limit, top = max_height(params), 0
    box = await _box(page, params, top)
    for _ in range(1 + GROWTHS):
        bottom = math.ceil(box["y"] + box["height"])
        scrolled = 0 if bottom <= limit else max(0, math.floor(box["y"]))  # it lies too far below for one window
        height = max(page.height, min(bottom - scrolled, limit))
        width = page.width
        if width == params.width:  # else the element may follow the window, for ever
            width = max(width, min(math.ceil(box["wide"]), _max_width(params, height)))
        if (width, height, scrolled) == (page.width, page.height, top):
            break
        if width > page.width or height > page.height:
            await _resize(page, height, rest, width)
        top = scrolled
        box = await _box(page, params, top)
    return _view_of(box, params, page, top)


def _max_width(params: CaptureOptions, height: int) -> int:
    """The greatest width of a window `height` CSS pixels tall, by the same limits as `max_height`."""
    if params.format == "pdf":  # it has the width of its paper
        return params.width
    side = min(MAX_SIDE, FORMATS[params.format].longest_side)
    return int(min(side / params.scale, MAX_PIXELS / (height * params.scale**2)))


async def _box(page: Page, params: CaptureOptions, top: float) -> dict[str, float]:
    """Scroll to `top`, unfold and measure the element. The page may have removed it since it was last seen."""
    box: dict[str, float] | None = await page.run(whole_scripts.BOX, params.selector, top)
    if box is None:
        raise SelectorNotFound("selector", f'no element matched "{params.selector}"')
    return box


async def _resize(page: Page, height: int, rest: Rest, width: int = 0) -> int:
    """Make the viewport `height` CSS pixels tall, with all sizes that only follow the window as they were.

    It becomes `width` pixels wide too, if it is not yet, and its layout stays.
    """
    more = max(0, width - page.width)
    await page.run(whole_scripts.FIX_UNITS, more > 0)
    await page.run(whole_scripts.REMEMBER_SIZES, MOST_PINNED)
    if more:
        await page.run(whole_scripts.KEEP_WIDTH, more)
    await page.set_viewport(page.width + more, height)
    await page.run(whole_scripts.PIN_SIZES)
    await page.clock.advance(REDRAW_MS, asyncio.get_running_loop().time() + 1, page.is_replaced)
    await page.run(whole_scripts.PIN_SIZES)  # a handler of `resize` may have set some
    await page.run(whole_scripts.SHOW_SCROLLED)
    await rest(SEEN_MS)
    return height


def cut(params: CaptureOptions, height: int, all_of_it: float, zoom: float = 1) -> View:
    """Show the viewport, as far as the options allow, of a page that may be higher. Paper goes on."""
    shown = min(height, max_height(params))  # less than the viewport, if the option `max_height` is
    clip = Part(0, 0, params.width, shown, zoom) if shown < height else None
    return View(height, clip, cut=params.full_page and params.format != "pdf" and all_of_it > shown + 1)


def _view_of(box: dict[str, float], params: CaptureOptions, page: Page, top: int) -> View:
    """Show the element at `box` in the window of `page`, which is scrolled to `top`."""
    bottom, left, right = top + page.height, math.floor(box["x"]), math.ceil(box["x"] + box["width"])
    x, y = max(0, left), max(0, math.floor(box["y"]))
    width, height = min(right, page.width) - x, min(math.ceil(box["y"] + box["height"]), bottom) - y
    if width < 1 or height < 1:
        raise SelectorNotFound("selector", f'the element that matched "{params.selector}" has no size')
    is_cut = box["y"] + box["height"] > bottom + 1
    return View(page.height, Part(x, y, width, height, box["zoom"]), is_cut, clipped=width < right - left)
