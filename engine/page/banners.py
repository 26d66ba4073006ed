"""Refuses a page's consent banners by their own buttons, then hides what is left, and chat widgets and pop-ups.

The tools and words are data, in `engine/data`. What is done inside a document is in `engine/page/banner_scripts`.
"""

import asyncio
import json
import tomllib
from collections.abc import Awaitable
from functools import cache
from pathlib import Path
from typing import Any

from engine.devtools.connection import ProtocolError
from engine.errors import PageFailed
from engine.page.page import Page
from options import CaptureOptions

ROUNDS = 3  # a second layer may have to be opened, and one banner may follow another
TURN_MS, TURN_SECONDS = 300, 0.15  # of page time and real time, for what a button sets going
ANSWER_SECONDS = 1  # a page may never return from its button
MOST_FRAMES = 6
WORDS = ("about", "consent", "uses", "refuse", "accept")

_DATA, _SCRIPTS = Path(__file__).parents[1] / "data", Path(__file__).with_name("banner_scripts")
Answer = dict[str, Any]  # of `run` in `banner_scripts`

_NOTHING: Answer = {"found": 0, "pressed": 0, "frames": 0, "whole": False}
_FRAME_SPOKE = "function() { banners.spoke.add(this) }"


class Banners:
    def __init__(self, page: Page, params: CaptureOptions) -> None:
        self._page = page
        self._script = _script(consent=params.block_cookie_banners, chats=params.block_chats)
        self._judged = self._pressed = -1  # the last document that was judged, and that had a button pressed
        self._found = False

    async def clear(self) -> bool:
        """Refuse and hide what shows now, in bounded time. Returns whether there was anything."""
        if not self._script:
            return False
        self._found, self._judged = False, self._page.frame.document
        if self._pressed in (-1, self._judged):  # else a refusal reloaded the page, and the banner is back
            await self._refuse()
        else:
            self._found = True
        if self._found:
            await self._hide()
        return self._found

    @property
    def was_refused(self) -> bool:
        """Whether a button was pressed in the document that was judged last."""
        return self._pressed == self._judged

    async def hide_again(self) -> None:
        """Hide what the page has brought back, or all that can be recognised if it was never judged."""
        if self._script and (self._found or self._judged != self._page.frame.document):
            await self._hide()

    async def _refuse(self) -> None:
        """Press what refuses, until nothing more does, or the page leaves."""
        for _ in range(ROUNDS):
            answers = [await self._run(pressing=True)]
            if answers[0]["frames"]:
                answers += await self._run_in_frames(pressing=True)
            self._found |= any(answer["found"] for answer in answers)
            if not any(answer["pressed"] for answer in answers):
                return
            self._pressed = self._judged
            until = asyncio.get_running_loop().time() + TURN_SECONDS
            await self._page.clock.advance(TURN_MS, until, self._page.is_replaced)
            if self._page.is_replaced():
                return

    async def _hide(self) -> None:
        answer = await self._run(hiding=True)
        if answer["frames"] and any(inner["whole"] for inner in await self._run_in_frames(hiding=True)):
            await self._run(hiding=True)  # now with the frames that are banners

    async def _run(self, **task: bool) -> Answer:
        """Run a task in the page."""
        expression = f"{self._script}({json.dumps(task)})"
        return (await self._bounded(self._run_in_page(expression)))[0]

    async def _run_in_frames(self, **task: bool) -> list[Answer]:
        """Run a task in the frames of other sites that may hold a banner."""
        return await self._bounded(self._run_in_closed_frames(f"{self._script}({json.dumps(task | {'framed': True})})"))

    async def _bounded(self, running: Awaitable[list[Answer]]) -> list[Answer]:
        """Wait for the answers. Scripts that do not return from a button are terminated: that was a banner's."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await running
        except TimeoutError:
            self._page.session.send("Runtime.terminateExecution")
            return [_NOTHING | {"found": 1}]
        except (ProtocolError, PageFailed):  # the document was replaced, or cannot be inspected
            return [_NOTHING]

    async def _run_in_page(self, expression: str) -> list[Answer]:
        return [await self._page.evaluate(expression)]

    async def _run_in_closed_frames(self, expression: str) -> list[Answer]:
        owners = (await self._closed_frames())[:MOST_FRAMES]
        return await asyncio.gather(*(self._run_in_frame(owner, expression) for owner in owners))

    async def _closed_frames(self) -> list[str]:
        """Return the object ids of the frames that the last task left to be judged from inside."""
        call, world = self._page.frame.call_in_document, await self._page.frame.isolated_world()
        listed = await call("Runtime.evaluate", expression="banners.frames", contextId=world)
        entries = await call("Runtime.getProperties", objectId=listed["result"]["objectId"], ownProperties=True)
        values = [entry.get("value", {}) for entry in entries["result"]]
        return [value["objectId"] for value in values if value.get("subtype") == "node"]

    async def _run_in_frame(self, owner: str, expression: str) -> Answer:
        try:
            answer: Answer = await self._page.children.evaluate(owner, expression) or _NOTHING
        except ProtocolError:  # the frame has gone
            return _NOTHING
        if answer["whole"]:
            call = self._page.frame.call_in_document
            await call("Runtime.callFunctionOn", objectId=owner, functionDeclaration=_FRAME_SPOKE)
        return answer


@cache
def _script(*, consent: bool, chats: bool) -> str:
    """Make the function that runs a task in a document, or "" if nothing is to be done."""
    tools: list[dict[str, Any]] = []
    words = None
    if consent:
        tools = [tool | {"consent": True} for tool in _read("banners.toml")["tool"]]
        words = _words()
    if chats:
        tools += _read("chats.toml")["tool"]
    if not tools:
        return ""
    parts = [
        (_SCRIPTS / f"{name}.js").read_text(encoding="utf-8")
        for name in ("tree", "find", "press", "hide", "room", "run")
    ]
    code = "\n".join(line for line in "".join(parts).splitlines() if not line.lstrip().startswith("//"))
    return f"(() => {{ {code}\nreturn task => run({json.dumps({'tools': tools, 'words': words}, ensure_ascii=False)}, task) }})()"


def _words() -> dict[str, list[str]]:
    """Return the words of all languages, by what they tell."""
    languages = _read("consent_words.toml")["language"]
    return {kind: [word for language in languages for word in language[kind]] for kind in WORDS}


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((_DATA / name).read_text(encoding="utf-8"))
