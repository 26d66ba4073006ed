"""The value of the option `url`: a URL, parsed once."""

from dataclasses import dataclass

DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Target:
    """A URL in its canonical spelling, with the host and port that the guard judges.

    `host` is a name in ASCII, or an address; an IPv6 address keeps its brackets.
    """

    url: str
    host: str
    port: int

    @property
    def scheme(self) -> str:
        return self.url.partition(":")[0]

    @property
    def netloc(self) -> str:
        """The host, and the port unless it is the scheme's own, as in a `Host` header."""
        return self.host if self.port == DEFAULT_PORTS.get(self.scheme) else f"{self.host}:{self.port}"

    @property
    def path(self) -> str:
        """Path and query, as in a request line."""
        return "/" + self.url.partition("#")[0].partition("://")[2].partition("/")[2]
