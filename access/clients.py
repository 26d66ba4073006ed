"""Which addresses count as one client."""

import re
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

# Some load balancers write the port too: `192.0.2.1:5555`, `[2001:db8::1]:443`. Brackets also come without a port.
_WITH_PORT = re.compile(r"(?:([0-9.]+)|\[([^\]]*)\])(?::[0-9]{1,5})?")


@lru_cache(maxsize=4096)
def client_of(address: str | None) -> str:
    """Name the client at `address`: the IPv4 address itself, or the /64 of an IPv6 address, which one customer holds.

    A port is ignored. Anything that is not an address counts as one client, "unknown".
    """
    matched = _WITH_PORT.fullmatch(address or "")
    try:
        parsed = ip_address((matched[1] or matched[2]) if matched else address or "")
    except ValueError:
        return "unknown"
    if isinstance(parsed, IPv6Address):
        mapped = parsed.ipv4_mapped  # a dual-stack socket writes an IPv4 peer like this
        return str(mapped or ip_network((parsed, 64), strict=False))
    return str(parsed)
