"""Who may be reached: one look-up, one judgement, and a connection to an address that was judged.

The rules are `netguard`'s; what is added is that one capture cannot use up what the others need, and that the engine
itself is never a target.
"""

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import netguard
from engine.descriptors import NONE_LEFT
from engine.egress.lookups import Lookup, Lookups
from engine.egress.relay import Stream
from engine.egress.socks import Destination
from engine.egress.upstream import Upstream, UpstreamSession
from engine.errors import ProxyFailed
from netguard import Address, Guard, Judgement, Verdict

MAX_ADDRESSES = 4  # of a name are tried, each with its share of the time


Connect = Callable[[str, int], Awaitable[Stream]]


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds for a look-up, for dialling and without a byte; how much one capture may have."""

    lookup: float = 2
    dial: float = 5
    idle: float = 10
    lookups: int = 16  # at a time; one that is given up counts until its thread is free again
    door: int = 64  # the same, for those of all who ask for a capture
    connections: int = 256
    bytes: int = 30 << 20  # to and fro


class Gate:
    def __init__(
        self,
        guard: Guard,
        captures: int,
        limits: Limits | None = None,
        connect: Connect = asyncio.open_connection,
        upstream: Upstream | None = None,
    ) -> None:
        """`captures` at a time are reckoned with; `connect` is only ever given addresses.

        Where there is an `upstream` it looks up and connects, and nothing goes past it.
        """
        self.limits = limits or Limits()
        self.guard = guard
        self._upstream = upstream
        self._connect = connect
        lookup: Lookup = upstream.lookup if upstream else lambda destination: guard.lookup(destination.host)
        # Two of them, so that names which hang at the door do not keep pages from theirs, nor pages the door.
        self._at_the_door = Lookups(lookup, self.limits.door, self.limits.lookup)
        # Twice: a look-up that is given up may outlive its capture.
        self._of_pages = Lookups(lookup, 2 * self.limits.lookups * captures, self.limits.lookup)
        self._own_port: int | None = None

    def forbid(self, port: int) -> None:
        """Refuse the engine's own port, at whatever address of this machine it is asked for."""
        self._own_port = port

    def turns(self) -> asyncio.Semaphore:
        """What the look-ups of one capture take turns by."""
        return asyncio.Semaphore(self.limits.lookups)

    async def admit(self, destination: Destination) -> Judgement:
        """Judge what somebody wants captured, with one look-up where it is a name. Raises Unavailable."""
        return await self._judge(destination, self._at_the_door, self.turns())

    async def judge(self, destination: Destination, turns: asyncio.Semaphore) -> Judgement:
        """Judge where a page wants to go, likewise; `turns` limits the look-ups of one capture."""
        return await self._judge(destination, self._of_pages, turns)

    async def _judge(self, destination: Destination, lookups: Lookups, turns: asyncio.Semaphore) -> Judgement:
        host, port = destination.host, destination.port
        answers = await lookups.ask(destination, turns) if self._needs_lookup(host, port) else []
        judgement = replace(self.guard, lookup=lambda _: answers).judge(host, port)
        exempt = judgement.verdict is Verdict.EXEMPT and port != self._own_port
        if not exempt and any(map(_is_local, judgement.addresses)):
            return Judgement(Verdict.LOOPBACK)  # an address of this machine, however public it looks
        return judgement

    async def line(self) -> UpstreamSession | None:
        """What a capture needs to dial by the upstream; None where there is none. Raises ProxyFailed."""
        return await self._upstream.line() if self._upstream else None

    async def dial(self, addresses: tuple[Address, ...], port: int, line: UpstreamSession | None = None) -> Stream:
        """Connect to the first of `addresses` that answers. Raises OSError and ProxyFailed."""
        if self._upstream and not line:
            raise ProxyFailed
        connect = line.connect if line else self._connect
        tried = addresses[:MAX_ADDRESSES]
        failure = OSError("no address")
        for address in tried:
            try:
                async with asyncio.timeout(self.limits.dial / len(tried)):
                    return await connect(str(address), port)
            except OSError as err:
                if err.errno in NONE_LEFT:  # which is no fault of the site's
                    raise ProxyFailed from err
                failure = err
        raise failure

    def _needs_lookup(self, host: str, port: int) -> bool:
        screened = self.guard.screen(host, port)
        return netguard.literal(host) is None and screened in (Verdict.NEEDS_LOOKUP, Verdict.EXEMPT)


def _is_local(address: Address) -> bool:
    """Whether `address` is this machine's, or may be: only then can it be bound to. Sends nothing. Raises ProxyFailed."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError as err:
        if err.errno in NONE_LEFT:
            raise ProxyFailed from err
        return err.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
    return True
