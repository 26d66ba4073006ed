"""The DevTools protocol over a pair of pipes: NUL-separated JSON, calls and events, one session a page.

Knows nothing of pages or pictures. https://chromedevtools.github.io/devtools-protocol/
"""

import asyncio
import contextlib
import itertools
import json
import os
from collections.abc import Callable
from typing import Any

from engine.devtools.messages import MessageSplitter, OversizedMessage
from engine.errors import BrowserCrashed, PageFailed

CHUNK = 1 << 20  # bytes
PICTURES = ("Page.captureScreenshot", "Page.printToPDF")
TOO_LONG = "the page sends or says too much at once"


class ProtocolError(Exception):
    """The browser refused a call; the text is Chromium's own."""


class Session:
    """Calls to, and events of, one target; the browser itself for the root session."""

    def __init__(self, connection: "Connection", session_id: str | None = None) -> None:
        self._connection = connection
        self.id = session_id
        self._listeners: dict[str, Callable[[dict[str, Any]], object]] = {}
        self._waiting: set[asyncio.Future[Any]] = set()
        self._broken: Exception | None = None

    def on(self, event: str, listener: Callable[[dict[str, Any]], object]) -> None:
        self._listeners[event] = listener

    def send(self, method: str, **params: Any) -> asyncio.Future[dict[str, Any]]:
        """Send now, answer later. Calls of one session are carried out in the order sent."""
        reply = self.promise()
        if not reply.done():
            self._connection.send(self.id, method, params, reply)
        return reply

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call `method` and wait for its result.

        Raises ProtocolError when the browser refuses, and whatever the session broke with.
        """
        return await self.send(method, **params)

    def promise(self) -> asyncio.Future[Any]:
        """A future that fails when the session does, so that nobody waits for a dead page."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._broken is not None:
            future.set_exception(self._broken)
        self._waiting.add(future)
        future.add_done_callback(self._settled)
        return future

    async def pause(self, seconds: float) -> None:
        """Sleep, but wake up and raise when the session fails meanwhile."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.promise()

    def check(self) -> None:
        """Raise what the session broke with, if it did."""
        if self._broken is not None:
            raise self._broken

    def fail(self, error: Exception) -> None:
        self._broken = self._broken or error
        for future in tuple(self._waiting):
            if not future.done():
                future.set_exception(error)

    def receive(self, event: str, params: dict[str, Any]) -> None:
        if listener := self._listeners.get(event):
            listener(params)

    def _settled(self, future: asyncio.Future[Any]) -> None:
        self._waiting.discard(future)
        if not future.cancelled():
            future.exception()  # A call that nobody awaits may fail without asyncio reporting it.


class Connection:
    """One browser's pipe. `closed` is done when the browser has hung up, and everybody who waits has been told."""

    def __init__(
        self, reader: asyncio.StreamReader, inbound: asyncio.ReadTransport, outbound: asyncio.WriteTransport
    ) -> None:
        self._reader = reader
        self._inbound = inbound
        self._outbound = outbound
        self._ids = itertools.count(1)
        self._unsent: list[bytes] = []
        self._replies: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._pictures: set[int] = set()  # numbers of those replies that may be large
        self._sessions: dict[str | None, Session] = {}
        self.root = self.session(None)
        self.closed = asyncio.create_task(self._receive_all())

    @classmethod
    async def open(cls, read_fd: int, write_fd: int) -> "Connection":
        """Speak over the two descriptors, which are closed with the connection, or if it does not come about."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=CHUNK)
        with contextlib.ExitStack() as failed:
            reading = failed.enter_context(os.fdopen(read_fd, "rb"))
            writing = failed.enter_context(os.fdopen(write_fd, "wb"))
            inbound, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), reading)
            failed.callback(inbound.close)
            outbound, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, writing)
            failed.pop_all()
        return cls(reader, inbound, outbound)

    def session(self, session_id: str | None) -> Session:
        return self._sessions.setdefault(session_id, Session(self, session_id))

    def forget(self, session_id: str | None) -> Session | None:
        return self._sessions.pop(session_id, None)

    def send(
        self, session_id: str | None, method: str, params: dict[str, Any], reply: asyncio.Future[dict[str, Any]]
    ) -> None:
        number = next(self._ids)
        message = {"id": number, "method": method, "params": params}
        if session_id is not None:
            message["sessionId"] = session_id
        self._replies[number] = reply
        if method in PICTURES:
            self._pictures.add(number)
        reply.add_done_callback(lambda _: self._settled(number))
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent.append(json.dumps(message).encode() + b"\0")

    def _flush(self) -> None:
        """Write what was sent in one go: each write wakes the browser, which then takes the processor away from us."""
        messages = b"".join(self._unsent)
        self._unsent.clear()
        if not self._outbound.is_closing():
            self._outbound.write(messages)

    async def close(self) -> None:
        self.closed.cancel()
        await asyncio.wait([self.closed])

    async def _receive_all(self) -> None:
        messages = MessageSplitter(self._pictures.__contains__)
        try:
            while chunk := await self._reader.read(CHUNK):
                for message in messages.feed(chunk):
                    if isinstance(message, OversizedMessage):
                        self._give_up(message)
                    else:
                        self._dispatch(json.loads(message))
        except (OSError, ValueError):
            pass  # Hung up, or no longer speaking the protocol: either way this browser is lost.
        finally:
            for session in self._sessions.values():
                session.fail(BrowserCrashed())
            self._inbound.close()
            if not self._outbound.is_closing():  # asyncio trips over a second close
                self._outbound.abort()

    def _settled(self, number: int) -> None:
        self._replies.pop(number, None)
        self._pictures.discard(number)

    def _give_up(self, cut: OversizedMessage) -> None:
        """Fail whoever waits for a message that was too long: one page, never the browser that others share."""
        if cut.number is not None:
            reply = self._replies.get(cut.number)
            if reply and not reply.done():
                reply.set_exception(PageFailed(TOO_LONG))
        elif cut.session and (session := self._sessions.get(cut.session)):
            session.fail(PageFailed(TOO_LONG))

    def _dispatch(self, message: dict[str, Any]) -> None:
        if "id" in message:
            self._resolve(message)
        elif session := self._sessions.get(message.get("sessionId")):
            session.receive(message["method"], message.get("params", {}))

    def _resolve(self, message: dict[str, Any]) -> None:
        reply = self._replies.get(message["id"])
        if reply is None or reply.done():
            return
        if "error" in message:
            reply.set_exception(ProtocolError(message["error"].get("message", "")))
        else:
            reply.set_result(message["result"])
