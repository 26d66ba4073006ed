"""`GET /explain?url=…`, with the options of `/thumb`: what the service knows of a page, and what a request would get."""

from flask import Blueprint, Response, jsonify, request

from services import Services
from thumbnails import describe
from web.http.callers import identify_keeper
from web.http.origins import allow_origins
from web.http.pictures import preferred_format
from web.http.request_log import log_facts


def blueprint(services: Services) -> Blueprint:
    views = Blueprint("explain", __name__)
    allow_origins(views, services.settings.cors_origins)

    @views.after_request
    def forbid_caching(response: Response) -> Response:
        response.headers["Cache-Control"] = "no-store"
        return response

    @views.get("/explain")
    def explain() -> Response:
        caller = identify_keeper(services.access, "/explain")
        accepted = preferred_format(request.headers.get("Accept", ""))
        explained = services.query_explainer.explain(
            request.query_string, caller.name, caller.own_limit, preferred=accepted
        )
        log_facts(host=explained.found.request.target.netloc)
        return jsonify(describe(explained))

    return views
