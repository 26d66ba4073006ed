"""Pages that are opened in advance: each serves one capture, and one that breaks while idle does no harm."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from engine.browser.identity import BrowserIdentity
from engine.browser.page_pool import BlankPage, PagePool
from engine.errors import PageFailed, Unavailable
from tests.engine.conftest import small_engine
from tests.engine.page.test_options import GREEN, body, colour
from tests.support.engine import Engine, eventually, group_members
from tests.support.loop import in_loop, until
from tests.support.site import Site


class Tab:
    """Stands in for a session, which fails when `broken` is set."""

    broken = False

    def raise_if_failed(self) -> None:
        if self.broken:
            raise PageFailed("it crashed")


class Window:
    """Opens pages while `may_open` is set, and closes them while `may_close` is set."""

    def __init__(self) -> None:
        self.opened: list[Tab] = []
        self.open = 0
        self.may_open, self.may_close = asyncio.Event(), asyncio.Event()
        self.may_open.set()
        self.may_close.set()
        self.full = False
        self.open_spare = lambda: None

    @asynccontextmanager
    async def page(self) -> AsyncIterator[BlankPage]:
        if self.full:
            raise Unavailable("no listener left")
        await self.may_open.wait()
        self.opened.append(Tab())
        self.open += 1
        try:
            yield BlankPage(self.opened[-1], str(len(self.opened)), None, self.open_spare, BrowserIdentity("1.2.3.4"))
        finally:
            await self.may_close.wait()
            self.open -= 1


@asynccontextmanager
async def pages_of(window: Window) -> AsyncIterator[PagePool]:
    pages = PagePool(window.page)
    window.open_spare = pages.open_spare
    try:
        yield pages
    finally:
        await pages.cancel()
    assert window.open == 0


@in_loop
async def test_each_page_serves_one_capture_and_the_next_one_opens_in_advance():
    window = Window()
    async with pages_of(window) as pages:
        for number in (1, 2, 3):
            async with pages.use() as page:
                assert page.frame == str(number)
                page.open_spare()
                await until(lambda number=number: len(window.opened) == number + 1)
        await until(lambda: window.open == 1)


@in_loop
async def test_a_successful_capture_does_not_wait_for_its_page_to_close_but_a_failed_one_does():
    window = Window()
    async with pages_of(window) as pages:
        window.may_close.clear()
        async with pages.use():
            pass
        assert window.open >= 1  # and yet the capture has ended

        async def fails() -> None:
            async with pages.use():
                raise PageFailed("its own fault")

        failing = asyncio.create_task(fails())
        await until(lambda: len(window.opened) == 2)
        assert not failing.done()
        window.may_close.set()
        with pytest.raises(PageFailed):
            await failing


@in_loop
async def test_a_page_is_in_use_until_it_is_closed_and_a_spare_one_is_not():
    """A page that hangs while it closes counts as open when the browser is killed because of it."""
    window = Window()
    async with pages_of(window) as pages:
        pages.open_spare()
        await until(lambda: window.open == 1)
        assert pages.in_use == 0
        window.may_close.clear()
        async with pages.use():
            assert pages.in_use == 1
        async with pages.use():
            assert pages.in_use == 2
        window.may_close.set()
        await until(lambda: pages.in_use == 0)


@in_loop
async def test_a_page_that_breaks_while_idle_is_not_used():
    window = Window()
    async with pages_of(window) as pages:
        pages.open_spare()
        await until(lambda: window.open == 1)
        window.opened[0].broken = True
        async with pages.use() as page:
            assert page.frame == "2"


@in_loop
async def test_the_page_of_a_cancelled_capture_is_kept_for_the_next_one():
    window = Window()
    async with pages_of(window) as pages:
        window.may_open.clear()

        async def wants() -> None:
            async with pages.use():
                raise AssertionError("it was given up")

        impatient = asyncio.create_task(wants())
        await asyncio.sleep(0.01)
        impatient.cancel()
        await asyncio.wait([impatient])
        window.may_open.set()
        async with pages.use() as page:
            assert page.frame == "1"


@in_loop
async def test_a_page_that_cannot_be_opened_raises_the_reason_and_the_next_capture_tries_again():
    window = Window()
    async with pages_of(window) as pages:
        window.full = True
        pages.open_spare()
        with pytest.raises(Unavailable, match="no listener left"):
            async with pages.use():
                pass
        window.full = False
        async with pages.use() as page:
            assert page.frame == "1"


def is_renderer(pid: int) -> bool:
    try:
        return b"--type=renderer" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def renderers(engine: Engine) -> list[int]:
    members = group_members(engine.browser_pids[-1])
    return [pid for pid in members if is_renderer(pid)]


def test_a_renderer_that_crashes_while_idle_fails_no_capture_and_no_browser(site: Site):
    url = site.add("/after-idle", body("green"))
    with small_engine(site, ENGINE_CONCURRENCY=1) as engine:
        assert colour(engine.capture(url)) == GREEN
        idle = eventually(lambda: engine.health()["in_flight"] == 0 and renderers(engine))
        for pid in idle:
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: not {*idle} & {*group_members(engine.browser_pids[-1])})
        assert colour(engine.capture(url)) == GREEN
        assert engine.health()["restarts"] == 0
