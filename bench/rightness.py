"""How many pages come out right that are at rest only some time after they have loaded: our engine and other tools."""

import asyncio
import io
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
from PIL import Image

from bench.captures import SHOT_SCRAPER_PROGRAM, linked_browser, run
from bench.devtools import CHROMIUM, FLAGS
from bench.report import Row
from tests.engine.page import test_whole_pages
from tests.engine.page.test_options import GREEN
from tests.support.engine import running_engine
from tests.support.pages_at_rest import PAGES, POINTS, SIZE, add_page, add_parts, running_greeter
from tests.support.site import Site, running_site

if TYPE_CHECKING:
    from playwright.async_api import Browser

AT_ONCE = 2
OURS = "ours"
LOOK_SECONDS = 2  # that a `delay` of other services gives a page
Capture = Callable[[str], Awaitable[bytes]]
Judge = Callable[[Image.Image], bool]


@dataclass(frozen=True)
class Subject:
    """Pages of one kind by their URLs, each with what its right picture shows."""

    title: str
    pages: Mapping[str, Judge]
    whole: bool = False


def rows(work: Path) -> list[Row]:
    os.environ.update(linked_browser(work))
    with running_site() as site, running_greeter() as socket:
        exempt = f"{site.address},localhost:{site.port},127.0.0.1:{socket}"
        subjects = [_at_rest(site, socket), _whole(site)]
        with running_engine(PRIVATE_TARGETS=exempt) as engine:
            return [_row(subject, asyncio.run(_measure(subject, engine.url, work))) for subject in subjects]


def _at_rest(site: Site, socket: int) -> Subject:
    add_parts(site)
    urls = [add_page(site, f"/page-{number}", content, socket) for number, content in enumerate(PAGES.values())]
    is_green: Judge = lambda image: {image.getpixel(point) for point in POINTS} == {GREEN}  # noqa: E731
    return Subject("pages that are at rest within two seconds after load", dict.fromkeys(urls, is_green))


def _whole(site: Site) -> Subject:
    test_whole_pages.add_parts(site)
    pages = {}
    for number, (content, points, height) in enumerate(test_whole_pages.PAGES.values()):
        pages[site.add(f"/whole-{number}", content)] = partial(_shows, points, height)
    return Subject("whole pages", pages, whole=True)


def _shows(points: Mapping[int, tuple[int, ...]], height: int, image: Image.Image) -> bool:
    """Return whether the picture has this height and, in its middle, these colours."""
    return image.height == height and all(image.getpixel((200, y)) == colour for y, colour in points.items())


def _row(subject: Subject, found: dict[str, tuple[int, float]]) -> Row:
    ours, seconds = found.pop(OURS)
    others = ", ".join(f"{name} {right} ({each:.1f} s)" for name, (right, each) in found.items())
    goal = len(subject.pages)
    return Row(
        f"right of {goal} {subject.title}; mean seconds of a capture, {AT_ONCE} at a time",
        f"{ours} ({seconds:.1f} s)",
        others,
        goal="all",
        met=ours == goal,
        headline=not subject.whole,
    )


async def _measure(subject: Subject, engine: str, work: Path) -> dict[str, tuple[int, float]]:
    """Return for each tool the number of right pictures, and the mean seconds of a capture."""
    from playwright.async_api import async_playwright  # noqa: PLC0415 - only `make setup-bench` installs it

    whole = subject.whole
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        driver = await stack.enter_async_context(async_playwright())
        browser = await driver.chromium.launch()
        stack.push_async_callback(browser.close)
        tools = {
            OURS: _engine(http, engine, whole=whole),
            "Playwright at load": _playwright(browser, "load", whole=whole),
            f"at load and {LOOK_SECONDS} s": _playwright(browser, "load", LOOK_SECONDS, whole=whole),
            "shot-scraper": _shot_scraper(work, whole=whole),
        }
        if not whole:
            tools |= {
                "at networkidle": _playwright(browser, "networkidle", whole=whole),
                "headless shell `--screenshot`": _command_line(work),
                "with `--virtual-time-budget=3000`": _command_line(work, "--virtual-time-budget=3000"),
            }
        return {name: await _judge(capture, subject.pages) for name, capture in tools.items()}


async def _judge(capture: Capture, pages: Mapping[str, Judge]) -> tuple[int, float]:
    turns, seconds = asyncio.Semaphore(AT_ONCE), []

    async def is_right(url: str, judge: Judge) -> bool:
        async with turns:
            began = time.monotonic()
            try:
                async with asyncio.timeout(30):
                    body = await capture(url)
            except Exception:  # noqa: BLE001 - a tool that fails has no right picture
                body = b""
            seconds.append(time.monotonic() - began)
        return bool(body) and judge(Image.open(io.BytesIO(body)).convert("RGB"))

    right = await asyncio.gather(*(is_right(url, judge) for url, judge in pages.items()))
    return sum(right), sum(seconds) / len(seconds)


def _engine(http: aiohttp.ClientSession, url: str, *, whole: bool) -> Capture:
    async def capture(page: str) -> bytes:
        params = {"url": page, "full_page": int(whole)} | SIZE
        async with http.get(f"{url}/v1/screenshot", params=params) as answer:
            answer.raise_for_status()
            return await answer.read()

    return capture


def _playwright(browser: "Browser", moment: str, seconds: float = 0, *, whole: bool) -> Capture:
    async def capture(url: str) -> bytes:
        context = await browser.new_context(viewport=SIZE)
        try:
            page = await context.new_page()
            await page.goto(url, wait_until=moment)
            await asyncio.sleep(seconds)
            return await page.screenshot(full_page=whole)
        finally:
            await context.close()

    return capture


def _command_line(work: Path, *more: str) -> Capture:
    async def capture(url: str) -> bytes:
        out = work / f"{time.monotonic_ns()}.png"
        size = "--window-size={width},{height}".format(**SIZE)
        return await run([CHROMIUM, *FLAGS, size, *more, f"--user-data-dir={out}.d", f"--screenshot={out}", url], out)

    return capture


def _shot_scraper(work: Path, *, whole: bool) -> Capture:
    async def capture(url: str) -> bytes:
        out = work / f"{time.monotonic_ns()}.png"
        size = ["--width", str(SIZE["width"]), *([] if whole else ["--height", str(SIZE["height"])])]
        return await run([SHOT_SCRAPER_PROGRAM, url, *size, "--output", str(out)], out)

    return capture
