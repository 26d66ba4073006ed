"""How many pages come out right that are at rest only some time after they have loaded: our engine and other tools."""

import asyncio
import io
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
from PIL import Image

from bench.captures import link_browser, run
from bench.devtools import CHROMIUM, FLAGS
from bench.report import Row
from tests.engine.page.test_options import GREEN
from tests.support.engine import running_engine
from tests.support.pages_at_rest import PAGES, POINTS, SIZE, add_page, add_parts, running_greeter
from tests.support.site import running_site

if TYPE_CHECKING:
    from playwright.async_api import Browser

AT_ONCE = 2
OURS = "ours"
Capture = Callable[[str], Awaitable[bytes]]


def rows(work: Path) -> list[Row]:
    with running_site() as site, running_greeter() as socket:
        add_parts(site)
        urls = [add_page(site, f"/page-{number}", content, socket) for number, content in enumerate(PAGES.values())]
        exempt = f"{site.address},localhost:{site.port},127.0.0.1:{socket}"
        with running_engine(PRIVATE_TARGETS=exempt) as engine:
            found = asyncio.run(_measure(urls, engine.url, work))
    ours, seconds = found.pop(OURS)
    others = ", ".join(f"{name} {right} ({each:.1f} s)" for name, (right, each) in found.items())
    goal = len(urls)
    return [
        Row(
            f"right of {goal} pages that are at rest within two seconds after load; mean seconds of a capture, {AT_ONCE} at a time",
            f"{ours} ({seconds:.1f} s)",
            others,
            goal="all",
            met=ours == goal,
            headline=True,
        )
    ]


async def _measure(urls: list[str], engine: str, work: Path) -> dict[str, tuple[int, float]]:
    """Return for each tool the number of right pictures, and the mean seconds of a capture."""
    from playwright.async_api import async_playwright  # noqa: PLC0415 - only `make setup-bench` installs it

    os.environ["PLAYWRIGHT_BROWSERS_PATH"] = str(work / "browsers")
    link_browser(dict(os.environ))
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        driver = await stack.enter_async_context(async_playwright())
        browser = await driver.chromium.launch()
        stack.push_async_callback(browser.close)
        tools = {
            OURS: _engine(http, engine),
            "Playwright at load": _playwright(browser, "load"),
            "at networkidle": _playwright(browser, "networkidle"),
            "headless shell `--screenshot`": _command_line(work),
            "with `--virtual-time-budget=3000`": _command_line(work, "--virtual-time-budget=3000"),
            "shot-scraper": _shot_scraper(work),
        }
        return {name: await _judge(capture, urls) for name, capture in tools.items()}


async def _judge(capture: Capture, urls: list[str]) -> tuple[int, float]:
    turns, seconds = asyncio.Semaphore(AT_ONCE), []

    async def is_right(url: str) -> bool:
        async with turns:
            began = time.monotonic()
            try:
                async with asyncio.timeout(30):
                    body = await capture(url)
            except Exception:  # noqa: BLE001 - a tool that fails has no right picture
                body = b""
            seconds.append(time.monotonic() - began)
        return bool(body) and _shows_green(body)

    right = await asyncio.gather(*map(is_right, urls))
    return sum(right), sum(seconds) / len(seconds)


def _shows_green(body: bytes) -> bool:
    image = Image.open(io.BytesIO(body)).convert("RGB")
    return {image.getpixel(point) for point in POINTS} == {GREEN}


def _engine(http: aiohttp.ClientSession, url: str) -> Capture:
    async def capture(page: str) -> bytes:
        async with http.get(f"{url}/v1/screenshot", params={"url": page} | SIZE) as answer:
            answer.raise_for_status()
            return await answer.read()

    return capture


def _playwright(browser: "Browser", moment: str) -> Capture:
    async def capture(url: str) -> bytes:
        context = await browser.new_context(viewport=SIZE)
        try:
            page = await context.new_page()
            await page.goto(url, wait_until=moment)
            return await page.screenshot()
        finally:
            await context.close()

    return capture


def _command_line(work: Path, *more: str) -> Capture:
    async def capture(url: str) -> bytes:
        out = work / f"{time.monotonic_ns()}.png"
        size = "--window-size={width},{height}".format(**SIZE)
        return await run([CHROMIUM, *FLAGS, size, *more, f"--user-data-dir={out}.d", f"--screenshot={out}", url], out)

    return capture


def _shot_scraper(work: Path) -> Capture:
    async def capture(url: str) -> bytes:
        out = work / f"{time.monotonic_ns()}.png"
        size = ["--width", str(SIZE["width"]), "--height", str(SIZE["height"])]
        return await run(["shot-scraper", url, *size, "--output", str(out)], out)

    return capture
