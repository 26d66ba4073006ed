"""Drives pages for people in the installed Chromium, which reaches loopback only, and checks them with axe-core.

Offers fixtures: a test module that looks at pages imports `browser` and `open_page` from here.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from werkzeug.serving import WSGIRequestHandler, make_server

from scripts.headless_shell import chromium

SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
_LOOKS = (("desktop", "light"), ("phone", "dark"))  # each size and each theme: no colour depends on the size
# The rest of its answer, what it found right, costs as much as the search itself.
_FIND = "axe.run({resultTypes: ['violations']}).then((found) => found.violations)"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests of a module.

    As long as Playwright runs, its event loop counts as running in this thread, so that no test could run another one.
    """
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=chromium(),
            args=[
                "--no-sandbox",  # as root there is none
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # nothing outside loopback is asked
                # Pages live for a second. Scripts that are compiled twice, and a process that draws, do not pay for themselves.
                "--js-flags=--no-opt --single-threaded",
                "--in-process-gpu",
            ],
        )
        yield launched
        launched.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open pages, each in a profile of its own: `open_page(url, size="phone", theme="dark", scripts=False)`.

    The test fails if a page breaks its content security policy, raises an error or asks another server.
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_(url: str, size: str = "desktop", theme: str = "light", *, scripts: bool = True, **more: Any) -> Page:
        width, height = SIZES[size]
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=theme,
            java_script_enabled=scripts,
            reduced_motion="reduce",
            **more,
        )
        contexts.append(context)
        page = context.new_page()
        watch(page, url, complaints)
        page.goto(url)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


def watch(page: Page, url: str, complaints: list[str]) -> None:
    """Note in `complaints` what a page of the service at `url` must not do."""
    origin = "/".join(url.split("/")[:3])
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    page.on("console", lambda entry: _is_refusal(entry.text) and complaints.append(entry.text))
    page.on("request", lambda request: _is_at(request.url, origin) or complaints.append(f"asked {request.url}"))


def _is_at(url: str, origin: str) -> bool:
    return url.removeprefix("blob:").startswith(origin)  # a page's own blob is not asked of anybody


def _is_refusal(text: str) -> bool:
    return "Content Security Policy" in text


def violations(page: Page) -> list[str]:
    """Return what axe-core finds wrong with a page: the rule, and the elements that break it. Needs scripts."""
    page.wait_for_load_state("domcontentloaded")  # a click that leads on ends when the next page begins
    if page.evaluate("typeof axe") == "undefined":  # it stays in a document
        page.evaluate(AXE_SCRIPT)
    found = page.evaluate(_FIND)
    return [f"{each['id']}: {node['html'][:200]} {node['failureSummary']}" for each in found for node in each["nodes"]]


def faults(page: Page) -> list[str]:
    """Return the violations of a page, and whether it is wider than the window, in each size and each theme."""
    found = []
    for size, theme in _LOOKS:
        show_as(page, size, theme)
        found += [f"{size}: {each}" for each in violations(page)] + [f"{size}: overflows"] * overflows(page)
    return found


def show_as(page: Page, size: str, theme: str) -> None:
    """Give an open page the window of a size, and the theme of the system."""
    width, height = SIZES[size]
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme=theme)


def overflows(page: Page) -> bool:
    """Return whether the page is wider than the window."""
    page.wait_for_load_state("domcontentloaded")
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


def screenshot(page: Page, path: Path) -> None:
    """Save the whole page as a PNG, for a person to look at."""
    page.screenshot(path=path, full_page=True)


class _Silent(WSGIRequestHandler):
    """Logs no request: the line would hold its query, and so a signature."""

    def log_request(self, *_: object) -> None:
        pass


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve a WSGI application from threads of the test's process, and yield its URL."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Silent)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
