"""A named verdict for an address or a host name: pure, and without a look-up.

`ipaddress.is_global` passes more than twenty addresses that must be refused, so the tables here are our own. Tests
compare them with dated copies of IANA's registries: special-purpose addresses, and allocations of IPv6.
"""

from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


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
    NO_NETWORK = "no_network"  # a document that may request nothing
    BUSY = "busy"  # too many look-ups hang, or too many files are open: this name was not looked up

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

# All but `_IPV6_ALLOCATED` is refused anyway. For most of these rows, only the verdict is more exact.
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
# What IANA has allocated of 2000::/3 to the regional registries: a test compares it with a dated copy of IANA's list.
# A younger allocation is refused, which is rare: the last one was made in 2024, and the one before in 2019.
_IPV6_ALLOCATED = tuple(
    ip_network(block)
    for block in (
        "2001:200::/23",
        "2001:400::/23",
        "2001:600::/23",
        "2001:800::/22",
        "2001:c00::/23",
        "2001:e00::/23",
        "2001:1200::/23",
        "2001:1400::/22",
        "2001:1800::/23",
        "2001:1a00::/23",
        "2001:1c00::/22",
        "2001:2000::/19",
        "2001:4000::/23",
        "2001:4200::/23",
        "2001:4400::/23",
        "2001:4600::/23",
        "2001:4800::/23",
        "2001:4a00::/23",
        "2001:4c00::/23",
        "2001:5000::/20",
        "2001:8000::/19",
        "2001:a000::/20",
        "2001:b000::/20",
        "2003::/18",
        "2400::/12",
        "2410::/12",
        "2600::/12",
        "2610::/23",
        "2620::/23",
        "2630::/12",
        "2800::/12",
        "2a00::/12",
        "2a10::/12",
        "2c00::/12",
    )
)
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
NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")


def judge_address(address: Address) -> Verdict:
    """Judge whether `address` is public, and if not, why."""
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
    return Verdict.PUBLIC if any(address in network for network in _IPV6_ALLOCATED) else Verdict.SPECIAL


def judge_name(name: str) -> Verdict:
    """Judge whether the ASCII host `name` (lower case, no root dot) may be looked up at all."""
    labels = name.split(".")
    if len(name) > 253 or not NAME_CHARACTERS.issuperset(name) or not all(0 < len(part) <= 63 for part in labels):
        return Verdict.BAD_NAME
    if name in _METADATA_NAMES:
        return Verdict.METADATA
    if len(labels) == 1 or any(".".join(labels[i:]) in _LOCAL_SUFFIXES for i in range(len(labels))):
        return Verdict.LOCAL_NAME
    return Verdict.NEEDS_LOOKUP


def literal(host: str) -> Address | None:
    """Parse `host` (IPv6 with or without brackets) as an address literal. Returns None for a name."""
    try:
        return ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
