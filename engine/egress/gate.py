"""Decides which destinations may be reached: one look-up, one judgement, and a connection to a judged address.

The rules are `netguard`'s. The gate adds limits, so that one capture cannot exhaust what the others need, and refuses
the engine itself as a target.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import netguard
from engine.descriptors import EXHAUSTED
from engine.egress.lookups import Lookup, Lookups
from engine.egress.relay import Stream, open_connection
from engine.egress.socks import Destination
from engine.egress.upstream import Upstream, UpstreamSession
from engine.errors import ProxyFailed
from netguard import Address, Guard, Judgement, Verdict
from telemetry import metrics

MAX_ADDRESSES = 4  # tried of each name, each for an equal part of the time

Connect = Callable[[str, int], Awaitable[Stream]]


@dataclass(frozen=True, slots=True)
class Limits:
    """Time-outs in seconds for a look-up, for dialling, for silence and for an answer, and the limits of one capture.

    New connections, and bytes in both directions together, have a burst, and then a rate in a second. A page of large
    photographs needs 40 MiB, and one whose server closes every connection 600 of them: the bursts hold more. The rates
    are those of a fast home connection: a page that never ends gets some 550 MiB and 3,000 connections in its 30 s.
    """

    lookup: float = 2
    dial: float = 5
    idle: float = 10
    first_byte: float = 25  # from the browser's last byte to the site's next one
    lookups: int = 16  # at a time: one that timed out counts until its thread is free again
    target_lookups: int = 64  # the same, for the targets of all captures together
    connections: int = 256  # at a time: as many as a browser opens, WebSockets apart
    connection_burst: int = 1024
    connection_rate: float = 64
    byte_burst: int = 64 << 20
    byte_rate: float = 16 << 20


class Gate:
    def __init__(
        self,
        guard: Guard,
        captures: int,
        limits: Limits | None = None,
        connect: Connect = open_connection,
        upstream: Upstream | None = None,
    ) -> None:
        """Serve `captures` at a time. `connect` is called with addresses alone, never with names.

        If there is an `upstream`, every look-up and every connection goes through it.
        """
        self.limits = limits or Limits()
        self.guard = guard
        self._upstream = upstream
        self._connect = connect
        lookup: Lookup = upstream.lookup if upstream else lambda destination: guard.lookup(destination.host)
        # Targets and pages have separate threads: names that hang for one must not block the other.
        self._target_lookups = Lookups(lookup, self.limits.target_lookups, self.limits.lookup)
        # Twice as many, because a look-up that timed out may outlive its capture.
        self._page_lookups = Lookups(lookup, 2 * self.limits.lookups * captures, self.limits.lookup)
        self._own_ports: set[int] = set()

    def refuse_own_port(self, port: int) -> None:
        """Refuse one of the engine's own ports on every address of this machine."""
        self._own_ports.add(port)

    def lookup_slots(self) -> asyncio.Semaphore:
        """Make the semaphore that limits the simultaneous look-ups of one capture."""
        return asyncio.Semaphore(self.limits.lookups)

    async def admit(self, destination: Destination) -> Judgement:
        """Judge the target of a capture, with one look-up if it is a name. Raises Unavailable."""
        return await self._judge(destination, self._target_lookups, self.lookup_slots())

    async def judge(self, destination: Destination, slots: asyncio.Semaphore) -> Judgement:
        """Judge a destination that a page connects to. `slots` limits the look-ups of its capture. Raises Unavailable."""
        return await self._judge(destination, self._page_lookups, slots)

    async def _judge(self, destination: Destination, lookups: Lookups, slots: asyncio.Semaphore) -> Judgement:
        judgement = await self._look_up_and_judge(destination, lookups, slots)
        metrics.GUARD_VERDICTS.add(judgement.verdict)
        return judgement

    async def _look_up_and_judge(
        self, destination: Destination, lookups: Lookups, slots: asyncio.Semaphore
    ) -> Judgement:
        host, port = destination.host, destination.port
        answers = await lookups.resolve(destination, slots) if self.guard.needs_lookup(host, port) else []
        judgement = self.guard.judge_resolved(host, port, netguard.read_answers(answers))
        exempt = judgement.verdict is Verdict.EXEMPT and port not in self._own_ports
        try:
            own = not exempt and any(map(netguard.is_own_address, judgement.addresses))
        except netguard.Busy as err:
            raise ProxyFailed from err
        return Judgement(Verdict.LOOPBACK) if own else judgement  # an own address, however public it looks

    async def open_session(self) -> UpstreamSession | None:
        """Open a capture's session with the upstream, or return None if there is none. Raises ProxyFailed."""
        return await self._upstream.open_session() if self._upstream else None

    async def dial(self, addresses: tuple[Address, ...], port: int, session: UpstreamSession | None = None) -> Stream:
        """Connect to the first of `addresses` that answers. Raises OSError and ProxyFailed."""
        if self._upstream and not session:
            raise ProxyFailed
        connect = session.connect if session else self._connect
        tried = addresses[:MAX_ADDRESSES]
        failure = OSError("no address")
        for address in tried:
            try:
                async with asyncio.timeout(self.limits.dial / len(tried)):
                    return await connect(str(address), port)
            except OSError as err:
                if err.errno in EXHAUSTED:  # ours, not the site's
                    raise ProxyFailed from err
                failure = err
        raise failure
