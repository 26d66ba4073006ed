"""`GET /thumb`: the query in, a picture out."""

from flask import Blueprint, Response, request

from pipeline import CacheState, Served
from ratelimit import Budget, Charge
from services import Services
from web.callers import identify
from web.pictures import picture_headers, picture_response, preferred_format
from web.telemetry import note, request_id


def blueprint(services: Services, captures: Budget) -> Blueprint:
    views = Blueprint("thumbs", __name__)

    @views.get("/thumb")
    def thumb() -> Response:
        wanted = services.validator.parse_query(
            request.query_string, preferred_format(request.headers.get("Accept", ""))
        )
        note(host=wanted.host)
        services.access.check_public(request.query_string, wanted)
        caller = identify(
            services.access, needs_key="fresh=1" if wanted.delivery.fresh and services.access.keys else ""
        )
        charge = Charge(captures, caller.name, caller.own_limit)
        served = services.thumbnailer.get(wanted, charge, request_id())
        if served.cache is not CacheState.MISS:
            services.views.note(wanted, served.picture.captured_at)
        note(cache=served.cache, **_timing(served))
        headers = picture_headers(served, negotiated=wanted.delivery.negotiated)
        return picture_response(served.picture, headers | charge.headers)

    return views


def _timing(served: Served) -> dict[str, int]:
    return {} if served.capture_ms is None else {"capture_ms": served.capture_ms}
