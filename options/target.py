"""The value of the option `url`: a URL, parsed once."""

from dataclasses import dataclass, field

DEFAULT_PORTS = {"http": 80, "https": 443}


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
