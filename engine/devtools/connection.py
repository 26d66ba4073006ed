"""Speaks the DevTools protocol over a pair of pipes: NUL-separated JSON with calls, replies and events.

Each page has a session of its own. https://chromedevtools.github.io/devtools-protocol/
"""

import asyncio
import contextlib
import itertools
import json
import os
from collections.abc import Callable
from typing import Any

from engine.devtools.messages import LARGE_LIMIT, MessageSplitter, OversizedMessage, read
from engine.errors import BrowserCrashed, PageFailed, PageTooLarge

CHUNK = 1 << 20  # bytes
LARGE_REPLIES = ("HeadlessExperimental.beginFrame", "Page.captureScreenshot", "Page.printToPDF")
TOO_LONG = "the page sent too much data in one request or message"


class ProtocolError(Exception):
    """The browser refused a call. The text is Chromium's own."""


class Session:
    """The calls to one target and its events. The root session's target is the browser itself."""

    def __init__(self, connection: "Connection", session_id: str | None = None) -> None:
        self._connection = connection
        self.id = session_id
        self._listeners: dict[str, Callable[[dict[str, Any]], object]] = {}
        self.children: set[str] = set()
        self._pending: set[asyncio.Future[Any]] = set()
        self._failure: Exception | None = None

    def on(self, event: str, listener: Callable[[dict[str, Any]], object]) -> None:
        self._listeners[event] = listener

    def send(self, method: str, **params: Any) -> asyncio.Future[dict[str, Any]]:
        """Send a call and return its future reply. The browser runs the calls of one session in order."""
        reply = self.new_future()
        if not reply.done():
            self._connection.send(self.id, method, params, reply)
        return reply

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call `method` and wait for its result.

        Raises ProtocolError if the browser refuses the call, and the session's failure if there is one.
        """
        return await self.send(method, **params)

    def child(self, session_id: str) -> "Session":
        """Return the session of a target that this session has attached to. It is forgotten with this one."""
        self.children.add(session_id)
        return self._connection.session(session_id)

    def release(self, session_id: str) -> None:
        """Forget the session of a target that has gone, and fail its calls."""
        self.children.discard(session_id)
        if child := self._connection.forget(session_id):
            child.fail(ProtocolError("the target has gone"))

    def new_future(self) -> asyncio.Future[Any]:
        """Make a future that fails as soon as the session does, so that no caller waits for a crashed page."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._failure is not None:
            future.set_exception(self._failure)
        self._pending.add(future)
        future.add_done_callback(self._forget)
        return future

    async def pause(self, seconds: float) -> None:
        """Sleep, and raise as soon as the session fails."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.new_future()

    def raise_if_failed(self) -> None:
        """Raise the session's failure, if it has failed."""
        if self._failure is not None:
            raise self._failure

    def fail(self, error: Exception) -> None:
        self._failure = self._failure or error
        for future in tuple(self._pending):
            if not future.done():
                future.set_exception(error)

    def receive(self, event: str, params: dict[str, Any]) -> None:
        if listener := self._listeners.get(event):
            listener(params)

    def _forget(self, future: asyncio.Future[Any]) -> None:
        self._pending.discard(future)
        if not future.cancelled():
            future.exception()  # marks it as retrieved: asyncio must not report a failed call that is not awaited


class Connection:
    """One browser's pipe. `closed` is done when the browser has closed it and all pending calls have failed."""

    def __init__(
        self, reader: asyncio.StreamReader, inbound: asyncio.ReadTransport, outbound: asyncio.WriteTransport
    ) -> None:
        self._reader = reader
        self._inbound = inbound
        self._outbound = outbound
        self._ids = itertools.count(1)
        self._unsent: list[bytes] = []
        self._replies: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._large: set[int] = set()  # numbers of the replies that may be large
        self._sessions: dict[str | None, Session] = {}
        self.root = self.session(None)
        self.closed = asyncio.create_task(self._receive_all())

    @classmethod
    async def open(cls, read_fd: int, write_fd: int) -> "Connection":
        """Connect over two descriptors. They are closed with the connection, and also if this call fails."""
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
        session = self._sessions.pop(session_id, None)
        for child in session.children if session else ():
            self.forget(child)
        return session

    def send(
        self, session_id: str | None, method: str, params: dict[str, Any], reply: asyncio.Future[dict[str, Any]]
    ) -> None:
        number = next(self._ids)
        message = {"id": number, "method": method, "params": params}
        if session_id is not None:
            message["sessionId"] = session_id
        self._replies[number] = reply
        if method in LARGE_REPLIES:
            self._large.add(number)
        reply.add_done_callback(lambda _: self._forget_reply(number))
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent.append(json.dumps(message).encode() + b"\0")

    def _flush(self) -> None:
        """Write all unsent messages at once. Each write wakes the browser, which then competes for the processor."""
        messages = b"".join(self._unsent)
        self._unsent.clear()
        if not self._outbound.is_closing():
            self._outbound.write(messages)

    async def close(self) -> None:
        self.closed.cancel()
        await asyncio.wait([self.closed])

    async def _receive_all(self) -> None:
        messages = MessageSplitter(self._large.__contains__)
        try:
            while chunk := await self._reader.read(CHUNK):
                for message in messages.feed(chunk):
                    if isinstance(message, OversizedMessage):
                        self._fail_oversized(message)
                    else:
                        self._dispatch(read(message, self._large.__contains__))
        except (OSError, ValueError):
            pass  # The pipe is closed or does not carry the protocol any more: this browser is lost.
        finally:
            for session in self._sessions.values():
                session.fail(BrowserCrashed())
            self._inbound.close()
            if not self._outbound.is_closing():  # asyncio fails on a second close
                self._outbound.abort()

    def _forget_reply(self, number: int) -> None:
        self._replies.pop(number, None)
        self._large.discard(number)

    def _fail_oversized(self, message: OversizedMessage) -> None:
        """Fail the page that caused the message, but not the browser, which other captures share."""
        if message.number is not None:
            reply = self._replies.get(message.number)
            if reply and not reply.done():
                is_picture = message.number in self._large
                reply.set_exception(PageTooLarge(LARGE_LIMIT // 4 * 3) if is_picture else PageFailed(TOO_LONG))
        elif message.session and (session := self._sessions.get(message.session)):
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
