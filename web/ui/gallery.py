"""The gallery: a wall of all sites, and a page of each."""

from flask import Blueprint, Response, abort

from web.ui.access import require_gallery
from web.ui.error_pages import show_errors
from web.ui.pages import page


def blueprint() -> Blueprint:
    views = Blueprint("gallery", __name__)
    show_errors(views)
    views.before_request(require_gallery)

    @views.get("/gallery")
    def wall() -> Response:
        return page("gallery.html")

    @views.get("/gallery/<path:path>")
    def unknown(path: str) -> Response:  # noqa: ARG001 - so that a wrong address below the gallery gets a page too
        abort(404)

    return views
