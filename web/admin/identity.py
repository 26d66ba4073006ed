"""Who the admin of the current request is: by a session, or by the header of a trusted proxy."""

import re
from dataclasses import dataclass

import structlog
from flask import Flask, g, request, session
from flask.sessions import SecureCookieSessionInterface
from flask_wtf.csrf import CSRFProtect

from access import AdminKey, client_of
from config import Settings
from services import Services
from web.http.addresses import path_of
from web.http.site_images import are_open

BY_KEY = "admin"  # the name of everybody who logs in with the key
COOKIE = "admin"
_TOKEN = "token"  # noqa: S105 - in the session cookie: the token of the session in the database
_PAGES = frozenset(("admin", "gallery", "playground"))  # the blueprints whose pages look different to an admin
_FEED = "sites.feed"  # an endpoint, which is for those who may see the gallery
_NAME = re.compile(r"[^\s,\x00-\x1f\x7f][^,\x00-\x1f\x7f]{0,199}")
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Admin:
    """An admin: `who` is the name for the audit log. `by_proxy` says that a proxy has logged them in."""

    who: str
    client: str
    by_proxy: bool = False


class _AdminCookie(SecureCookieSessionInterface):
    """Keeps the cookie to our own path, and behind TLS to TLS, as the trusted proxy says."""

    def __init__(self, public_url: str | None) -> None:
        self._public_url = public_url

    def get_cookie_name(self, app: Flask) -> str:  # noqa: ARG002
        return COOKIE

    def get_cookie_path(self, app: Flask) -> str:  # noqa: ARG002
        return path_of("/", self._public_url)

    def get_cookie_secure(self, app: Flask) -> bool:  # noqa: ARG002
        return request.is_secure

    def get_cookie_httponly(self, app: Flask) -> bool:  # noqa: ARG002
        return True

    def get_cookie_samesite(self, app: Flask) -> str:  # noqa: ARG002
        return "Strict"


def install(app: Flask, services: Services, key: AdminKey) -> CSRFProtect:
    """Let `g.admin` name the admin in pages for people. Return what judges the forms of admin pages."""
    app.secret_key = key.session_secret
    app.session_interface = _AdminCookie(services.settings.public_url)
    # A form may be open for as long as its session lasts. The token is enough: the host that a proxy shows may be another.
    app.config.update(WTF_CSRF_CHECK_DEFAULT=False, WTF_CSRF_TIME_LIMIT=None, WTF_CSRF_SSL_STRICT=False)

    pictures_are_private = not are_open(services.settings)

    @app.before_request
    def identify() -> None:
        private = pictures_are_private and request.blueprint == "sites"
        if request.blueprint in _PAGES or private or request.endpoint == _FEED:
            g.admin = _from_proxy(services.settings) or _from_session(services)

    return CSRFProtect(app)


def current_client() -> str:
    """Name the client whose failures count: its address, or its /64."""
    return client_of(request.remote_addr)


def begin_session(services: Services, who: str) -> None:
    """Log the current client in. The cookie of before, with its CSRF token, is not trusted any longer."""
    session.clear()
    session[_TOKEN] = services.admin_sessions.begin(who, current_client())


def end_session(services: Services, *, everywhere: bool = False) -> None:
    """Log the current admin out here, or all admins everywhere."""
    if everywhere:
        services.admin_sessions.end_all()
    elif token := session.get(_TOKEN):
        services.admin_sessions.end(str(token))
    session.clear()


def record(services: Services, action: str, subject: str = "", detail: str = "") -> None:
    """Write what the current admin did into the audit log. URLs of sites are there, and not in the log of the process."""
    admin: Admin = g.admin
    _log.info("admin_action", who=admin.who, client=admin.client, action=action)
    services.audit.record(admin.who, admin.client, action, subject, detail)


def _from_session(services: Services) -> Admin | None:
    token = session.get(_TOKEN)
    found = services.admin_sessions.find(str(token)) if token else None
    return Admin(found.who, current_client()) if found else None


def _from_proxy(settings: Settings) -> Admin | None:
    """Read the header that a trusted proxy has set. Not for a request that did not come through all of them."""
    if settings.admin_trusted_header is None:
        return None
    forwarded = request.headers.get("X-Forwarded-For", "").split(",")
    if sum(bool(entry.strip()) for entry in forwarded) < settings.trusted_proxies:
        return None
    # Two headers, one of them the visitor's, arrive as one with a comma.
    who = request.headers.get(settings.admin_trusted_header, "")
    return Admin(who.strip(), current_client(), by_proxy=True) if _NAME.fullmatch(who) else None
