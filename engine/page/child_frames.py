"""Follows what a page runs beside its main frame: workers, and the frames that have a process of their own.

Each waits for its first instruction until it sees the visitor that the page sees.

A document has its own process if it asks for one, for example (`Origin-Agent-Cluster`), as those of many servers do.
"""

import asyncio
from functools import partial
from typing import Any

from engine.devtools.connection import Session
from engine.page.frame import WORLD
from engine.page.visitor import Visitor

IS_INSTALLING = "/^(parsed|install|activating)/.test(self.serviceWorker?.state)"
ANSWER_SECONDS = 0.3
MOST_OTHERS = 16  # frames with a process of their own that are attached to


class ChildFrames:
    def __init__(self, session: Session, visitor: Visitor) -> None:
        self._session = session
        self._visitor = visitor
        self._others: dict[str, Session] = {}  # frame → session, of frames that have a process of their own
        self._service_workers: dict[str, Session] = {}  # session id → session
        self.workers = 0  # so far

    def watch(self) -> asyncio.Future[dict[str, Any]]:
        """Attach to workers and to frames with a process of their own, from now on."""
        return self._watch(self._session)

    def others(self) -> tuple[Session, ...]:
        """The sessions of the frames that have a process of their own."""
        return tuple(self._others.values())

    async def is_installing(self) -> bool:
        """Return whether a service worker is being installed or activated, which goes on beside the page."""
        asked = [each.send("Runtime.evaluate", expression=IS_INSTALLING) for each in self._service_workers.values()]
        if not asked:
            return False
        _, busy = await asyncio.wait(asked, timeout=ANSWER_SECONDS)
        return bool(busy) or any(not one.exception() and one.result()["result"].get("value") for one in asked)

    async def evaluate(self, owner: str, expression: str) -> Any:
        """Evaluate in the frame of an element, given by its object id, in an isolated world. Raises ProtocolError.

        The frame is of another site, so it is closed to the page.
        """
        described = await self._session.call("DOM.describeNode", objectId=owner)
        frame = described["node"].get("frameId", "")
        session = self._others.get(frame, self._session)
        world = await session.call("Page.createIsolatedWorld", frameId=frame, worldName=WORLD)
        context = world["executionContextId"]
        answer = await session.call("Runtime.evaluate", expression=expression, contextId=context, returnByValue=True)
        return answer["result"].get("value")

    def _watch(self, parent: Session) -> asyncio.Future[dict[str, Any]]:
        parent.on("Target.attachedToTarget", partial(self._attached, parent))
        parent.on("Target.detachedFromTarget", partial(self._detached, parent))
        kinds = [{"type": "worker"}, {"type": "service_worker"}, {"type": "iframe"}]
        options = {"autoAttach": True, "waitForDebuggerOnStart": True, "flatten": True}
        return parent.send("Target.setAutoAttach", **options, filter=kinds)

    def _attached(self, parent: Session, event: dict[str, Any]) -> None:
        target, session = event["targetInfo"], parent.child(event["sessionId"])
        is_frame = target["type"] == "iframe"
        for method, given in self._visitor.calls() if is_frame else self._visitor.worker_calls():
            session.send(method, **given)
        if is_frame:
            self._watch(session)
            if len(self._others) < MOST_OTHERS:
                self._others[target["targetId"]] = session
        self.workers += target["type"] == "worker"
        if target["type"] == "service_worker":
            self._service_workers[event["sessionId"]] = session
        session.send("Runtime.runIfWaitingForDebugger")

    def _detached(self, parent: Session, event: dict[str, Any]) -> None:
        parent.release(event["sessionId"])
        self._service_workers.pop(event["sessionId"], None)
        self._others = {frame: session for frame, session in self._others.items() if session.id != event["sessionId"]}
