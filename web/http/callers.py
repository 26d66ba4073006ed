"""Who is asking: a known key, or an address; and which origins' scripts may."""

from dataclasses import dataclass

from flask import Blueprint, request
from flask_cors import CORS
from werkzeug.middleware.proxy_fix import ProxyFix

from access import AccessRules, ApiKey, client_of
from errors import BadKey


def current_client() -> str:
    """Name the client of the current request; TRUSTED_PROXIES is applied by then."""
    return client_of(request.remote_addr)


class TrustedProxies(ProxyFix):
    """Believes as many proxies in front as it is told: the last so many entries of a header's list.

    The list is cut at its commas and nowhere else. Werkzeug's own parser knows quoted strings: one `"` from a client
    hides from it all that the proxies append.
    """

    def _get_real_value(self, trusted: int, value: str | None) -> str | None:
        entries = (value or "").split(",")
        return entries[-trusted].strip() if 0 < trusted <= len(entries) else None


@dataclass(frozen=True, slots=True)
class Caller:
    """The client that limits are counted for: a key before an address."""

    name: str
    key: ApiKey | None

    @property
    def own_limit(self) -> str | None:
        return self.key.limit if self.key else None


def identify(access: AccessRules, *, needs_key: str = "") -> Caller:
    """Tell who asks. `needs_key` names what is for known callers only. Raises BadKey or KeyRequired."""
    key = access.identify(request.headers.get("Authorization"), request.headers.get("X-API-Key"))
    if needs_key:
        access.require_key(key, needs_key)
    return Caller(f"key:{key.name}" if key else current_client(), key)


def counted_client(access: AccessRules) -> str:
    """Name the client whose requests are counted: a key of ours before an address. A wrong key is the view's to refuse."""
    try:
        return identify(access).name
    except BadKey:
        return current_client()


def allow_origins(views: Blueprint, origins: tuple[str, ...]) -> None:
    """Let scripts of `origins` call these views from a browser. None given: no CORS header at all."""
    if origins:
        headers = ["Authorization", "Content-Type", "Idempotency-Key", "X-API-Key", "X-Request-ID"]
        CORS(views, origins=list(origins), methods=["POST"], allow_headers=headers, max_age=600)
