"""The gallery: a wall of all sites, and a page of each with its history."""

from dataclasses import replace

from flask import Blueprint, Response, abort, request

from errors import NotFound
from services import Services
from sites import Site
from web.ui.access import is_admin, require_gallery
from web.ui.comparison import VIEWS, SiteQuery
from web.ui.error_pages import show_errors
from web.ui.pages import page
from web.ui.timeline import MOST_BARS, Timeline
from web.ui.wall_query import PAGE_SITES, SORTS, WallQuery

_TAGS = 16  # that are offered beside the search


def blueprint(services: Services) -> Blueprint:
    views = Blueprint("gallery", __name__)
    show_errors(views)
    views.before_request(require_gallery)

    @views.get("/gallery")
    def wall() -> Response:
        query = WallQuery.of(request.args)
        found = services.catalogue.find(replace(query.filters, in_notes=is_admin()))
        tags = query.offered(services.catalogue.tags(), _TAGS)
        return page("gallery.html", query=query, found=found, tags=tags, sorts=SORTS)

    @views.get("/gallery/cards")
    def cards() -> Response:
        """Respond with the cards of some sites alone, for the script that waits for their pictures."""
        numbers = list(dict.fromkeys(request.args.getlist("site", type=int)))[:PAGE_SITES]
        return page("cards.html", sites=[site for number in numbers if (site := find_site(number))])

    @views.get("/gallery/<int:site_id>")
    def site(site_id: int) -> Response:
        found = services.catalogue.get(site_id)
        query = SiteQuery.of(request.args)
        versions = services.history.versions(site_id, query.older_than, MOST_BARS + 1)
        shown = query.show(found, services.history)
        return page("site.html", site=found, query=query, views=VIEWS, timeline=Timeline.of(versions), shown=shown)

    @views.get("/gallery/<path:path>")
    def unknown(path: str) -> Response:  # noqa: ARG001 - so that a wrong address below the gallery gets a page too
        abort(404)

    def find_site(site_id: int) -> Site | None:
        try:
            return services.catalogue.get(site_id)
        except NotFound:
            return None

    return views
