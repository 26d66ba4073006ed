"""Pages for people as responses: the templates' environment, the headers of a page, and its theme."""

from functools import cache
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, abort, render_template, request, url_for
from jinja2 import StrictUndefined

from services import Services
from web.http.addresses import base_url, path_of
from web.http.origins import refuse_foreign_writes
from web.http.page_links import PageLinks
from web.ui import wording
from web.ui.access import is_admin, may_see_gallery
from web.ui.assets import Assets
from web.ui.pictures import PictureAddresses

# Nothing inline and nothing from elsewhere. Styles that scripts set one by one need no permission.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-cache",
    "Vary": "Cookie",
}
FRONT_DOOR = "playground.front_door"
LOG_IN, NEW_SITE = "admin.log_in", "admin.new_site"  # endpoints of web/admin, which lies above this folder
THEMES = ("system", "light", "dark")
_THEME_COOKIE = "theme"
_A_YEAR = 365 * 86400


def install(app: Flask, services: Services) -> None:
    """Prepare the templates of all pages, and serve what every page needs: its files and the switch of its theme."""
    assets = Assets()
    public_url = services.settings.public_url
    links = PageLinks(services)

    def link(endpoint: str, **values: Any) -> str:
        """Return the path of a page, also where the service lies below a path of another site."""
        path = url_for(endpoint, **values)
        return path if request.root_path else path_of(path, public_url)

    def here() -> str:
        """Return the path of the current page with its query."""
        return path_of(request.full_path.rstrip("?"), public_url)

    def log_in() -> str:
        """Return the path of the log-in page, which leads back here; "" if there is none."""
        return link(LOG_IN, next=here()) if LOG_IN in app.view_functions else ""

    def new_site() -> str:
        """Return the path of the form for a new site; "" for a reader who must not add one."""
        return link(NEW_SITE) if is_admin() and NEW_SITE in app.view_functions else ""

    def exists(rule: str) -> bool:
        """Return whether this installation has a page or document at the path `rule`."""
        return any(each.rule == rule for each in app.url_map.iter_rules())

    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    words = (
        "ago",
        "day",
        "due",
        "duration",
        "host",
        "minute",
        "moment",
        "name",
        "number",
        "percent",
        "seconds",
        "sentence",
        "size",
        "span",
    )
    app.jinja_env.filters.update({word: getattr(wording, word) for word in words})
    app.jinja_env.globals.update(
        link=link,
        exists=cache(exists),
        front_door=FRONT_DOOR,
        may_see_gallery=may_see_gallery,
        is_admin=is_admin,
        path=lambda path: path_of(path, public_url),
        absolute=lambda path: (public_url or base_url()) + path,
        here=here,
        log_in=log_in,
        new_site=new_site,
        asset=lambda name: link("ui.static", name=assets.versioned(name)),
        pictures=PictureAddresses(services.access),
        oembed=lambda url: links.oembed([("url", url)]),
        theme=_theme,
        themes=THEMES,
    )
    app.register_blueprint(_blueprint(assets, public_url))


def page(template: str, status: int = 200, **values: object) -> Response:
    """Respond with a page. `values` are what its template shows."""
    response = Response(
        render_template(template, status=status, **values), status, content_type="text/html; charset=utf-8"
    )
    response.headers.update(_HEADERS)
    return response


def _blueprint(assets: Assets, public_url: str | None) -> Blueprint:
    views = Blueprint("ui", __name__, template_folder="templates")
    # A visitor has no session, so there is no token that the form of the theme could carry.
    refuse_foreign_writes(views, reason="pages of other web sites must not change the theme")

    @views.get("/static/<name>")
    def static(name: str) -> Response:
        found = assets.find(name)
        if found is None:
            abort(404)
        asset, kept = found
        response = Response(asset.body, content_type=asset.content_type)
        response.headers.update({"Cache-Control": kept, "X-Content-Type-Options": "nosniff"})
        response.set_etag(asset.versioned)
        response.make_conditional(request)
        return response

    @views.post("/theme")
    def switch_theme() -> Response:
        theme = request.form.get("theme", "")
        if theme not in THEMES:
            abort(400)
        response = Response(
            status=303, headers={"Location": path_of(_path_back(request.form.get("back", "")), public_url)}
        )
        response.set_cookie(
            _THEME_COOKIE,
            theme,
            max_age=_A_YEAR,
            path=path_of("/", public_url),
            secure=request.is_secure,
            httponly=True,
            samesite="Lax",
        )
        return response

    return views


def _theme() -> str:
    chosen = request.cookies.get(_THEME_COOKIE, "")
    return chosen if chosen in THEMES else THEMES[0]


def _path_back(back: str) -> str:
    """Return the path of our own page that `back` is, else that of the gallery: a form may be sent by any site."""
    try:
        parts = urlsplit(back)
    except ValueError:
        return "/gallery"
    # Browsers skip all slashes at the beginning: `///host` leads to a host, though it is a path by RFC 3986.
    local = back.startswith("/") and not back.startswith("//") and "\\" not in back
    ours = not parts.scheme and not parts.netloc and local and back.isprintable()
    return back if ours else "/gallery"
