"""The way out for an engine whose own network has none, and a second judge of where it goes: `python -m engine.outlet`.

A SOCKS5 server that dials what its own gate lets through, and looks names up, which an internal network cannot. What
one capture may have is the engine's to limit; here is only what keeps the process itself from harm.
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
from engine.egress.relay import Relay, Stream, ending
from engine.egress.socks import Denied, Destination, Reply
from engine.errors import ProxyFailed, ResolverBusy
from netguard import Judgement, Verdict

# The engine's own limits shall be the ones that count: it leaves a connection that is silent for ten seconds, gives a
# look-up up after two, and has 64 of them at its door besides the 32 of each capture.
LIMITS = Limits(lookup=30, lookups=48, idle=12)
LINE_SECONDS = 150  # longer than any capture may take
ENDING_SECONDS = 1  # for what a site has not taken yet when the engine is done with it
CONNECTIONS = 512  # for each capture at a time: its 256, its look-ups, its line, and those that are just ending

log = structlog.get_logger()


class Outlet:
    def __init__(self, gate: Gate, connections: int) -> None:
        """Serve at most `connections` at a time; who comes then is hung up on."""
        self._gate = gate
        self._free = connections
        # What serves the connections of each capture that has a line, by its user name.
        self._captures: dict[bytes, set[asyncio.Task[None]]] = {}
        # A name that is exempt is dialled by the addresses that it was given out with, which by themselves are not.
        self._exempt: set[Destination] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        if not self._free:
            writer.transport.abort()
            return
        self._free -= 1
        try:
            async with ending((reader, writer), self._gate.limits.idle):
                await self._answer((reader, writer))
        except (OSError, asyncio.CancelledError):
            pass  # One of the two hung up, nobody said anything for too long, or the capture is over.
        finally:
            self._free += 1

    async def _answer(self, engine: Stream) -> None:
        reader, writer = engine
        try:
            async with asyncio.timeout(self._gate.limits.idle):
                request = await socks.accept(reader, writer, socks.CONNECT, socks.RESOLVE, socks.HOLD, users=True)
            match request.command:
                case socks.HOLD:
                    await self._hold(engine, request.user)
                case socks.RESOLVE:
                    judgement = await self._judge(request.destination)
                    writer.writelines(map(socks.resolved, judgement.addresses))
                case _:
                    with self._belonging_to(request.user):
                        await self._connect(engine, request.destination)
        except Denied as denied:
            writer.write(denied.reply)

    async def _hold(self, engine: Stream, user: bytes) -> None:
        """Let `user` connect until its line ends, and cut then what it has, whatever it is waiting for.

        A relay sees late, or never, that the engine is gone: it reads on only when the site takes what it has.
        """
        if not user or user in self._captures:
            raise Denied
        serving = self._captures[user] = set()
        try:
            engine[1].write(bytes(Reply.GRANTED))
            async with asyncio.timeout(LINE_SECONDS):
                await engine[0].read(1)
        finally:
            del self._captures[user]
            for task in serving:
                task.cancel()

    @contextlib.contextmanager
    def _belonging_to(self, user: bytes) -> Iterator[None]:
        """Raises Denied, without a word to who has no line or lost it."""
        if user not in self._captures:
            raise Denied
        serving, task = self._captures[user], cast("asyncio.Task[None]", asyncio.current_task())
        serving.add(task)
        try:
            yield
        finally:
            serving.discard(task)

    async def _connect(self, engine: Stream, destination: Destination) -> None:
        judgement = await self._judge(destination)
        site = await self._dial(judgement, destination.port)
        async with ending(site, ENDING_SECONDS):
            engine[1].write(bytes(Reply.GRANTED))
            await Relay(engine, site, lambda _: True).run(self._gate.limits.idle)

    async def _judge(self, destination: Destination) -> Judgement:
        """Raises Denied, for whatever reason in the same words: the log knows."""
        if destination in self._exempt:
            return Judgement(Verdict.EXEMPT, (ip_address(destination.host),))
        try:
            judgement = await self._gate.judge(destination, self._gate.turns())
        except (ResolverBusy, ProxyFailed):
            raise Denied(bytes(Reply.FAILED)) from None
        if not judgement.ok:
            log.debug("refused", host=destination.host, port=destination.port, verdict=judgement.verdict)
            raise Denied(bytes(Reply.NOT_ALLOWED))
        if judgement.verdict is Verdict.EXEMPT:
            given = {Destination.of(str(address), destination.port) for address in judgement.addresses}
            self._exempt |= {each for each in given if not self._gate.guard.screen(each.host, each.port).ok}
        return judgement

    async def _dial(self, judgement: Judgement, port: int) -> Stream:
        try:
            return await self._gate.dial(judgement.addresses, port)
        except ProxyFailed:
            raise Denied(bytes(Reply.FAILED)) from None
        except OSError as err:
            raise Denied(bytes(_reply(err))) from err


def _reply(err: OSError) -> Reply:
    if isinstance(err, TimeoutError):
        return Reply.TIMED_OUT
    return Reply.REFUSED if err.errno == errno.ECONNREFUSED else Reply.UNREACHABLE
