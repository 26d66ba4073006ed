"""The way out for an engine whose own network has none, and a second judge of where it goes: `python -m engine.outlet`.

A SOCKS5 server that dials what its own gate lets through, and looks names up, which an internal network cannot. What
one capture may have is the engine's to limit; here is only what keeps the process itself from harm.
"""

import asyncio
import errno
from ipaddress import ip_address

import structlog

from engine import socks
from engine.errors import ResolverBusy
from engine.gate import Gate, Limits
from engine.relay import Relay, Stream, ending
from engine.socks import Denied, Destination, Reply
from netguard import Judgement, Verdict

# The engine's own limits shall be the ones that count: it holds a line while a capture lasts, gives a look-up up after
# two seconds, and has 64 of them at its door besides the 32 of each capture.
LIMITS = Limits(lookup=30, lookups=48, idle=150)
CONNECTIONS = 512  # for each capture at a time: its 256, its look-ups, its line, and those that are just ending

log = structlog.get_logger()


class Outlet:
    def __init__(self, gate: Gate, connections: int) -> None:
        """Serve at most `connections` at a time; who comes then is hung up on."""
        self._gate = gate
        self._free = connections
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
        except OSError:
            pass  # One of the two hung up, or nobody said anything for too long.
        finally:
            self._free += 1

    async def _answer(self, engine: Stream) -> None:
        reader, writer = engine
        try:
            async with asyncio.timeout(self._gate.limits.idle):
                request = await socks.accept(reader, writer, socks.CONNECT, socks.RESOLVE)
            judgement = await self._judge(request.destination)
            if request.command == socks.RESOLVE:
                writer.writelines(map(socks.resolved, judgement.addresses))
                return
            site = await self._dial(judgement, request.destination.port)
        except Denied as denied:
            writer.write(denied.reply)
            return
        async with ending(site, self._gate.limits.idle):
            writer.write(bytes(Reply.GRANTED))
            await Relay(engine, site, lambda _: True).run(self._gate.limits.idle)

    async def _judge(self, destination: Destination) -> Judgement:
        """Raises Denied, for whatever reason in the same words: the log knows."""
        if destination in self._exempt:
            return Judgement(Verdict.EXEMPT, (ip_address(destination.host),))
        try:
            judgement = await self._gate.judge(destination, self._gate.turns())
        except ResolverBusy:
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
        except OSError as err:
            raise Denied(bytes(_reply(err))) from err


def _reply(err: OSError) -> Reply:
    if isinstance(err, TimeoutError):
        return Reply.TIMED_OUT
    return Reply.REFUSED if err.errno == errno.ECONNREFUSED else Reply.UNREACHABLE
