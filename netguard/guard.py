"""The rules of one installation: the ports that a target may name, the exemptions, and the judgement of a host.

Knows nothing of HTTP, of URL syntax or of the rest of the service. The web side judges each request, and the engine
judges again when it opens a socket.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Self

from netguard.addresses import NAME_CHARACTERS, Address, Network, Verdict, judge_address, judge_name, literal
from netguard.resolver import Busy, Lookup, is_own_address, resolve, system_lookup


@dataclass(frozen=True, slots=True)
class Exemption:
    """One entry of PRIVATE_TARGETS: a name or a network, for one port or (None) for every allowed one."""

    target: str | Network
    port: int | None = None

    @classmethod
    def parse(cls, entry: str) -> Self:
        """Read `host`, `host:port`, `address`, `[v6]:port` or a CIDR. Raises ValueError that names the entry."""
        host, port = _split_port(entry.strip().lower())
        try:
            return cls(ip_network(host.strip("[]"), strict=False), port)
        except ValueError:
            if "/" in host or not host or not NAME_CHARACTERS.issuperset(host):
                raise ValueError(f"{entry!r} is not a host, host:port, address or CIDR") from None
            return cls(host.removesuffix("."), port)

    def covers(self, host: str, port: int, addresses: Iterable[Address] = ()) -> bool:
        """Return whether this entry matches `host` or every one of its `addresses`."""
        if self.port not in (None, port):
            return False
        if isinstance(self.target, str):
            return host == self.target
        found = list(addresses)
        return bool(found) and all(address in self.target for address in found)


def _split_port(entry: str) -> tuple[str, int | None]:
    host, colon, port = entry.rpartition(":")
    if not colon or (":" in host and not host.endswith("]")) or entry.endswith("]"):
        return entry, None
    if not port.isascii() or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{entry!r} must have a port from 1 to 65535 after its colon")
    return host, int(port)


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and, if it is good, the judged addresses. Dial these and no others."""

    verdict: Verdict
    addresses: tuple[Address, ...] = ()

    @property
    def ok(self) -> bool:
        return self.verdict.ok


@dataclass(frozen=True, slots=True)
class Guard:
    """The rules of one installation: the ports that a target may name, the exemptions, and the look-up of names."""

    ports: frozenset[int] = frozenset({80, 443})
    exempt: tuple[Exemption, ...] = ()
    lookup: Lookup = field(default=system_lookup, compare=False)

    def screen(self, host: str, port: int) -> Verdict:
        """Judge `host` without a look-up. `NEEDS_LOOKUP` means that the verdict depends on the name's addresses."""
        address = literal(host)
        if address is not None:
            return self._weigh(host, port, (address,), judge_address(address))
        screened = self._weigh(host, port, (), judge_name(host))
        if screened is Verdict.PORT and self._may_resolve_into_exemption(port):
            return judge_name(host)
        return screened

    def needs_lookup(self, host: str, port: int) -> bool:
        """Return whether `host` must be looked up, to be judged or to be dialled."""
        screened = self.screen(host, port)
        return literal(host) is None and screened in (Verdict.NEEDS_LOOKUP, Verdict.EXEMPT)

    def judge(self, host: str, port: int) -> Judgement:
        """Judge `host` finally, with at most one look-up. One address that is not public refuses the whole name."""
        if not self.needs_lookup(host, port):
            return self.judge_resolved(host, port, ())
        try:
            return self.judge_resolved(host, port, resolve(host, self.lookup))
        except Busy:
            return Judgement(Verdict.BUSY)

    def judge_to_connect(self, host: str, port: int) -> Judgement:
        """Judge `host` for this process, which connects itself: no address of this machine passes unless it is exempt."""
        judgement = self.judge(host, port)
        try:
            own = judgement.verdict is not Verdict.EXEMPT and any(map(is_own_address, judgement.addresses))
        except Busy:
            return Judgement(Verdict.BUSY)
        return Judgement(Verdict.LOOPBACK) if own else judgement

    def judge_resolved(self, host: str, port: int, addresses: tuple[Address, ...]) -> Judgement:
        """Judge `host` finally by the `addresses` of its look-up, if it needs one. Looks nothing up itself."""
        if not self.needs_lookup(host, port):
            verdict, address = self.screen(host, port), literal(host)
            return Judgement(verdict, (address,) if address and verdict.ok else ())
        if not addresses:
            return Judgement(Verdict.UNRESOLVED)
        worst = next((v for v in map(judge_address, addresses) if not v.ok), Verdict.PUBLIC)
        verdict = self._weigh(host, port, addresses, worst)
        return Judgement(verdict, addresses if verdict.ok else ())

    def _weigh(self, host: str, port: int, addresses: tuple[Address, ...], verdict: Verdict) -> Verdict:
        """Apply the port rule and the exemptions to `verdict`. Only an entry with a port lifts the port rule."""
        covering = [entry for entry in self.exempt if entry.covers(host, port, addresses)]
        if port not in self.ports and not any(entry.port for entry in covering):
            return Verdict.PORT
        return Verdict.EXEMPT if covering else verdict

    def _may_resolve_into_exemption(self, port: int) -> bool:
        return any(entry.port == port and not isinstance(entry.target, str) for entry in self.exempt)


def exemptions(entries: Iterable[str]) -> tuple[Exemption, ...]:
    """Read the entries of PRIVATE_TARGETS. Raises ValueError that names the bad one."""
    return tuple(Exemption.parse(entry) for entry in entries)
