"""Follows a page's main frame: which document it shows, how far that has loaded, whether it is moving on."""

import asyncio
from typing import Any

from engine.devtools.connection import ProtocolError, Session

# A refresh that comes later than this is taken for a page that reloads itself, not for a redirect.
REDIRECT_SECONDS = 1
WORLD = "capture"


class DocumentReplaced(ProtocolError):
    """The document that a call was about is there no more."""


class MainFrame:
    def __init__(self, session: Session, frame: str) -> None:
        self._session = session
        self._change: asyncio.Future[None] | None = None
        self._next: str | None = None  # loader of a navigation that has begun
        self._scheduled = False
        self._milestones: set[str] = set()
        self._asked: set[asyncio.Future[dict[str, Any]]] = set()
        self._world: asyncio.Future[dict[str, Any]] | None = None
        self.id = frame
        self.url = ""
        self.loader: str | None = None
        self.document = 0  # counts them: one that a `javascript:` URL makes keeps its predecessor's loader
        self.unreachable: str | None = None  # what should have been there instead of an error page
        for event, listener in (
            ("Page.frameNavigated", self._navigated),
            ("Page.lifecycleEvent", self._lifecycle),
            ("Page.frameScheduledNavigation", self._scheduling),
            ("Page.frameClearedScheduledNavigation", self._cleared),
            ("Page.frameStartedNavigating", self._started),
            ("Page.frameStoppedLoading", self._stopped),
        ):
            session.on(event, listener)

    @property
    def committed(self) -> bool:
        return self.loader is not None

    @property
    def moving(self) -> bool:
        """A redirect by script or meta refresh is under way: what is there now is not what a visitor gets to see."""
        return self._scheduled or self._next not in (None, self.loader)

    async def reach(self, milestone: str) -> None:
        """Wait until the document that stays has passed `milestone`, a name of Page.lifecycleEvent."""
        while self.moving or milestone not in self._milestones:
            await self._next_change()

    def ask(self, method: str, **params: Any) -> asyncio.Future[dict[str, Any]]:
        """Call `method`, about the document that is there now: fails with DocumentReplaced when that is replaced.

        A renderer that is left for another site's does not always answer what it was asked before.
        """
        reply = self._session.send(method, **params)
        self._asked.add(reply)
        reply.add_done_callback(self._asked.discard)
        return reply

    async def world(self) -> int:
        """Give the id of an isolated world of the document that is there now."""
        asked = self._world or self.make_world()
        return int((await asyncio.shield(asked))["executionContextId"])  # whoever gives up may ask again

    def make_world(self) -> asyncio.Future[dict[str, Any]]:
        """Have it made: ahead of the first question, so that none costs a round trip, or instead of one that is gone."""
        self._world = self.ask("Page.createIsolatedWorld", frameId=self.id, worldName=WORLD)
        return self._world

    async def error_page(self) -> str:
        """Wait for an error page and give the URL that could not be reached."""
        while not self.unreachable:
            await self._next_change()
        return self.unreachable

    async def _next_change(self) -> None:
        self._change = self._session.promise()
        await self._change

    def _changed(self) -> None:
        if self._change and not self._change.done():
            self._change.set_result(None)

    def _navigated(self, event: dict[str, Any]) -> None:
        frame = event["frame"]
        if "parentId" in frame:
            return
        self.id, self.url, self.loader = frame["id"], frame["url"], frame["loaderId"]
        self.unreachable = frame.get("unreachableUrl")
        self._scheduled = False
        self._replaced()

    def _replaced(self) -> None:
        self.document += 1
        self._milestones = set()
        for reply in tuple(self._asked):
            if not reply.done():
                reply.set_exception(DocumentReplaced)
        self.make_world()
        self._changed()

    def _lifecycle(self, event: dict[str, Any]) -> None:
        if event["loaderId"] != self.loader:
            return
        if event["name"] == "init":  # of a document that a navigation brings it comes before that is told
            self._replaced()
        self._milestones.add(event["name"])
        self._changed()

    def _scheduling(self, event: dict[str, Any]) -> None:
        if event["frameId"] == self.id and event["delay"] <= REDIRECT_SECONDS:
            self._scheduled = True

    def _cleared(self, event: dict[str, Any]) -> None:
        if event["frameId"] == self.id:
            self._scheduled = False
            self._changed()

    def _started(self, event: dict[str, Any]) -> None:
        if event["frameId"] == self.id and "samedocument" not in event["navigationType"].lower():
            self._next = event["loaderId"]

    def _stopped(self, event: dict[str, Any]) -> None:
        if event["frameId"] == self.id:
            self._next = None
            self._changed()
