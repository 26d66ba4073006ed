"""The value of the option `url`: a URL, parsed once."""

import re
from dataclasses import dataclass, field
from typing import Self

DEFAULT_PORTS = {"http": 80, "https": 443}
DOCUMENT_SCHEMES = frozenset({"document", "card"})
_AUTHORITY = re.compile(r"[^:/?#]*:/*[^/?#]*")
_CAPITAL_SHARP_S = re.compile("\u1e9e|%e1%ba%9e", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Target:
    """A URL in its canonical spelling, with the host and port that the guard judges.

    `host` is a name in ASCII, or an address; an IPv6 address keeps its brackets. `netloc` is the host, and the port
    unless it is the scheme's own, as in a `Host` header.

    A document has a target too, which names it: there is no host, and `netloc` is the name without data, for logs.
    """

    url: str
    host: str
    port: int
    netloc: str = field(init=False, repr=False, compare=False)  # stored, as the log of every hit has it

    def __post_init__(self) -> None:
        if self.is_document:
            netloc = self.url.partition("?")[0]
        else:
            netloc = self.host if self.port == DEFAULT_PORTS.get(self.scheme) else f"{self.host}:{self.port}"
        object.__setattr__(self, "netloc", netloc)

    @classmethod
    def of_document(cls, name: str) -> Self:
        """Name a document that the service itself gives to the browser: `document:<digest>`, `card:<template>?<data>`.

        No caller's `url` leads here. Everything after the first `?` is data, which no log shows.
        """
        if name.partition(":")[0] not in DOCUMENT_SCHEMES:
            raise ValueError(f"a document's name begins with one of {sorted(DOCUMENT_SCHEMES)}")
        return cls(name, "", 0)

    @property
    def is_document(self) -> bool:
        """Whether it names a document: there is no page, so there is no host to judge, to spare or to ask for leave."""
        return self.scheme in DOCUMENT_SCHEMES

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
