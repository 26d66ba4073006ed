"""A capture's way out: a SOCKS5 server on a listener of its own that dials only what the gate lets through.

All of the browser's traffic comes through here, whatever kind of request it is: the safety of the service rests on
this module and `netguard`. Knows nothing of browsers, pages or HTTP: connections and bytes are what it can count.
"""

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Mapping
from enum import StrEnum

import structlog

import netguard
from engine.egress import listeners, socks
from engine.egress.gate import Gate
from engine.egress.relay import Relay, Stream, ending
from engine.egress.socks import Denied, Destination, Reply
from engine.egress.upstream import UpstreamSession
from engine.errors import ProxyFailed, ResolverBusy
from engine.traffic import Traffic
from netguard import Judgement, Verdict

log = structlog.get_logger()


class Failure(StrEnum):
    """Why a connection that the guard allowed came to nothing, as Chromium calls it."""

    REFUSED = "ERR_CONNECTION_REFUSED"
    UNREACHABLE = "ERR_ADDRESS_UNREACHABLE"
    TIMED_OUT = "ERR_CONNECTION_TIMED_OUT"
    SILENT = "ERR_TIMED_OUT"
    SPENT = "ERR_INSUFFICIENT_RESOURCES"
    BUSY = "ERR_DNS_TIMED_OUT"


