"""The value of the option `url`: a URL, parsed once."""

import re
from dataclasses import dataclass, field

DEFAULT_PORTS = {"http": 80, "https": 443}
_AUTHORITY = re.compile(r"[^:/?#]*:/*[^/?#]*")
_CAPITAL_SHARP_S = re.compile("\u1e9e|%e1%ba%9e", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Target:
    """A URL in its canonical spelling, with the host and port that the guard judges.

    `host` is a name in ASCII, or an address; an IPv6 address keeps its brackets. `netloc` is the host, and the port
    unless it is the scheme's own, as in a `Host` header.
    """

    url: str
    host: str
    port: int
    netloc: str = field(init=False, repr=False, compare=False)  # stored, as the log of every hit has it

    def __post_init__(self) -> None:
        netloc = self.host if self.port == DEFAULT_PORTS.get(self.scheme) else f"{self.host}:{self.port}"
        object.__setattr__(self, "netloc", netloc)

    @property
    def scheme(self) -> str:
        return self.url.partition(":")[0]

    @property
    def path(self) -> str:
        """Path and query, as in a request line."""
        return "/" + self.url.partition("#")[0].partition("://")[2].partition("/")[2]


def with_sharp_s(url: str) -> str:
    """Write the capital ẞ of a host as ß, percent-encoded or not.

    Since Unicode 15.1 the table of IDNA (UTS 46) maps it so, and browsers go to that site. can_ada's table is older and
    maps it to ss, which is another site. Of all characters that can_ada accepts, this is the only one that differs.
    """
    authority = _AUTHORITY.match(url)
    if authority is None:
        return url
    return _CAPITAL_SHARP_S.sub("ß", authority[0]) + url[authority.end() :]
