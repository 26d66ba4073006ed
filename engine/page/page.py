"""One page as the engine talks to it: its main frame, scripts in an isolated world, and patience with busy ones."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from engine.browser.page_pool import BlankPage
from engine.devtools.connection import ProtocolError
from engine.errors import PageFailed
from engine.page import scripts
from engine.page.frame import DocumentReplaced, MainFrame

PATIENCE = 10  # seconds in which a page must answer before its scripts are stopped

Answer = TypeVar("Answer")


class Page:
    def __init__(self, blank: BlankPage, deadline: float) -> None:
        self.session = session = blank.session
        self.frame = MainFrame(session, blank.frame)
        self.make_next = blank.make_next
        self._deadline = deadline
        session.on("Page.javascriptDialogOpening", self._dismiss)

    @property
    def time_left(self) -> float:
        return max(0, self._deadline - asyncio.get_running_loop().time())

    async def ask(self, function: str, *arguments: object) -> Any:
        """Call a function of `scripts` in an isolated world of the main frame. Raises PageFailed when it throws."""
        return await self.evaluate(scripts.call(function, *arguments))

    async def evaluate(self, expression: str) -> Any:
        try:
            outcome = await self.frame.ask(
                "Runtime.evaluate",
                expression=expression,
                contextId=await self.frame.world(),
                awaitPromise=True,
                returnByValue=True,
            )
        except ProtocolError:
            self.frame.make_world()  # the next question shall find that of what is there then
            raise
        if "exceptionDetails" in outcome:
            raise PageFailed("the page could not be inspected")
        return outcome["result"].get("value")

    async def insist(self, question: Callable[[], Awaitable[Answer]]) -> Answer:
        """Ask; if the page is too busy to answer, stop its scripts and ask once more. Raises DocumentReplaced.

        `Runtime.terminateExecution` may hit our own script instead of the page's, so a refusal is asked again too.
        """
        try:
            async with asyncio.timeout(min(PATIENCE, self.time_left / 3)):
                return await question()
        except DocumentReplaced:
            raise
        except (TimeoutError, ProtocolError):
            await self.session.call("Runtime.terminateExecution")
            return await question()

    def _dismiss(self, _event: dict[str, Any]) -> None:
        self.session.send("Page.handleJavaScriptDialog", accept=False)
