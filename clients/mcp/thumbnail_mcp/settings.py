"""What the environment says: where the service is, and the keys to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

_LOCAL = "http://localhost:8000"


class UnusableSetting(Exception):
    """A variable has a value that cannot work. The text names the variable, and never shows a key."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`port` is that of HTTP on loopback; without one, the server speaks over standard input and output."""

    url: str = _LOCAL
    api_key: str | None = field(default=None, repr=False)
    signing_key: str | None = field(default=None, repr=False)
    port: int | None = None

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Self:
        """Read the variables. Raises UnusableSetting."""
        return cls(
            _url(environ.get("THUMBNAIL_URL") or _LOCAL),
            _key(environ.get("THUMBNAIL_API_KEY", "")),
            environ.get("THUMBNAIL_SIGNING_KEY") or None,
            _port(environ.get("THUMBNAIL_MCP_PORT", "")),
        )


def _url(given: str) -> str:
    try:
        parts = urlsplit(given)
        host = parts.hostname if parts.port != 0 else None
    except ValueError:  # a port that is no number, brackets that hold no address
        host = None
    if not host or parts.scheme not in ("http", "https") or parts.query or parts.fragment:
        raise UnusableSetting(f"THUMBNAIL_URL: must be the service's address, such as {_LOCAL}")
    if "@" in parts.netloc:
        raise UnusableSetting("THUMBNAIL_URL: must hold no user name; set THUMBNAIL_API_KEY to one of the API_KEYS")
    return given


def _key(given: str) -> str | None:
    if not given.isascii() or not given.isprintable() or " " in given:
        raise UnusableSetting("THUMBNAIL_API_KEY: must be printable ASCII without blanks, as it is sent in a header")
    return given or None


def _port(given: str) -> int | None:
    if not given:
        return None
    if not (given.isascii() and given.isdecimal() and len(given) <= 5 and 0 < int(given) < 65_536):
        raise UnusableSetting("THUMBNAIL_MCP_PORT: must be a port from 1 to 65535")
    return int(given)
