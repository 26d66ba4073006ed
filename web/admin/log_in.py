"""Log-in by the admin key or by the link that `make run` prints, and log-out. Failures lock out their client alone."""

import structlog
from flask import Blueprint, Response, g, request
from flask_wtf.csrf import CSRFProtect

from access import LINK_SECONDS, AdminKey, Budget
from errors import RateLimited
from services import Services
from web.admin.identity import BY_KEY, begin_session, current_client, end_session, record
from web.admin.responses import own_path, see_other, see_path
from web.http.addresses import path_of
from web.ui.pages import page

FAILURES = "5 per 15 minutes"  # of one client
LOG_IN, LOG_OUT = "admin.log_in", "admin.log_out"
WRONG_KEY = "This is not the admin key."
WRONG_LINK = (
    "This link was used before, or is too old. Log in with the admin key, or start the service again for a new link."
)
ENDED = "Your session has ended, so nothing was changed. Log in and send the form again."
_log = structlog.get_logger()


def guard(views: Blueprint, services: Services, csrf: CSRFProtect) -> None:
    """Require an admin for every page but the log-in, and the token of its session for every form."""

    @views.before_request
    def require_admin() -> Response | None:
        if request.endpoint == LOG_IN:
            csrf.protect()
            return None
        if g.admin is None:
            if request.method in ("GET", "HEAD"):
                return see_other(LOG_IN, next=path_of(request.full_path.rstrip("?"), services.settings.public_url))
            return _show(401, ENDED, "")
        csrf.protect()
        return None


def add_log_in(views: Blueprint, services: Services, key: AdminKey) -> None:
    failures = Budget(services.counters, FAILURES, "failed log-ins")
    public_url = services.settings.public_url

    @views.route("/log-in", methods=["GET", "POST"])
    def log_in() -> Response:
        back = own_path(request.values.get("next", ""), public_url)
        by_key, token = request.method == "POST", _token_of_link()
        if not by_key and token is None:
            return see_path(back) if g.admin else _show(200, "", back)
        try:
            # A try is charged before it is judged, so that simultaneous tries do not get more.
            failures.reserve(current_client(), 1)
        except RateLimited as err:
            minutes = -(-(err.retry_after or 60) // 60)
            response = _show(429, f"Too many failed log-ins from your address. Try again in {minutes} minutes.", back)
            response.headers["Retry-After"] = str(err.retry_after)
            return response
        opened = key.matches(request.form.get("key", "")) if by_key else _opens_link(services, key, token)
        if not opened:
            _note_failure("by key" if by_key else "by link")
            return _show(403, WRONG_KEY if by_key else WRONG_LINK, back)
        failures.count(current_client(), -1)
        begin_session(services, BY_KEY)
        services.audit.record(BY_KEY, current_client(), "logged in")
        return see_path(back)

    @views.post("/log-out")
    def log_out() -> Response:
        everywhere = "everywhere" in request.form
        record(services, "logged out everywhere" if everywhere else "logged out")
        end_session(services, everywhere=everywhere)
        return see_other(LOG_IN)

    def _note_failure(how: str) -> None:
        _log.warning("admin_log_in_failed", client=current_client(), how=how)
        services.audit.record("", current_client(), "failed to log in", detail=how)


def _token_of_link() -> str | None:
    """Return the token of a link that a person has followed, None for any other request.

    Other sites' pages could use up the tries of their visitor's address: such a link comes from a terminal, not from a page.
    """
    elsewhere = request.headers.get("Sec-Fetch-Site", "none") in ("cross-site", "same-site")
    return None if request.method != "GET" or elsewhere else request.args.get("token")


def _opens_link(services: Services, key: AdminKey, token: str | None) -> bool:
    nonce = key.read_link_token(token or "")
    return nonce is not None and services.admin_sessions.use_link(nonce, LINK_SECONDS)


def _show(status: int, problem: str, back: str) -> Response:
    response = page("admin/log_in.html", status, problem=problem, back=back)
    response.headers["Cache-Control"] = "no-store"
    return response
