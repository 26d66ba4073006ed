"""The page that explains why a page has a picture, or none. It changes nothing, so its form is a GET."""

from urllib.parse import quote, urlencode

from flask import Blueprint, Response, g, request

from errors import BlockedTarget, InvalidOption, InvalidURL
from services import Services
from thumbnails import CLIENT_FIELD
from web.ui.pages import page

_UNRESERVED = "&=%+,.-_~:/?@!$'()*;[]"  # what a query may hold as it is: RFC 3986, 3.4
_TYPED = ("url", "options", CLIENT_FIELD)


def add_explain_page(views: Blueprint, services: Services) -> None:
    @views.get("/explain")
    def explain() -> Response:
        typed = {name: request.args.get(name, "").strip() for name in _TYPED}
        if not typed["url"]:
            return page("admin/explain.html", typed=typed, explained=None, problem=("", ""))
        try:
            explained = services.query_explainer.explain(_query_of(typed), g.admin.client)
        except (InvalidOption, InvalidURL, BlockedTarget) as err:
            field = err.field if err.field in ("url", CLIENT_FIELD) else "options"
            problem = (field, err.reason if field == err.field else err.detail)
            return page("admin/explain.html", err.status, typed=typed, explained=None, problem=problem)
        return page("admin/explain.html", typed=typed, explained=explained, problem=("", ""))


def _query_of(typed: dict[str, str]) -> bytes:
    """Write the query that a program would send to `/explain`. Options are typed as in a query."""
    options = quote(typed["options"].lstrip("?&"), safe=_UNRESERVED)
    client = urlencode({CLIENT_FIELD: typed[CLIENT_FIELD]}) if typed[CLIENT_FIELD] else ""
    return "&".join(part for part in (urlencode({"url": typed["url"]}), options, client) if part).encode()
