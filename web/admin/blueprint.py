"""The admin pages, all below `/admin`. Without ADMIN_KEY there are none."""

from flask import Blueprint, Flask, Response, abort
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from access import AdminKey
from services import Services
from sites.imports import MAX_BYTES
from web.admin import identity
from web.admin.edit import add_edit_pages, allow_uploads
from web.admin.explain_page import add_explain_page
from web.admin.import_page import add_import_page
from web.admin.log_in import add_log_in, guard
from web.admin.reports import add_reports
from web.admin.sites import add_site_list
from web.http.budgets import Budgets
from web.ui.error_pages import Words, show_errors
from web.ui.pages import page

PAGES = (  # the navigation: endpoints and their names
    ("admin.overview", "Overview"),
    ("admin.sites", "Sites"),
    ("admin.failures", "Failures"),
    ("admin.explain", "Explain"),
    ("admin.jobs", "Jobs"),
    ("admin.storage", "Storage"),
    ("admin.keys", "Keys"),
    ("admin.audit", "Audit"),
)
_STRANGE_FORM = Words(
    "This form is no longer valid",
    "It was made for another session, or not by this service. Nothing was changed. Go back, reload the page, and send it again.",
)


def install(app: Flask, services: Services, budgets: Budgets) -> None:
    """Add the admin pages to `app`, after the pages for people."""
    secret = services.settings.admin_key
    if secret is None:
        return
    key = AdminKey(secret.get_secret_value())
    csrf = identity.install(app, services, key)
    views = Blueprint("admin", __name__, url_prefix="/admin", template_folder="templates")
    show_errors(views)
    views.register_error_handler(CSRFError, _respond_to_strange_form)
    allow_uploads(views, MAX_BYTES)
    guard(views, services, csrf)
    add_log_in(views, services, key)

    add_reports(views, services, budgets)
    add_explain_page(views, services)
    add_site_list(views, services)
    add_edit_pages(views, services, budgets)
    add_import_page(views, services)

    @views.get("/<path:path>")
    def unknown(path: str) -> Response:  # noqa: ARG001 - so that a wrong address below /admin gets a page too
        abort(404)

    @views.context_processor
    def frame() -> dict[str, object]:
        return {"admin_pages": PAGES, "section": ""}

    app.register_blueprint(views)


def _respond_to_strange_form(_err: HTTPException) -> Response:
    response = page("error.html", 400, words=_STRANGE_FORM, code="bad_request")
    response.headers["Cache-Control"] = "no-store"
    return response
