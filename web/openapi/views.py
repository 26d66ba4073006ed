"""`GET /openapi.json`: the document, made when it is asked for the first time."""

import json
from collections.abc import Callable
from functools import lru_cache

from flask import Blueprint, Flask, Response, current_app, request

from services import Services
from telemetry import VERSION
from web.http.addresses import path_of
from web.http.origins import allow_origins
from web.http.placeholders import content_types
from web.http.site_images import are_open
from web.openapi.document import Installation, build_document, path_of_rule
from web.openapi.routes import ROUTES


def blueprint(services: Services) -> Blueprint:
    views = Blueprint("openapi", __name__)
    allow_origins(views, services.settings.cors_origins)
    written = _writer(services)

    @views.get("/openapi.json")
    def document() -> Response:
        base = path_of("", services.settings.public_url) or "/"
        response = Response(written(base), content_type="application/json")
        response.headers["Cache-Control"] = "no-cache"
        response.add_etag()
        response.make_conditional(request)
        return response

    return views


def routes_of(app: Flask) -> set[tuple[str, str]]:
    """Return the method and path of each route. `HEAD` and `OPTIONS` follow from the others."""
    return {
        (method, path_of_rule(rule.rule))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def _writer(services: Services) -> Callable[[str], bytes]:
    @lru_cache(maxsize=4)
    def write(base: str) -> bytes:
        """Write the document of the service at the path `base`. A proxy in front may know several."""
        installation = Installation(
            routes_of(current_app), services.access, are_open(services.settings), VERSION, base, content_types()
        )
        return json.dumps(build_document(ROUTES, installation)).encode()

    return write
