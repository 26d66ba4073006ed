"""Serves SOCKS5 to engines whose own network has no route: looks up names, judges each address again, and dials.

The engine limits each capture. The limits here only protect the outlet's own process.
"""

import asyncio
import contextlib
import errno
from collections.abc import Iterator
from ipaddress import ip_address
from typing import cast

import structlog

from engine.egress import socks
from engine.egress.gate import Gate, Limits
from engine.egress.relay import Relay, Stream, closing
from engine.egress.socks import Denied, Destination, Reply
from engine.errors import ProxyFailed, ResolverBusy
from netguard import Judgement, Verdict
from telemetry import metrics

# Above the engine's own limits, which must take effect first: 10 s of silence, at most 120 s for a first byte, 2 s for a
# look-up, and 64 look-ups of targets besides the 32 of each capture.
LIMITS = Limits(lookup=30, lookups=48, idle=12, first_byte=122)
SESSION_SECONDS = 150  # longer than any capture
CLOSING_SECONDS = 1  # for bytes that a site has not read yet when the engine closes the connection
CONNECTIONS = 512  # for each capture at a time: its 256, its look-ups, its session, and some that are closing
_FAILURES = tuple(map(bytes, (Reply.FAILED, Reply.UNREACHABLE, Reply.REFUSED, Reply.TIMED_OUT)))

log = structlog.get_logger()


class Outlet:
    def __init__(self, gate: Gate, connections: int) -> None:
        """Serve at most `connections` at a time. Further ones are closed at once."""
        self._gate = gate
        self._most = self._free = connections
        # The tasks that serve each capture with a session, by its user name.
        self._sessions: dict[bytes, set[asyncio.Task[None]]] = {}
        # Addresses of exempt names, which the engine dials. By themselves they are not exempt.
        self._exempt: set[Destination] = set()

    @property
    def connections(self) -> int:
        """How many connections are served now."""
        return self._most - self._free

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        if not self._free:
            writer.transport.abort()
            metrics.OUTLET_CONNECTIONS.add("too_many")
            return
        self._free -= 1
        try:
            async with closing((reader, writer), self._gate.limits.idle):
                await self._handle((reader, writer))
        except (OSError, asyncio.CancelledError):
            pass  # One side closed the connection, both were silent for too long, or the capture ended.
        finally:
            self._free += 1

    async def _handle(self, engine: Stream) -> None:
        reader, writer = engine
        try:
            async with asyncio.timeout(self._gate.limits.idle):
                request = await socks.accept(reader, writer, socks.CONNECT, socks.RESOLVE, socks.HOLD, users=True)
            match request.command:
                case socks.HOLD:
                    await self._hold(engine, request.user)
                case socks.RESOLVE:
                    judgement = await self._judge(request.destination)
                    metrics.OUTLET_CONNECTIONS.add("looked_up")
                    writer.writelines(map(socks.resolved, judgement.addresses))
                case _:
                    with self._belonging_to(request.user):
                        await self._connect(engine, request.destination)
        except Denied as denied:
            metrics.OUTLET_CONNECTIONS.add(_outcome(denied))
            writer.write(denied.reply)

    async def _hold(self, engine: Stream, user: bytes) -> None:
        """Let `user` connect until this session ends, then cut all its connections at once.

        A relay alone would notice late or never: while the site reads nothing, it does not read from the engine.
        """
        if not user or user in self._sessions:
            raise Denied
        serving = self._sessions[user] = set()
        try:
            metrics.OUTLET_CONNECTIONS.add("held")
            engine[1].write(bytes(Reply.GRANTED))
            async with asyncio.timeout(SESSION_SECONDS):
                await engine[0].read(1)
        finally:
            del self._sessions[user]
            for task in serving:
                task.cancel()

    @contextlib.contextmanager
    def _belonging_to(self, user: bytes) -> Iterator[None]:
        """Count the current task to the session of `user`. Raises Denied, with no reply, if there is none."""
        if user not in self._sessions:
            raise Denied
        serving, task = self._sessions[user], cast("asyncio.Task[None]", asyncio.current_task())
        serving.add(task)
        try:
            yield
        finally:
            serving.discard(task)

    async def _connect(self, engine: Stream, destination: Destination) -> None:
        judgement = await self._judge(destination)
        site = await self._dial(judgement, destination.port)
        metrics.OUTLET_CONNECTIONS.add("connected")
        async with closing(site, CLOSING_SECONDS):
            engine[1].write(bytes(Reply.GRANTED))
            await Relay(engine, site, _admit_all).run(self._gate.limits.idle, lambda: self._gate.limits.first_byte)

    async def _judge(self, destination: Destination) -> Judgement:
        """Judge a destination. Raises Denied with one reply for every verdict: only the log has the reason."""
        if destination in self._exempt:
            return Judgement(Verdict.EXEMPT, (ip_address(destination.host),))
        try:
            judgement = await self._gate.judge(destination, self._gate.lookup_slots())
        except (ResolverBusy, ProxyFailed):
            raise Denied(bytes(Reply.FAILED)) from None
        if not judgement.ok:
            log.debug("refused", host=destination.host, port=destination.port, verdict=judgement.verdict)
            raise Denied(bytes(Reply.NOT_ALLOWED))
        if judgement.verdict is Verdict.EXEMPT:
            dialled = {Destination.canonical(str(address), destination.port) for address in judgement.addresses}
            self._exempt |= {each for each in dialled if not self._gate.guard.screen(each.host, each.port).ok}
        return judgement

    async def _dial(self, judgement: Judgement, port: int) -> Stream:
        try:
            return await self._gate.dial(judgement.addresses, port)
        except ProxyFailed:
            raise Denied(bytes(Reply.FAILED)) from None
        except OSError as err:
            raise Denied(bytes(_reply(err))) from err


async def _admit_all(_: int) -> None:
    """Let every byte pass: the engine keeps to the rate of a capture."""


def _outcome(denied: Denied) -> str:
    if denied.reply == bytes(Reply.NOT_ALLOWED):
        return "not_allowed"
    return "failed" if denied.reply in _FAILURES else "invalid"


def _reply(err: OSError) -> Reply:
    if isinstance(err, TimeoutError):
        return Reply.TIMED_OUT
    return Reply.REFUSED if err.errno == errno.ECONNREFUSED else Reply.UNREACHABLE
