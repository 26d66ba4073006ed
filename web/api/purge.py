"""`POST /purge`: show no picture any more of a page, a host, a site, a tag, or of all that is older than a moment."""

from flask import Blueprint, Response, jsonify

from services import Services
from web.http.bodies import json_body
from web.http.callers import identify_keeper
from web.http.origins import allow_origins, refuse_foreign_writes
from web.http.request_log import log_facts


def blueprint(services: Services) -> Blueprint:
    views = Blueprint("purge", __name__)
    allow_origins(views, services.settings.cors_origins)
    refuse_foreign_writes(views, services.settings.cors_origins)

    @views.after_request
    def forbid_caching(response: Response) -> Response:
        response.headers["Cache-Control"] = "no-store"
        return response

    @views.post("/purge")
    def purge() -> tuple[Response, int]:
        identify_keeper(services.access, "/purge")
        order = services.purging.reader.read(json_body())
        log_facts(purge=order.what)
        return jsonify(services.purging.purger.purge(order).description), 202

    return views