class Egress:
    """One capture's proxy. Whoever opens it closes it."""

    def __init__(self, gate: Gate, traffic: Traffic, known: Mapping[Destination, Judgement] | None = None) -> None:
        """What is `known` is not judged again, nor looked up: its addresses hold for the whole capture."""
        self._gate = gate
        self._known = known or {}
        self._limits = gate.limits
        self.traffic = traffic
        self._turns = gate.turns()
        self._handlers: set[asyncio.Task[None]] = set()  # asyncio itself keeps only weak references
        self._writers: set[asyncio.StreamWriter] = set()
        self._listener: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._line: UpstreamSession | None = None
        self._cut_off = False  # from the proxy behind this one
        self._closed = False
        self.url = ""
        self._fates: dict[Destination, Verdict | Failure] = {}

    @property
    def alive(self) -> bool:
        return self._serving and not self._cut_off and not (self._line and self._line.ended)

    async def lived(self) -> bool:
        """Whether all was served until now; the proxy behind this one is asked for a sign of life."""
        try:
            if self._line and self.alive:
                await self._line.check()
        except ProxyFailed:
            self._cut_off = True
        return self.alive

    @property
    def _serving(self) -> bool:
        return self._server is not None and self._server.is_serving()

    def fate(self, host: str, port: int) -> Verdict | Failure | None:
        """Tell why the last connection to there came to nothing; None where it did not fail here."""
        return self._fates.get(Destination.of(host, port))

    async def open(self, listener: socket.socket) -> None:
        """Serve on `listener`, which stays the caller's. Raises ProxyFailed."""
        try:
            self.url = "socks5://{}:{}".format(*listener.getsockname())
            self._listener = listener
            self._line = await self._gate.line()
            if self._line:
                self._writers.add(self._line.stream[1])
            # Known before it serves: a caller who is cancelled between the two can still close it.
            self._server = await asyncio.start_server(self._accept, sock=listener.dup(), start_serving=False)
            await self._server.start_serving()
        except OSError as err:
            raise ProxyFailed from err

    async def close(self) -> None:
        """Stop listening and cut every connection."""
        self._closed = True
        served = self._serving
        if self._server:
            self._server.close()
        if served and self._listener:
            listeners.stop(self._listener)  # or connections would queue there for ever
        for writer in self._writers:
            writer.transport.abort()
        for handler in self._handlers:
            handler.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._closed:  # accepted in the very moment of closing
            writer.transport.abort()
            return
        if len(self._handlers) >= self._limits.connections:  # `_admit` counts those alone that have asked for something
            self.traffic.refused["too_many_connections"] += 1
            writer.transport.abort()
            return
        self._writers.add(writer)  # already here: a handler that is cancelled before its first step never runs
        handler = asyncio.create_task(self._handle((reader, writer)))
        self._handlers.add(handler)
        handler.add_done_callback(self._handlers.discard)

    async def _handle(self, browser: Stream) -> None:
        try:
            async with self._holding(browser):
                await self._serve(browser)
        except OSError:
            pass  # One of the two hung up, or nobody said anything for too long.
        except Exception:  # A fault of ours costs one connection, and is told.
            log.exception("a connection through the egress proxy failed")

    async def _serve(self, browser: Stream) -> None:
        reader, writer = browser
        try:
            async with asyncio.timeout(self._limits.idle):
                destination = (await socks.accept(reader, writer, socks.CONNECT)).destination
            site = await self._dial(destination)
        except Denied as denied:
            writer.write(denied.reply)
            return
        except ProxyFailed:
            self._cut_off = True
            writer.write(bytes(Reply.FAILED))
            return
        async with self._holding(site):
            writer.write(bytes(Reply.GRANTED))
            await self._relay(destination, browser, site)

    async def _dial(self, destination: Destination) -> Stream:
        """Connect to where the gate allows. Raises Denied, and keeps the reason."""
        self._admit(destination)
        judgement = self._known.get(destination) or await self._judge(destination)
        if not judgement.ok:
            self.traffic.refused[judgement.verdict] += 1
            raise self._denied(destination, judgement.verdict, Reply.NOT_ALLOWED)
        try:
            return await self._gate.dial(judgement.addresses, destination.port, self._line)
        except OSError as err:
            if self._line and isinstance(err, PermissionError):
                raise self._refused_behind(destination, judgement) from err
            raise self._denied(destination, _failure(err), Reply.UNREACHABLE) from err

    def _refused_behind(self, destination: Destination, judgement: Judgement) -> Denied:
        """Raises ProxyFailed where the outlet does not know an exempt name any more: it was another one that looked it up."""
        if judgement.verdict is Verdict.EXEMPT and netguard.literal(destination.host) is None:
            raise ProxyFailed
        self.traffic.refused["second_judge"] += 1
        return self._denied(destination, Verdict.PRIVATE, Reply.NOT_ALLOWED)

    async def _judge(self, destination: Destination) -> Judgement:
        try:
            return await self._gate.judge(destination, self._turns)
        except ResolverBusy:
            self.traffic.refused["resolver_busy"] += 1
            raise self._denied(destination, Failure.BUSY, Reply.FAILED) from None

    def _admit(self, destination: Destination) -> None:
        self.traffic.connections += 1
        for spent, name in (
            (self.traffic.connections > self._limits.connections, "too_many_connections"),
            (self.traffic.bytes > self._limits.bytes, "too_many_bytes"),
        ):
            if spent:
                self.traffic.refused[name] += 1
                raise self._denied(destination, Failure.SPENT, Reply.NOT_ALLOWED)

    def _denied(self, destination: Destination, fate: Verdict | Failure, reply: Reply) -> Denied:
        self._fates[destination] = fate
        return Denied(bytes(reply))

    async def _relay(self, destination: Destination, browser: Stream, site: Stream) -> None:
        self._fates.pop(destination, None)
        relay = Relay(browser, site, self._spend)
        try:
            await relay.run(self._limits.idle)
        except TimeoutError:
            if not relay.heard:
                self._fates[destination] = Failure.SILENT

    def _spend(self, count: int) -> bool:
        self.traffic.bytes += count
        return self.traffic.bytes <= self._limits.bytes

    @contextlib.asynccontextmanager
    async def _holding(self, stream: Stream) -> AsyncIterator[None]:
        self._writers.add(stream[1])
        try:
            async with ending(stream, self._limits.idle):
                yield
        finally:
            self._writers.discard(stream[1])


def _failure(err: OSError) -> Failure:
    if isinstance(err, TimeoutError):
        return Failure.TIMED_OUT
    return Failure.REFUSED if err.errno == errno.ECONNREFUSED else Failure.UNREACHABLE
