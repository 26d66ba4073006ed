"""Talks to one page: follows its main frame, runs scripts in an isolated world, and interrupts a busy page."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, TypeVar

from engine.browser.page_pool import BlankPage
from engine.devtools.connection import ProtocolError
from engine.errors import DeadlineExceeded, PageFailed
from engine.page import scripts
from engine.page.child_frames import ChildFrames
from engine.page.clock import Clock, RealClock
from engine.page.frame import DocumentReplaced, MainFrame
from engine.page.frame_clock import BURST, ENDLESS, FrameClock
from engine.page.visitor import Visitor
from options import CaptureOptions

ANSWER_SECONDS = 10  # a page that does not answer for so long has its scripts terminated

REQUESTED = scripts.call_expression(scripts.REQUESTED, BURST, ENDLESS)

Answer = TypeVar("Answer")


class Page:
    def __init__(self, blank: BlankPage, params: CaptureOptions, deadline: float) -> None:
        self.session = session = blank.session
        self.frame = MainFrame(session, blank.frame)
        self.open_spare = blank.open_spare
        self.signed = blank.identity.signed
        self._deadline = deadline
        self._visitor = Visitor(params, blank.identity)
        self.children = ChildFrames(session, self._visitor)
        self.width = self.height = 0  # of the viewport, in CSS pixels
        self.clock: Clock = (
            FrameClock(session, blank.frame_turn, self.is_replaced, self.children.others, self._ask_for_requests)
            if blank.frame_turn
            else RealClock(session)
        )
        session.on("Page.javascriptDialogOpening", self._dismiss)

    @property
    def time_left(self) -> float:
        return max(0, self._deadline - asyncio.get_running_loop().time())

    @property
    def answer_seconds(self) -> float:
        """How long the page may take for an answer."""
        return min(ANSWER_SECONDS, self.time_left / 3)

    async def run(self, function: str, *arguments: object) -> Any:
        """Run a function of `scripts` in an isolated world of the main frame. Raises PageFailed if it throws."""
        return await self.evaluate(scripts.call_expression(function, *arguments))

    async def run_as_own(self, source: str) -> bool:
        """Run a script as the page's own, where nothing of ours can be seen. Returns whether it ended without an exception.

        Raises DeadlineExceeded if it does not return.
        """
        expression = f"{source}\n;void 0"  # its value, which may be large, is not sent
        run = partial(self.frame.call_in_document, "Runtime.evaluate", expression=expression)
        return "exceptionDetails" not in await self._while_it_answers(run)

    async def evaluate(self, expression: str) -> Any:
        """Evaluate an expression at once: the page's timers stand still meanwhile, so it must not wait for them.

        The page may be busy without end, or become so by what the expression does, as page scripts observe that. Its
        scripts are then terminated. Raises PageFailed if the expression throws, and DeadlineExceeded if terminating does
        not help, or ends the expression too.
        """
        return await self._while_it_answers(partial(self._evaluate, expression))

    async def _while_it_answers(self, call: Callable[[], Awaitable[Answer]]) -> Answer:
        """Make a call that runs a script. Terminates all scripts of the page if it takes too long."""
        seconds, loop = self.answer_seconds, asyncio.get_running_loop()
        terminating = loop.call_later(seconds, self.session.send, "Runtime.terminateExecution")
        try:
            async with asyncio.timeout(2 * seconds):
                return await call()
        except DocumentReplaced:
            raise
        except (TimeoutError, ProtocolError) as err:
            if loop.time() < terminating.when():
                raise
            raise DeadlineExceeded("the page was too busy to be inspected") from err
        finally:
            terminating.cancel()

    def _ask_for_requests(self) -> asyncio.Future[dict[str, Any]] | None:
        return self.frame.ask(REQUESTED)

    async def _evaluate(self, expression: str) -> Any:
        try:
            answer = await self.frame.call_in_document(
                "Runtime.evaluate",
                expression=expression,
                contextId=await self.frame.isolated_world(),
                returnByValue=True,
            )
        except ProtocolError:
            self.frame.create_world()  # the next call needs the world of the document of that time
            raise
        if "exceptionDetails" in answer:
            raise PageFailed("the page could not be inspected")
        return answer["result"].get("value")

    async def interrupt_if_busy(self, call: Callable[[], Awaitable[Answer]]) -> Answer:
        """Make a call. If the page is too busy to answer, terminate its scripts and retry once.

        An earlier `Runtime.terminateExecution` may have hit our own script, so a refused call is retried too.
        Raises DocumentReplaced.
        """
        try:
            async with asyncio.timeout(self.answer_seconds):
                return await call()
        except DocumentReplaced:
            raise
        except (TimeoutError, ProtocolError):
            await self.session.call("Runtime.terminateExecution")
            return await call()

    def stop_scripts(self) -> None:
        """Terminate the page's scripts, and let none of its own run from now on. Ours still do."""
        self.session.send("Runtime.terminateExecution")
        self.session.send("Emulation.setScriptExecutionDisabled", value=True)

    def set_visitor(self) -> Iterable[asyncio.Future[dict[str, Any]]]:
        """Make the page see the visitor that the options describe, from its first request on."""
        return [self.session.send(method, **given) for method, given in self._visitor.page_calls()]

    def set_viewport(self, width: int, height: int) -> asyncio.Future[dict[str, Any]]:
        """Give the viewport a size in CSS pixels. The browser itself handles this, so it applies before later calls."""
        self.width, self.height = width, height
        return self.session.send("Emulation.setDeviceMetricsOverride", **self._visitor.metrics(width, height))

    def click(self, x: float, y: float) -> list[asyncio.Future[dict[str, Any]]]:
        """Move the mouse to a point of the window, and click. The answers may need a frame.

        The page notices the mouse from now on, until `ignore_mouse`.
        """
        send, button = self.session.send, {"button": "left", "clickCount": 1}
        send("Input.setIgnoreInputEvents", ignore=False)
        return [
            send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y),
            send("Input.dispatchMouseEvent", type="mousePressed", x=x, y=y, buttons=1, **button),
            send("Input.dispatchMouseEvent", type="mouseReleased", x=x, y=y, **button),
        ]

    def ignore_mouse(self) -> None:
        """Leave the mouse where it is, whatever the browser does with it."""
        self.session.send("Input.setIgnoreInputEvents", ignore=True)

    def is_replaced(self) -> bool:
        return self.frame.leaving or not self.frame.committed

    def is_held_up(self) -> bool:
        """Return whether the document is there, and waits for parts that it needs for `load`."""
        return not self.is_replaced() and not self.frame.loaded

    def _dismiss(self, event: dict[str, Any]) -> None:
        """Dismiss a dialog, but let the page be left: only a click of the caller makes a page ask."""
        self.session.send("Page.handleJavaScriptDialog", accept=event["type"] == "beforeunload")
