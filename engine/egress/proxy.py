"""Runs a capture's egress proxy: a SOCKS5 server on its own listener that dials only what the gate allows.

All of the browser's traffic passes through here, whatever the kind of request. The proxy counts connections and bytes,
and must not know browsers, pages or HTTP.
"""

import asyncio
import contextlib
import errno
import socket
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from enum import StrEnum

import structlog

import netguard
from engine.egress import listeners, socks
from engine.egress.bucket import TokenBucket
from engine.egress.gate import Gate
from engine.egress.relay import Relay, Stream, closing
from engine.egress.socks import Denied, Destination, Reply
from engine.egress.upstream import UpstreamSession
from engine.egress.websockets import begins_websocket
from engine.errors import ProxyFailed, ResolverBusy
from engine.traffic import Traffic
from netguard import Judgement, Verdict

ACCEPT_SECONDS = 1  # between two tries, when no connection can be accepted

GIVEN_UP_SECONDS = 2  # for an answer, when the page waits for nothing else
# A broken end makes the browser drop what it has not read of a document, so it gets time to open and to read that. Parts
# end at once, as a page may have hundreds whose server closes each connection.
OPEN_SECONDS, READ_SECONDS = 0.5, 0.1
LOOK_SECONDS = 0.02  # between two looks at whether the document is there

log = structlog.get_logger()


class ConnectionFailure(StrEnum):
    """The reason why an allowed connection failed, by Chromium's name."""

    REFUSED = "ERR_CONNECTION_REFUSED"
    UNREACHABLE = "ERR_ADDRESS_UNREACHABLE"
    TIMED_OUT = "ERR_CONNECTION_TIMED_OUT"
    SILENT = "ERR_TIMED_OUT"
    LIMIT_EXCEEDED = "ERR_INSUFFICIENT_RESOURCES"
    BUSY = "ERR_DNS_TIMED_OUT"


