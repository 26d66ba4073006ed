"""A visitor's page with 60 pictures of unknown pages, by README's lines: when the first six are there, and when all are.

The service has its shipped limits, and its own engine captures. Browser, service, engine and pages share the machine.
"""

import statistics
import time
from html import escape
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

from playwright.sync_api import Browser, Response, sync_playwright

from bench.captures import running_pages
from bench.report import Row
from scripts.headless_shell import chromium
from tests.support.browser import serving
from tests.support.engine import running_engine
from tests.support.processes import wait_until
from tests.support.redis import running_redis
from tests.support.web import running_web_process

PICTURES, IN_VIEW = 60, 6
VIEWPORT = {"width": 1000, "height": 400}  # three columns of 320 pixels, and two rows of 180
MOST_SECONDS = 3
KINDS = ("simple", "typical")


def rows(work: Path) -> list[Row]:
    with running_pages() as site, running_redis() as redis:
        target = urlsplit(site).netloc
        with running_engine(PRIVATE_TARGETS=target) as engine:
            return [_row(kind, _visits(work, site, redis.url, engine.url, kind)) for kind in KINDS]


def _row(kind: str, visits: list[tuple[float, float]]) -> Row:
    first, everything = (statistics.median(times) for times in zip(*visits, strict=True))
    return Row(
        f"{PICTURES} `<img>` of unknown {kind} pages: the first {IN_VIEW} are shown after",
        f"{first:.1f} s; all after {everything:.1f} s",
        goal=f"< {MOST_SECONDS} s",
        met=first < MOST_SECONDS,
    )


def _visits(work: Path, site: str, redis_url: str, engine_url: str, kind: str) -> list[tuple[float, float]]:
    """Return the seconds after which the first pictures and all of them were shown, in each of two visits."""
    settings = {
        "redis_url": redis_url,
        "capture_api": "engine",
        "capture_url": engine_url,
        "private_targets": urlsplit(site).netloc,
        "persist_dir": work / "media",
        "originals_dir": work / "originals",
        "thumb_limit": "1000 per minute",  # for all visits in one minute
    }
    with (
        running_web_process(work / "arrivals.log", **settings) as (service, _),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        try:
            return [_visit(browser, service, f"{site}/{kind}?visit={kind}{number}") for number in range(2)]
        finally:
            browser.close()


def _visit(browser: Browser, service: str, target: str) -> tuple[float, float]:
    targets = [f"{target}-{number}" for number in range(PICTURES)]
    wanted = [f"{service}/thumb?url={quote(each, safe='')}&w=320&h=180&format=webp&wait=0" for each in targets]
    images = "".join(f'<img src="{escape(url)}" width="320" height="180" alt="">' for url in wanted)
    html = f'<!doctype html><style>*{{margin:0}}</style><script src="{service}/thumbs.js" async></script>{images}'
    shown: dict[str, float] = {}

    def note(response: Response) -> None:
        if response.request.resource_type == "image" and response.status == 200:
            asked = parse_qs(urlsplit(response.url).query).get("url", [""])[
                0
            ]  # the script may have added to the address
            if asked in targets:
                shown.setdefault(asked, time.monotonic())

    def page(_environ, start_response):  # type: ignore[no-untyped-def]
        start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
        return [html.encode()]

    with serving(page) as address:
        opened = browser.new_page(viewport=VIEWPORT)
        opened.on("response", note)
        began = time.monotonic()
        opened.goto(address, wait_until="commit")
        wait_until(lambda: opened.wait_for_timeout(20) or len(shown) == PICTURES, "the pictures", 60)
        opened.close()
    return max(shown[each] for each in targets[:IN_VIEW]) - began, max(shown.values()) - began
