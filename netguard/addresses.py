"""Is this target public? A named verdict for addresses and host names, and the one look-up of a name.

Knows nothing of HTTP, of URL syntax or of the rest of the service: the web side asks at the door, the engine asks
again where a socket is opened. `ipaddress.is_global` passes more than twenty addresses that must be refused, so the
tables here are our own; a test holds them against a dated copy of the IANA special-purpose registries.
"""

import errno
import socket
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as LookupTimeout
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Self

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Lookup = Callable[[str], Iterable[str]]

LOOKUP_SECONDS = 2.0
MAX_ANSWERS = 32


class Verdict(StrEnum):
    """Why a target may or may not be reached; for logs and metrics, never for a stranger."""

    PUBLIC = "public"
    EXEMPT = "exempt"
    LOOPBACK = "loopback"
    PRIVATE = "private"
    SHARED = "shared"
    LINK_LOCAL = "link_local"
    METADATA = "metadata"
    MULTICAST = "multicast"
    EMBEDDED_IPV4 = "embedded_ipv4"
    SPECIAL = "special"
    ZONE = "zone"
    LOCAL_NAME = "local_name"
    BAD_NAME = "bad_name"
    PORT = "port"
    UNRESOLVED = "unresolved"
    NEEDS_LOOKUP = "needs_lookup"
    BUSY = "busy"  # too many look-ups hang, or files are open, for this one: nothing is known of the name

    @property
    def ok(self) -> bool:
        return self in (Verdict.PUBLIC, Verdict.EXEMPT)


def _table(rows: dict[str, Verdict]) -> tuple[tuple[Network, Verdict], ...]:
    return tuple((ip_network(network), verdict) for network, verdict in rows.items())


_IPV4 = _table(
    {
        "0.0.0.0/8": Verdict.LOOPBACK,  # Linux connects 0.0.0.0 to loopback
        "10.0.0.0/8": Verdict.PRIVATE,
        "100.64.0.0/10": Verdict.SHARED,
        "127.0.0.0/8": Verdict.LOOPBACK,
        "168.63.129.16/32": Verdict.METADATA,  # Azure's WireServer, which nearly every classifier calls public
        "169.254.0.0/16": Verdict.LINK_LOCAL,
        "172.16.0.0/12": Verdict.PRIVATE,
        "192.0.0.0/24": Verdict.SPECIAL,
        "192.0.2.0/24": Verdict.SPECIAL,
        "192.31.196.0/24": Verdict.SPECIAL,
        "192.52.193.0/24": Verdict.SPECIAL,
        "192.88.99.0/24": Verdict.SPECIAL,
        "192.168.0.0/16": Verdict.PRIVATE,
        "192.175.48.0/24": Verdict.SPECIAL,
        "198.18.0.0/15": Verdict.SPECIAL,
        "198.51.100.0/24": Verdict.SPECIAL,
        "203.0.113.0/24": Verdict.SPECIAL,
        "224.0.0.0/4": Verdict.MULTICAST,
        "240.0.0.0/4": Verdict.SPECIAL,
    }
)

# Only 2000::/3 is handed out; what lies outside is refused, the rows before it only give it a better name.
_IPV6 = _table(
    {
        "::1/128": Verdict.LOOPBACK,
        "::/128": Verdict.LOOPBACK,
        "::/96": Verdict.EMBEDDED_IPV4,
        "::ffff:0:0/96": Verdict.EMBEDDED_IPV4,
        "::ffff:0:0:0/96": Verdict.EMBEDDED_IPV4,
        "64:ff9b::/96": Verdict.EMBEDDED_IPV4,
        "64:ff9b:1::/48": Verdict.EMBEDDED_IPV4,
        "fc00::/7": Verdict.PRIVATE,
        "fe80::/10": Verdict.LINK_LOCAL,
        "fec0::/10": Verdict.PRIVATE,
        "ff00::/8": Verdict.MULTICAST,
        "2001::/32": Verdict.EMBEDDED_IPV4,  # Teredo
        "2001::/23": Verdict.SPECIAL,
        "2001:db8::/32": Verdict.SPECIAL,
        "2002::/16": Verdict.EMBEDDED_IPV4,  # 6to4
        "2620:4f:8000::/48": Verdict.SPECIAL,
        "3fff::/20": Verdict.SPECIAL,
    }
)
_IPV6_PUBLIC = IPv6Network("2000::/3")
_METADATA_ADDRESSES = frozenset({ip_address("169.254.169.254"), ip_address("fd00:ec2::254")})
_ISATAP = (0x00005EFE, 0x02005EFE)  # upper half of an interface id that carries an IPv4 address, RFC 5214

_METADATA_NAMES = frozenset(
    {
        "metadata.google.internal",
        "metadata.goog",
        "metadata.azure.com",
        "metadata.azure.internal",
        "metadata.tencentyun.com",
        "metadata.packet.net",
        "metadata.platformequinix.com",
        "metadata.service.consul",
        "api.metadata.cloud.ibm.com",
        "instance-data",
        "instance-data.ec2.internal",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    }
)
_LOCAL_SUFFIXES = frozenset(
    {
        "localhost",
        "localdomain",
        "localdomain6",
        "local",
        "internal",
        "home.arpa",
        "lan",
        "home",
        "corp",
        "intranet",
        "private",
        "onion",
        "svc",
        "consul",
    }
)
_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")


def judge_address(address: Address) -> Verdict:
    """Say whether `address` is public, and if not, why not."""
    if address in _METADATA_ADDRESSES:
        return Verdict.METADATA
    if isinstance(address, IPv4Address):
        return next((verdict for network, verdict in _IPV4 if address in network), Verdict.PUBLIC)
    return _judge_ipv6(address)


