"""What the caller does to a page before its picture is taken: adds a style sheet, runs a script, clicks, scrolls.

The script and the click are the page's own to the browser: what they fetch or where they lead is judged as ever.
"""

import asyncio

from engine.errors import DeadlineExceeded, PageFailed, SelectorNotFound
from engine.page import scripts, whole_scripts
from engine.page.frame import WORLD
from engine.page.page import Page
from options import CaptureOptions

DRAWN_MS, DRAWN_SECONDS = 34, 1  # of page time and real time, for what scrolling to an element shows
MOST_RUNS = 3  # documents in which the caller's script runs
CLICK_SECONDS = 1  # a page may never return from its handlers, which are terminated then


class Actions:
    def __init__(self, page: Page, params: CaptureOptions) -> None:
        self._page = page
        self._params = params
        self._style = scripts.call_expression(scripts.ADD_STYLE, params.css) if params.css else ""
        self._runs = MOST_RUNS if params.js else 0  # that are left
        self._may_click = bool(params.click)
        self.script_failed = False

    def prepare(self) -> None:
        """Add the style sheet to every document from its start, and lift the page's policy, while the page is blank."""
        if self._style:
            self._page.session.send("Page.addScriptToEvaluateOnNewDocument", source=self._style, worldName=WORLD)
        if self._params.bypass_csp:
            self._page.session.send("Page.setBypassCSP", enabled=True)

    async def style(self) -> None:
        """Add the style sheet again, if the page has removed it."""
        if self._style:
            await self._page.evaluate(self._style)

    async def run_script(self) -> None:
        """Run the caller's script in the page's own world, once in each document until it leads to another one."""
        if not self._runs:
            return
        self._runs -= 1
        try:
            self.script_failed = not await self._page.run_as_own(self._params.js or "")
        except (DeadlineExceeded, PageFailed):  # it did not return and was terminated, or threw something huge
            self.script_failed = True
        if self._page.frame.navigating or self._page.frame.asked_to_leave:
            self._runs = 0

    async def click(self) -> bool:
        """Click as a visitor does, once in a capture. Returns whether there was something to click.

        Raises PageFailed if no element matches, or if it has no size.
        """
        if not self._may_click:
            return False
        at = await self._find()
        if at["scrolled"]:
            until = asyncio.get_running_loop().time() + DRAWN_SECONDS
            await self._page.clock.advance(DRAWN_MS, until, self._page.is_replaced)
            at = await self._find()
        self._may_click = False
        async with self._page.clock.drawing():
            _, late = await asyncio.wait(self._page.click(at["x"], at["y"]), timeout=CLICK_SECONDS)
        self._page.ignore_mouse()
        if late and not self._page.is_replaced():
            self._page.session.send("Runtime.terminateExecution")
        return True

    async def _find(self) -> dict[str, float]:
        found: dict[str, float] | None = await self._page.run(scripts.POINT_OF, self._params.click)
        if found is None:
            raise SelectorNotFound("click", f'no element matched "{self._params.click}"')
        if not found["size"]:
            raise SelectorNotFound("click", f'the element that matched "{self._params.click}" has no size')
        return found

    def end_script(self) -> None:
        """Count a script that has not run by now as failed: the page never loaded, or is a PDF."""
        self.script_failed |= self._runs == MOST_RUNS

    def require_clicked(self) -> None:
        """Raise DeadlineExceeded if there is something left to click: the picture would show another page."""
        self.end_script()
        if self._may_click:
            raise DeadlineExceeded("click: the page did not come to rest in time")

    async def scroll(self) -> bool:
        """Scroll the window, or the element that scrolls in its place. Returns whether there was anything to do."""
        if self._params.scroll_y:
            await self._page.run(whole_scripts.SCROLL_TO, self._params.scroll_y)
        return bool(self._params.scroll_y)
