"""`GET /thumb`: the query in, a picture out."""

from flask import Blueprint, Response, request

from pipeline import CacheState, Served
from ratelimit import Budget, Charge
from services import Services
from web.callers import admit
from web.pictures import picture_response, preferred_format
from web.telemetry import note, request_id


def blueprint(services: Services, captures: Budget) -> Blueprint:
    views = Blueprint("thumbs", __name__)

    @views.get("/thumb")
    def thumb() -> Response:
        wanted = services.validator.parse_query(
            request.query_string, preferred_format(request.headers.get("Accept", ""))
        )
        note(host=wanted.host)
        services.access.check_signature(request.query_string, wanted.delivery.expires)
        services.access.check_size(wanted.rendition)
        caller = admit(services.access, wanted, needs_key="fresh=1" if wanted.delivery.fresh else "")
        charge = Charge(captures, caller.name, caller.own_limit)
        served = services.thumbnailer.get(wanted, charge, request_id())
        note(cache=served.cache, **_timing(served))
        vary = {"Vary": "Accept"} if wanted.delivery.negotiated else {}
        return picture_response(served.picture, _headers(served) | charge.headers | vary)

    return views


_A_WEEK = 604800


def _timing(served: Served) -> dict[str, int]:
    return {} if served.capture_ms is None else {"capture_ms": served.capture_ms}


def _headers(served: Served) -> dict[str, str]:
    stale = served.cache is CacheState.STALE or served.fresh_for == 0
    lifetime = 60 if stale else served.fresh_for
    grace = "" if stale else f", stale-while-revalidate={_A_WEEK}, stale-if-error={_A_WEEK}"
    return {
        "Cache-Control": f"public, max-age={lifetime}{grace}",
        "X-Cache": served.cache,
        "X-Thumb-State": "stale" if stale else "fresh",
    }
