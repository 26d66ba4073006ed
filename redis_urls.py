"""The spellings of REDIS_URL and STATE_REDIS_URL: one server, or a service that Redis Sentinels watch.

A service is `redis+sentinel://[user:password@]host:port,host:port/service/0`. The user is Redis' own. Sentinels that
require one have it in the query: `?sentinel_username=…&sentinel_password=…`. `rediss+sentinel` uses TLS for both.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

FORMS = (
    "a redis://, rediss:// or unix:// URL, or redis+sentinel://user:password@host:26379,host:26379/service/0 for Redis "
    "Sentinel; Redis Cluster is not supported"
)
_SENTINEL = ("redis+sentinel", "rediss+sentinel")
_SENTINEL_PORT = 26379
_TLS_OPTIONS = {"ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname"}


@dataclass(frozen=True, slots=True)
class SentinelService:
    """A service, and the Sentinels that know its primary. Options have the names that redis-py gives them."""

    name: str
    database: int
    sentinels: tuple[tuple[str, int], ...]  # hosts and ports
    credentials: Mapping[str, str]
    sentinel_credentials: Mapping[str, str]
    tls: Mapping[str, Any]  # empty without TLS


def checked(url: str) -> str:
    """Return `url` if it has one of the forms. Raises ValueError."""
    scheme = url.partition("://")[0]
    if scheme in _SENTINEL:
        sentinel_service(url)
    elif scheme not in ("redis", "rediss", "unix") or urlsplit(url).port == 0:
        raise ValueError(url)
    return url


def sentinel_service(url: str) -> SentinelService | None:
    """Parse the URL of a service. Returns None for that of one server. Raises ValueError."""
    scheme, _, rest = url.partition("://")
    if scheme not in _SENTINEL:
        return None
    rest, _, query = rest.partition("?")
    authority, _, path = rest.partition("/")
    user, _, hosts = authority.rpartition("@")
    name, _, database = path.partition("/")
    if not name or "/" in database:
        raise ValueError(url)
    options = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)))
    credentials = options.pop("sentinel_username", ""), options.pop("sentinel_password", "")
    return SentinelService(
        unquote(name),
        _whole_number(database or "0"),
        tuple(_address(host) for host in hosts.split(",")),
        _credentials(*(unquote(part) for part in user.partition(":")[::2])),
        _credentials(*credentials),
        _tls(scheme, options),
    )


def _whole_number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(text)
    return int(text)


def _address(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname or parts.netloc != text or parts.port == 0:
        raise ValueError(text)
    return parts.hostname, parts.port or _SENTINEL_PORT


def _credentials(username: str, password: str) -> dict[str, str]:
    given = {"username": username, "password": password}
    return {name: value for name, value in given.items() if value}


def _tls(scheme: str, options: Mapping[str, str]) -> dict[str, Any]:
    """Return the options of TLS. An option that is not one of them is a mistake, and so is any without TLS."""
    encrypted = scheme == "rediss+sentinel"
    if options.keys() - (_TLS_OPTIONS if encrypted else set()):
        raise ValueError(scheme)
    tls: dict[str, Any] = dict(options)
    if "ssl_check_hostname" in tls:
        tls["ssl_check_hostname"] = tls["ssl_check_hostname"].lower() not in ("0", "false", "no")
    return {"ssl": True} | tls if encrypted else {}
