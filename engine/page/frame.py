"""Tracks a page's main frame: its current document, how far that has loaded, and whether it is navigating."""

import asyncio
from typing import Any

from engine.devtools.connection import ProtocolError, Session

# A later refresh is not a redirect: the page reloads itself.
REDIRECT_SECONDS = 1
COMMIT_SECONDS = 0.3  # from the end of a navigation to its document, if it has one
WORLD = "capture"


class DocumentReplaced(ProtocolError):
    """A navigation replaced the document during a call about it."""


class MainFrame:
    def __init__(self, session: Session, frame: str) -> None:
        self._session = session
        self._change: asyncio.Future[None] | None = None
        self._next_loader: str | None = None  # of a navigation that has begun
        self._began_loading = False  # since that navigation has begun
        self._redirect_scheduled = False
        self._milestones: set[str] = set()
        self._pending: set[asyncio.Future[dict[str, Any]]] = set()
        self._world: asyncio.Future[dict[str, Any]] | None = None
        self.id = frame
        self.url = ""
        self.loader: str | None = None
        self.asked_to_leave = False  # by a script of the document, whether or not a navigation has begun
        self.stopped = False  # the document loads no further, whether or not it ever fires `load`
        self.document = 0  # a counter, as a document from a `javascript:` URL keeps its predecessor's loader
        self.since = 0.0  # when the document came, on the event loop's clock
        self.unreachable_url: str | None = None  # of an error page: the URL that failed
        self.origins: dict[str, str] = {}  # of this frame and of those in it, as `scheme://host:port`
        for event, listener in (
            ("Page.frameNavigated", self._navigated),
            ("Page.frameAttached", self._attached),
            ("Page.frameDetached", self._detached),
            ("Page.lifecycleEvent", self._lifecycle),
            ("Page.frameScheduledNavigation", self._scheduling),
            ("Page.frameClearedScheduledNavigation", self._cleared),
            ("Page.frameRequestedNavigation", self._asked),
            ("Page.frameStartedNavigating", self._started),
            ("Page.frameStartedLoading", self._started_loading),
            ("Page.frameStoppedLoading", self._stopped),
        ):
            session.on(event, listener)

    @property
    def committed(self) -> bool:
        return self.loader is not None

    @property
    def arriving(self) -> str | None:
        """The loader of the navigation that has begun last, whose document has come or is to come."""
        return self._next_loader

    @property
    def loaded(self) -> bool:
        return "load" in self._milestones

    @property
    def navigating(self) -> bool:
        """Return whether a redirect by script or meta refresh has begun: a visitor will not see this document."""
        return self._redirect_scheduled or self.leaving

    @property
    def leaving(self) -> bool:
        """Return whether a navigation is under way that may replace the document at any moment."""
        return self._next_loader not in (None, self.loader)

    async def wait_for_milestone(self, milestone: str) -> None:
        """Wait until the final document has passed `milestone`, a name of Page.lifecycleEvent."""
        while self.navigating or milestone not in self._milestones:
            await self._wait_for_change()

    async def wait_for_load(self, milestone: str = "load") -> None:
        """Wait until the document has passed `milestone`, or has stopped loading before that.

        A redirect that is only scheduled is not waited for: it happens in the page's own time.
        """
        while self.leaving or not (milestone in self._milestones or self.stopped):
            await self._wait_for_change()

    def call_in_document(self, method: str, **params: Any) -> asyncio.Future[dict[str, Any]]:
        """Call `method` about the current document. Fails with DocumentReplaced when a navigation replaces that.

        After a navigation to another site, the old renderer does not answer all pending calls.
        """
        reply = self._session.send(method, **params)
        self._pending.add(reply)
        reply.add_done_callback(self._pending.discard)
        return reply

    async def isolated_world(self) -> int:
        """Return the id of an isolated world of the current document."""
        created = self._world or self.create_world()
        return int((await asyncio.shield(created))["executionContextId"])  # one caller's time-out must not cancel it

    def ask(self, expression: str) -> asyncio.Future[dict[str, Any]] | None:
        """Send an expression to the isolated world, if there is one yet, and return the future answer."""
        if not self._world or not self._world.done() or self._world.exception():
            return None
        world = self._world.result()["executionContextId"]
        return self.call_in_document("Runtime.evaluate", expression=expression, contextId=world, returnByValue=True)

    def create_world(self) -> asyncio.Future[dict[str, Any]]:
        """Create an isolated world, in advance so that no script waits for it, or in place of a lost one."""
        self._world = self.call_in_document("Page.createIsolatedWorld", frameId=self.id, worldName=WORLD)
        return self._world

    async def wait_for_error_page(self) -> str:
        """Wait for the browser's error page, and return the URL that it could not load."""
        while not self.unreachable_url:
            await self._wait_for_change()
        return self.unreachable_url

    async def _wait_for_change(self) -> None:
        self._change = self._session.new_future()
        await self._change

    def _notify(self) -> None:
        if self._change and not self._change.done():
            self._change.set_result(None)

    def _navigated(self, event: dict[str, Any]) -> None:
        frame = event["frame"]
        self.origins[frame["id"]] = frame["securityOrigin"]
        if "parentId" in frame:
            return
        self.id, self.url, self.loader = frame["id"], frame["url"], frame["loaderId"]
        self.unreachable_url = frame.get("unreachableUrl")
        self._redirect_scheduled = False
        self._replaced()

    def _attached(self, event: dict[str, Any]) -> None:
        """Note a frame that is still blank: it belongs to the origin of the document that made it."""
        self.origins[event["frameId"]] = self.origins.get(event["parentFrameId"], "")

    def _detached(self, event: dict[str, Any]) -> None:
        self.origins.pop(event["frameId"], None)

    def _replaced(self) -> None:
        self.document += 1
        self._milestones = set()
        self.stopped = self.asked_to_leave = False
        self.since = asyncio.get_running_loop().time()
        for reply in tuple(self._pending):
            if not reply.done():
                reply.set_exception(DocumentReplaced)
        self.create_world()
        self._notify()

    def _lifecycle(self, event: dict[str, Any]) -> None:
        if event["loaderId"] != self.loader:
            return
        if event["name"] == "init":  # for a navigation, this comes before Page.frameNavigated
            self._replaced()
        self._milestones.add(event["name"])
        self._notify()

    def _scheduling(self, event: dict[str, Any]) -> None:
        if event["frameId"] == self.id and event["delay"] <= REDIRECT_SECONDS:
            self._redirect_scheduled = True

    def _cleared(self, event: dict[str, Any]) -> None:
        if event["frameId"] == self.id:
            self._redirect_scheduled = False
            self._notify()

    def _asked(self, event: dict[str, Any]) -> None:
        """Notice that a script asks for a navigation. The renderer says so before it answers the call that ran the script."""
        if event["frameId"] == self.id:
            self.asked_to_leave = True

    def _started(self, event: dict[str, Any]) -> None:
        if event["frameId"] == self.id and "samedocument" not in event["navigationType"].lower():
            self._next_loader = event["loaderId"]
            self._began_loading = False

    def _started_loading(self, event: dict[str, Any]) -> None:
        """Notice the end of a navigation, since the frame begins to load with each, and once more at its end.

        The document comes then, unless the answer was a download or had no content, or the URL was for another program.
        In that case, a document that has not loaded yet goes on, and no other event says so.
        """
        if event["frameId"] == self.id and self.leaving:
            if self._began_loading:
                asyncio.get_running_loop().call_later(COMMIT_SECONDS, self._stay, self._next_loader)
            self._began_loading = True

    def _stay(self, loader: str | None) -> None:
        """Give up waiting for the document of a navigation that has ended."""
        if loader == self._next_loader and self.committed and not self.loaded:
            self._next_loader = None
            self._notify()

    def _stopped(self, event: dict[str, Any]) -> None:
        if event["frameId"] == self.id:
            self._next_loader = None
            self.stopped = self.committed
            self._notify()
