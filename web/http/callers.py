"""The caller of the current request: an API key or an address. Also: trusted proxies."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog
from flask import Flask, request
from werkzeug.middleware.proxy_fix import ProxyFix

from access import AccessRules, ApiKey, client_of
from errors import BadKey, KeyRequired
from outbound import LOOP_HEADER, LOOP_NAME
from web.http.request_log import log_facts

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_log = structlog.get_logger()
_NOT_TRUSTED = (
    "X-Forwarded-For comes from a private address and is not believed, so all visitors behind that proxy share one limit; "
    "set TRUSTED_PROXIES to the number of proxies in front"
)
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")  # a proxy in front sends at least one of them
_PREFIX = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+/?")


class TrustedProxies(ProxyFix):
    """WSGI middleware that reads the caller's address from what the trusted proxies in front have appended.

    It also reads the scheme, and the path below which a proxy shows the service. Proxies that know no such path pass on what
    a caller writes, so only a plain path counts: an address in it would be another site's.

    It splits the header at commas alone. Werkzeug's parser knows quoted strings, so one `"` from a client would hide
    everything that the proxies append.
    """

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if "HTTP_X_FORWARDED_PREFIX" in environ and not _PREFIX.fullmatch(environ["HTTP_X_FORWARDED_PREFIX"]):
            del environ["HTTP_X_FORWARDED_PREFIX"]
        return super().__call__(environ, start_response)

    def _get_real_value(self, trusted: int, value: str | None) -> str | None:
        entries = (value or "").split(",")
        return entries[-trusted].strip() if 0 < trusted <= len(entries) else None


def trust_proxies(app: Flask, count: int) -> None:
    """Trust the last `count` proxies in front. Install it last, so that all other middleware sees the caller."""
    if not count:
        _warn_of_proxy(app)
    else:
        # Proxies append to X-Forwarded-For, but replace X-Forwarded-Proto and X-Forwarded-Prefix.
        app.wsgi_app = TrustedProxies(app.wsgi_app, x_for=count, x_proto=1, x_prefix=1)  # type: ignore[method-assign]


def _warn_of_proxy(app: Flask) -> None:
    """Warn once if a proxy on this network seems to be in front, since all its visitors count as one client."""
    served = app.wsgi_app

    def watching(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if "HTTP_X_FORWARDED_FOR" in environ and _is_on_this_network(environ.get("REMOTE_ADDR")):
            app.wsgi_app = served  # type: ignore[method-assign] # watches no longer
            _log.warning("proxy_not_trusted", detail=_NOT_TRUSTED)
        return served(environ, start_response)

    app.wsgi_app = watching  # type: ignore[method-assign]


def _is_on_this_network(address: str | None) -> bool:
    try:
        return ip_address(address or "").is_private
    except ValueError:
        return True  # a Unix socket


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of a request. `name` is the client whose budgets are charged: the API key, else the address."""

    name: str
    key: ApiKey | None

    @property
    def own_limit(self) -> str | None:
        return self.key.limit if self.key else None


def identify_caller(access: AccessRules, *, needs_key: str = "") -> Caller:
    """Identify the caller. `needs_key` names the action for which this request needs an API key, if any.

    Raises BadKey or KeyRequired.
    """
    key = access.identify(request.headers.get("Authorization"), request.headers.get("X-API-Key"))
    if key:
        log_facts(client=f"key:{key.name}")
    if needs_key:
        access.require_key(key, needs_key)
    return Caller(f"key:{key.name}" if key else _current_address(), key)


def note_client() -> None:
    """Name the client of a refused request in its log event: its address, unless its API key is there already.

    Addresses of those who get what they ask for are not logged.
    """
    if "client" not in structlog.contextvars.get_contextvars():
        log_facts(client=_current_address())


def is_from_this_service() -> bool:
    """Return whether this service, or another installation of it, fetches what a page names (RFC 8586)."""
    names = (each.partition(";")[0].strip().lower() for each in request.headers.get(LOOP_HEADER, "").split(","))
    return LOOP_NAME in names


def identify_keeper(access: AccessRules, action: str = "/sites") -> Caller:
    """Identify the caller of what keepers alone may do: an API key, or if none are set, a program on this machine.

    Raises BadKey or KeyRequired.
    """
    caller = identify_caller(access, needs_key=action)
    if caller.key is None and not _is_on_this_machine():
        raise KeyRequired(
            f"{action} needs an API key, except on the machine of the service; its operator sets API_KEYS"
        )
    return caller


def _is_on_this_machine() -> bool:
    """Return whether a program on this machine sent the current request, and none that passes on what others send.

    A page whose own name leads to this machine's loopback address ("DNS rebinding") asks for that name.
    """
    forwarded = any(name in request.headers for name in _FORWARDED)
    try:
        host = (urlsplit(f"//{request.host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    return not forwarded and _is_loopback(request.remote_addr) and (host == "localhost" or _is_loopback(host))


def _is_loopback(text: str | None) -> bool:
    try:
        address = ip_address(text or "")
    except ValueError:
        return False  # a name, or a Unix socket, which a proxy uses
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def rate_limited_client(access: AccessRules) -> str:
    """Name the client of the current request for the flood guard. A wrong key counts as its address."""
    try:
        return identify_caller(access).name
    except BadKey:
        return _current_address()


def _current_address() -> str:
    return client_of(request.remote_addr)