class Egress:
    """The proxy of one capture. The caller that opens it must close it.

    Connections beyond the limit at a time wait in the listener's queue, and bytes beyond the rate wait in the site's:
    nothing is lost. Connections beyond the rate are refused. They fail at once, where to wait would take the capture's
    whole time.
    """

    def __init__(
        self,
        gate: Gate,
        traffic: Traffic,
        known: Mapping[Destination, Judgement] | None = None,
        *,
        network: bool = True,
    ) -> None:
        """Destinations in `known` are neither looked up nor judged again: their addresses hold for the whole capture.

        Without `network`, every destination is refused, and none is looked up.
        """
        self._gate = gate
        self._network = network
        self._known = known or {}
        self._limits = gate.limits
        self.traffic = traffic
        self._lookup_slots = gate.lookup_slots()
        self._new_connections = TokenBucket(self._limits.connection_burst, self._limits.connection_rate)
        self._bytes = TokenBucket(self._limits.byte_burst, self._limits.byte_rate)
        self._missing = 0
        self._held_back = 0  # connections with bytes that wait
        self._handlers: set[asyncio.Task[None]] = set()  # asyncio itself keeps only weak references
        self._writers: set[asyncio.StreamWriter] = set()
        self._listener: socket.socket | None = None
        self._session: UpstreamSession | None = None
        self._outlet_lost = False
        self._closed = False
        self.url = ""
        self._failures: dict[Destination, Verdict | ConnectionFailure] = {}

    @property
    def alive(self) -> bool:
        return self._is_serving and not self._outlet_lost and not (self._session and self._session.ended)

    @property
    def parts_missing(self) -> int:
        """How many connections a limit has refused, has ended without an answer, or holds back now."""
        return self._missing + self._held_back

    async def is_healthy(self) -> bool:
        """Return whether the proxy has served everything until now. Pings the outlet, if there is one."""
        try:
            if self._session and self.alive:
                await self._session.ping()
        except ProxyFailed:
            self._outlet_lost = True
        return self.alive

    @property
    def _is_serving(self) -> bool:
        return self._listener is not None and not self._closed

    def failure_of(self, host: str, port: int) -> Verdict | ConnectionFailure | None:
        """Return the reason why the last connection to a destination failed, or None if it did not fail here."""
        return self._failures.get(Destination.canonical(host, port))

    async def open(self, listener: socket.socket) -> None:
        """Serve on `listener`, which stays the caller's. Raises ProxyFailed."""
        try:
            self.url = "socks5://{}:{}".format(*listener.getsockname())
            listener.setblocking(False)
            self._session = await self._gate.open_session() if self._network else None
        except OSError as err:
            raise ProxyFailed from err
        if self._session:
            self._writers.add(self._session.stream[1])
        self._listener = listener
        self._resume_accepting()

    async def close(self) -> None:
        """Stop listening and cut every connection."""
        if self._listener and not self._closed:
            asyncio.get_running_loop().remove_reader(self._listener)
            listeners.stop_listening(self._listener)  # or new connections would stay in its queue
            self.traffic.refused += Counter(too_many_bytes=self._held_back)
        self._closed = True
        for writer in self._writers:
            writer.transport.abort()
        for handler in self._handlers:
            handler.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)

    def _resume_accepting(self) -> None:
        if self._listener and not self._closed and len(self._handlers) < self._limits.connections:
            asyncio.get_running_loop().add_reader(self._listener, self._accept, self._listener)

    def _accept(self, listener: socket.socket) -> None:
        """Accept a connection. Further ones stay in the listener's queue while as many are open as may be."""
        loop = asyncio.get_running_loop()
        try:
            connection, _ = listener.accept()
        except BlockingIOError:  # the client has gone
            return
        except OSError as err:
            loop.call_exception_handler({"message": "the egress proxy cannot accept connections", "exception": err})
            loop.remove_reader(listener)
            loop.call_later(ACCEPT_SECONDS, self._resume_accepting)
            return
        handler = asyncio.create_task(self._handle(connection))
        self._handlers.add(handler)
        handler.add_done_callback(lambda handler: self._end(handler, connection))
        if len(self._handlers) >= self._limits.connections:
            loop.remove_reader(listener)

    def _end(self, handler: asyncio.Task[None], connection: socket.socket) -> None:
        connection.close()  # here, because a handler that is cancelled before its first step never runs
        self._handlers.discard(handler)
        self._resume_accepting()

    async def _handle(self, connection: socket.socket) -> None:
        try:
            browser = await asyncio.open_connection(sock=connection)
            async with self._holding(browser):
                await self._serve(browser)
        except OSError:
            pass  # One side closed the connection, or both were silent for too long.
        except Exception:  # A bug of ours costs one connection, not the proxy.
            log.exception("a connection through the egress proxy failed")

    async def _serve(self, browser: Stream) -> None:
        reader, writer = browser
        try:
            async with asyncio.timeout(self._limits.idle):
                destination = (await socks.accept(reader, writer, socks.CONNECT)).destination
            self.traffic.dialling += 1
            try:
                site = await self._dial(destination)
            finally:
                self.traffic.dialling -= 1
        except Denied as denied:
            writer.write(denied.reply)
            return
        except ProxyFailed:
            self._outlet_lost = True
            writer.write(bytes(Reply.FAILED))
            return
        async with self._holding(site):
            writer.write(bytes(Reply.GRANTED))
            await self._relay(destination, browser, site)

    async def _dial(self, destination: Destination) -> Stream:
        """Connect to a destination that the gate allows. Raises Denied, and remembers the reason."""
        self._count_connection(destination)
        judgement = self._known.get(destination) or await self._judge(destination)
        if not judgement.ok:
            self.traffic.refused[judgement.verdict] += 1
            raise self._denied(destination, judgement.verdict, Reply.NOT_ALLOWED)
        try:
            return await self._gate.dial(judgement.addresses, destination.port, self._session)
        except OSError as err:
            if self._session and isinstance(err, PermissionError):
                raise self._refused_by_outlet(destination, judgement) from err
            raise self._denied(destination, _failure(err), Reply.UNREACHABLE) from err

    def _refused_by_outlet(self, destination: Destination, judgement: Judgement) -> Denied:
        """Raise ProxyFailed if the outlet forgot an exempt name, as it does when it restarts after the look-up."""
        if judgement.verdict is Verdict.EXEMPT and netguard.literal(destination.host) is None:
            raise ProxyFailed
        self.traffic.refused["second_judge"] += 1
        return self._denied(destination, Verdict.PRIVATE, Reply.NOT_ALLOWED)

    async def _judge(self, destination: Destination) -> Judgement:
        if not self._network:
            return Judgement(Verdict.NO_NETWORK)
        try:
            return await self._gate.judge(destination, self._lookup_slots)
        except ResolverBusy:
            self._count_missing("resolver_busy")
            raise self._denied(destination, ConnectionFailure.BUSY, Reply.FAILED) from None

    def _count_connection(self, destination: Destination) -> None:
        self.traffic.connections += 1
        if not self._new_connections.take(1):
            self._count_missing("too_many_connections")
            raise self._denied(destination, ConnectionFailure.LIMIT_EXCEEDED, Reply.NOT_ALLOWED)

    def _count_missing(self, limit: str) -> None:
        self._missing += 1
        self.traffic.refused[limit] += 1

    def _denied(self, destination: Destination, failure: Verdict | ConnectionFailure, reply: Reply) -> Denied:
        self._failures[destination] = failure
        return Denied(bytes(reply))

    async def _relay(self, destination: Destination, browser: Stream, site: Stream) -> None:
        self._failures.pop(destination, None)
        relay = Relay(browser, site, self._admit, self._count_websocket)
        try:
            before_end = self._let_read if self.traffic.is_arriving() else None
            await relay.run(self._limits.idle, self._patience, before_end)
        except TimeoutError:
            if relay.awaits_answer:
                self._count_missing("no_answer")
            if not relay.site_answered:
                self._failures[destination] = ConnectionFailure.SILENT

    async def _let_read(self) -> None:
        """Wait until the document is there, and a moment more. Not for long: a download never becomes a document."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(OPEN_SECONDS):
                while self.traffic.is_arriving():  # noqa: ASYNC110 - the page sends no event
                    await asyncio.sleep(LOOK_SECONDS)
        await asyncio.sleep(READ_SECONDS)

    def _count_websocket(self, first: bytes) -> None:
        self.traffic.websockets += begins_websocket(first)

    def _patience(self) -> float:
        """Return how long an answer may take, in seconds: not as long if a document that is there waits for it.

        A script or a style sheet that never answers keeps a document from showing anything.
        """
        if not self.traffic.is_held_up():
            return self._limits.first_byte
        return min(GIVEN_UP_SECONDS if self.traffic.has_given_up else self._limits.idle, self._limits.first_byte)

    async def _admit(self, count: int) -> None:
        """Wait until so many bytes more keep to the rate, and count them."""
        seconds = self._bytes.borrow(count)
        if seconds:
            self._held_back += 1
            try:
                await asyncio.sleep(seconds)
            finally:
                self._held_back -= 1
        self.traffic.bytes += count

    @contextlib.asynccontextmanager
    async def _holding(self, stream: Stream) -> AsyncIterator[None]:
        self._writers.add(stream[1])
        try:
            async with closing(stream, self._limits.idle):
                yield
        finally:
            self._writers.discard(stream[1])


def _failure(err: OSError) -> ConnectionFailure:
    if isinstance(err, TimeoutError):
        return ConnectionFailure.TIMED_OUT
    return ConnectionFailure.REFUSED if err.errno == errno.ECONNREFUSED else ConnectionFailure.UNREACHABLE
