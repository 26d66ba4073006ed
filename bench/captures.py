"""Captures per second: our engine, a bare DevTools loop, and tools that start a browser for each picture."""

import asyncio
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, urlsplit

import aiohttp

from bench.devtools import CHROMIUM, FLAGS, bare_browser
from bench.report import Row, count, percent, times
from bench.servers import ROOT
from tests.support.engine import running_engine
from tests.support.processes import free_port, running

# The seconds of a round. A heavy page takes one second, and a round should fit several captures.
PAGES = {"simple": 1.2, "typical": 1.5, "heavy": 2}
AT_ONCE = (1, 2, 4)
ROUNDS = 3
OURS, BARE, COMMAND_LINE, SHOT_SCRAPER = "ours", "bare", "headless-shell command line", "shot-scraper"

SHOT_SCRAPER_PROGRAM = str(Path(sys.executable).with_name("shot-scraper"))

Capture = Callable[[str], Awaitable[int]]
Contender = tuple[str, int]  # a name, and the number of captures at a time
Speeds = dict[str, dict[Contender, list[float]]]  # page → contender → captures per second, one number per round


def rows(work: Path) -> list[Row]:
    with running_pages() as site, running_engine(PRIVATE_TARGETS=urlsplit(site).netloc) as engine:
        health = engine.health()
        speeds = asyncio.run(_speeds(site, engine.url, work))
    walls = f"sandbox {'on' if health.get('sandbox') else 'OFF'}"
    return [*_speed_rows(speeds, walls), *_tool_rows(speeds)]


@contextmanager
def running_pages() -> Iterator[str]:
    port = free_port()
    with running([sys.executable, "-m", "bench.pages", str(port)], port, cwd=ROOT):
        yield f"http://127.0.0.1:{port}"


async def captures_a_second(capture: Capture, url: str, at_once: int, seconds: float) -> float:
    """Keep `at_once` captures in progress for `seconds`. Captures that started in time count with their whole time."""
    began = time.monotonic()
    done = 0

    async def caller() -> None:
        nonlocal done
        while time.monotonic() - began < seconds:
            async with asyncio.timeout(30):
                size = await capture(f"{url}?n={time.monotonic_ns()}")
            if size < 1000:
                raise RuntimeError(f"no picture of {url}")
            done += 1

    await asyncio.gather(*(caller() for _ in range(at_once)))
    return done / (time.monotonic() - began)


async def _speeds(site: str, engine: str, work: Path) -> Speeds:
    async with bare_browser() as browser, aiohttp.ClientSession() as http:

        async def ours(url: str) -> int:
            asked = f"{engine}/v1/screenshot?url={quote(url, safe='')}"
            async with http.get(asked) as answer:
                answer.raise_for_status()
                return len(await answer.read())

        warm = {OURS: ours, BARE: browser.capture}
        captures = warm | {COMMAND_LINE: command_line(work), SHOT_SCRAPER: shot_scraper(work)}
        return {page: await _rounds(captures, f"{site}/{page}", seconds) for page, seconds in PAGES.items()}


async def _rounds(captures: dict[str, Capture], url: str, seconds: float) -> dict[Contender, list[float]]:
    """Run all contenders in each round, in reverse order in every second one, so that other load affects all alike."""
    turns = [(name, at_once) for at_once in AT_ONCE for name in (OURS, BARE)]
    turns += [(COMMAND_LINE, 2), (SHOT_SCRAPER, 2)]  # two at a time, one for each core
    for capture in captures.values():
        await captures_a_second(capture, url, 2, 0.5)  # warm-up
    found: dict[Contender, list[float]] = {turn: [] for turn in turns}
    for _ in range(ROUNDS):
        for name, at_once in turns:
            found[name, at_once].append(await captures_a_second(captures[name], url, at_once, seconds))
        turns.reverse()
    return found


def command_line(work: Path) -> Capture:
    async def capture(url: str) -> int:
        out = work / f"{time.monotonic_ns()}.png"
        profile = out.with_suffix("")
        size = "--window-size=1280,720"
        return len(await run([CHROMIUM, *FLAGS, size, f"--user-data-dir={profile}", f"--screenshot={out}", url], out))

    return capture


def shot_scraper(work: Path) -> Capture:
    """Run shot-scraper with our Chromium, linked to the path of Playwright's own."""
    environ = os.environ | linked_browser(work)

    async def capture(url: str) -> int:
        out = work / f"{time.monotonic_ns()}.png"
        return len(
            await run(
                [SHOT_SCRAPER_PROGRAM, url, "--width", "1280", "--height", "720", "--output", str(out)], out, environ
            )
        )

    return capture


def linked_browser(work: Path) -> dict[str, str]:
    """Link our browser to the path where Playwright looks for its own, and return the variable that leads there.

    The path has Playwright's version in it, so its error message is asked.
    """
    browsers = work / "browsers"
    found = {"PLAYWRIGHT_BROWSERS_PATH": str(browsers)}
    if not browsers.exists():
        script = "from playwright.sync_api import sync_playwright as s\nwith s() as p: p.chromium.launch()"
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, env=os.environ | found, capture_output=True, text=True, check=False)
        expected = Path(re.search(r"Executable doesn't exist at (\S+)", done.stderr)[1])
        expected.parent.mkdir(parents=True)
        expected.symlink_to(CHROMIUM)
    return found


async def run(command: list[str], out: Path, environ: dict[str, str] | None = None) -> bytes:
    """Run a tool, and return the picture that it wrote to `out`, or b"" if there is none."""
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet, env=environ)
    try:
        await process.wait()
    finally:  # also if the caller gives up
        with suppress(ProcessLookupError):
            process.kill()
    return _read_and_delete(out)


def _read_and_delete(out: Path) -> bytes:
    body = out.read_bytes() if out.exists() else b""
    out.unlink(missing_ok=True)
    return body


def _speed_rows(speeds: Speeds, walls: str) -> list[Row]:
    found = []
    for page, rates in speeds.items():
        ratios = [_ratio(rates, (OURS, at_once), (BARE, at_once)) for at_once in AT_ONCE]
        found.append(
            Row(
                f"captures/s, {page} page, {', '.join(map(str, AT_ONCE))} at a time; guard on, {walls}",
                ", ".join(count(statistics.median(rates[OURS, at_once])) for at_once in AT_ONCE),
                f"bare DevTools loop {', '.join(count(statistics.median(rates[BARE, at_once])) for at_once in AT_ONCE)}",
                ", ".join(map(percent, ratios)),
                "≥ 100 %",
                min(ratios) >= 1,
                headline=True,
            )
        )
    return found


def _tool_rows(speeds: Speeds) -> list[Row]:
    found = []
    for name, goal in ((COMMAND_LINE, 2.4), (SHOT_SCRAPER, 5.0)):
        ratios = [_ratio(rates, (OURS, 2), (name, 2)) for rates in speeds.values()]
        theirs = ", ".join(count(statistics.median(rates[name, 2])) for rates in speeds.values())
        found.append(
            Row(
                f"captures/s, {', '.join(speeds)} page, 2 at a time",
                ", ".join(count(statistics.median(rates[OURS, 2])) for rates in speeds.values()),
                f"{name}, one process a capture, {theirs}",
                ", ".join(map(times, ratios)),
                f"≥ {goal:g} ×",
                min(ratios) >= goal,
                headline=True,
            )
        )
    return found


def _ratio(rates: dict[Contender, list[float]], one: Contender, other: Contender) -> float:
    """Return the median of the rounds' ratios. Within a round, both were measured within seconds."""
    return statistics.median(a / b for a, b in zip(rates[one], rates[other], strict=True))
