"""Runs scripts inside frames of other sites, which are closed to the page: in its own process, or in one of their own."""

from typing import Any

from engine.devtools.connection import ProtocolError, Session
from engine.page.frame import WORLD


class ChildFrames:
    def __init__(self, session: Session) -> None:
        self._session = session
        self._others: dict[str, Session] = {}  # frame → session, of frames that have a process of their own

    async def evaluate(self, owner: str, expression: str) -> Any:
        """Evaluate in the frame of an element, given by its object id, in an isolated world. Raises ProtocolError."""
        described = await self._session.call("DOM.describeNode", objectId=owner)
        session, world = await self._world_of(described["node"].get("frameId", ""))
        answer = await session.call("Runtime.evaluate", expression=expression, contextId=world, returnByValue=True)
        return answer["result"].get("value")

    async def _world_of(self, frame: str) -> tuple[Session, int]:
        session = self._others.get(frame, self._session)
        try:
            return session, await _create_world(session, frame)
        except ProtocolError:  # it is not in the page's process
            await self._attach_to_others()
            if frame not in self._others:
                raise
            return self._others[frame], await _create_world(self._others[frame], frame)

    async def _attach_to_others(self) -> None:
        """Attach to all frames that have a process of their own. Their events come before the answer."""
        self._session.on("Target.attachedToTarget", self._attached)
        await self._session.call(
            "Target.setAutoAttach",
            autoAttach=True,
            waitForDebuggerOnStart=False,
            flatten=True,
            filter=[{"type": "iframe"}],
        )

    def _attached(self, event: dict[str, Any]) -> None:
        self._others[event["targetInfo"]["targetId"]] = self._session.child(event["sessionId"])


async def _create_world(session: Session, frame: str) -> int:
    """Create the isolated world of a frame, or return the one that it has."""
    return int((await session.call("Page.createIsolatedWorld", frameId=frame, worldName=WORLD))["executionContextId"])