def _judge_ipv6(address: IPv6Address) -> Verdict:
    if address.scope_id is not None:
        return Verdict.ZONE
    for network, verdict in _IPV6:
        if address in network:
            return verdict
    if int(address) >> 32 & 0xFFFFFFFF in _ISATAP:
        return Verdict.EMBEDDED_IPV4
    return Verdict.PUBLIC if address in _IPV6_PUBLIC else Verdict.SPECIAL


def judge_name(name: str) -> Verdict:
    """Say whether the ASCII host `name` (lower case, no root dot) may be looked up at all."""
    labels = name.split(".")
    if len(name) > 253 or not _NAME_CHARACTERS.issuperset(name) or not all(0 < len(part) <= 63 for part in labels):
        return Verdict.BAD_NAME
    if name in _METADATA_NAMES:
        return Verdict.METADATA
    if len(labels) == 1 or any(".".join(labels[i:]) in _LOCAL_SUFFIXES for i in range(len(labels))):
        return Verdict.LOCAL_NAME
    return Verdict.NEEDS_LOOKUP


def literal(host: str) -> Address | None:
    """Read `host` (IPv6 with or without brackets) as an address literal, or give None for a name."""
    try:
        return ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None


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
            if "/" in host or not host or not _NAME_CHARACTERS.issuperset(host):
                raise ValueError(f"{entry!r} is not a host, host:port, address or CIDR") from None
            return cls(host.removesuffix("."), port)

    def covers(self, host: str, port: int, addresses: Iterable[Address] = ()) -> bool:
        """Tell whether `host`, or every one of its `addresses`, is meant by this entry."""
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
        raise ValueError(f"{entry!r} has no port between 1 and 65535 behind its colon")
    return host, int(port)


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and, where it is a good one, the addresses it holds for: dial these and no others."""

    verdict: Verdict
    addresses: tuple[Address, ...] = ()

    @property
    def ok(self) -> bool:
        return self.verdict.ok


def system_lookup(name: str) -> list[str]:
    """Ask the system's resolver for the addresses of `name`. Raises OSError."""
    # Bytes keep Python's IDNA 2003 codec out of it: names are ASCII by now.
    return [str(answer[4][0]) for answer in socket.getaddrinfo(name.encode("ascii"), None, type=socket.SOCK_STREAM)]


MOST_LOOKUPS = 32  # at a time; one that hangs keeps its thread, however long ago its caller gave up
_LOOKUPS = ThreadPoolExecutor(max_workers=MOST_LOOKUPS, thread_name_prefix="lookup")


class Busy(Exception):
    """A look-up could not even begin, for want of a thread or of a descriptor."""


def resolve(name: str, lookup: Lookup = system_lookup, timeout: float = LOOKUP_SECONDS) -> tuple[Address, ...]:
    """Look `name` up once, within `timeout` seconds. Gives () for no answer, too many answers, or a late one.

    Raises Busy.
    """
    answer = _LOOKUPS.submit(lambda: list(lookup(name)))
    try:
        answers = answer.result(timeout)
        addresses = tuple(dict.fromkeys(ip_address(answer) for answer in answers))
    except ValueError:
        return ()
    except (OSError, LookupTimeout) as err:
        if answer.cancel() or err.errno in (errno.EMFILE, errno.ENFILE):
            raise Busy from None
        return ()
    return addresses if len(addresses) <= MAX_ANSWERS else ()


@dataclass(frozen=True, slots=True)
class Guard:
    """The rules of one installation: the ports a target may name, who is exempt, and how names are looked up."""

    ports: frozenset[int] = frozenset({80, 443})
    exempt: tuple[Exemption, ...] = ()
    lookup: Lookup = field(default=system_lookup, compare=False)

    def screen(self, host: str, port: int) -> Verdict:
        """Judge what needs no look-up; `NEEDS_LOOKUP` for a name that only its addresses can judge."""
        address = literal(host)
        if address is not None:
            return self._weigh(host, port, (address,), judge_address(address))
        screened = self._weigh(host, port, (), judge_name(host))
        if screened is Verdict.PORT and self._may_resolve_into_exemption(port):
            return judge_name(host)
        return screened

    def judge(self, host: str, port: int) -> Judgement:
        """Judge `host` for good: at most one look-up, every address public or the whole name refused."""
        screened = self.screen(host, port)
        address = literal(host)
        if address is not None:
            return Judgement(screened, (address,) if screened.ok else ())
        if screened not in (Verdict.NEEDS_LOOKUP, Verdict.EXEMPT):
            return Judgement(screened)
        try:
            addresses = resolve(host, self.lookup)
        except Busy:
            return Judgement(Verdict.BUSY)
        worst = next((v for v in map(judge_address, addresses) if not v.ok), Verdict.PUBLIC)
        verdict = self._weigh(host, port, addresses, worst) if addresses else Verdict.UNRESOLVED
        return Judgement(verdict, addresses if verdict.ok else ())

    def _weigh(self, host: str, port: int, addresses: tuple[Address, ...], verdict: Verdict) -> Verdict:
        """Set `verdict` against the port rule and the exemptions: only an entry with a port lifts the port rule."""
        covering = [entry for entry in self.exempt if entry.covers(host, port, addresses)]
        if port not in self.ports and not any(entry.port for entry in covering):
            return Verdict.PORT
        return Verdict.EXEMPT if covering else verdict

    def _may_resolve_into_exemption(self, port: int) -> bool:
        return any(entry.port == port and not isinstance(entry.target, str) for entry in self.exempt)


def exemptions(entries: Iterable[str]) -> tuple[Exemption, ...]:
    """Read the entries of PRIVATE_TARGETS. Raises ValueError that names the bad one."""
    return tuple(Exemption.parse(entry) for entry in entries)
