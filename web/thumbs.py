"""`GET /thumb`: the query in, a picture out."""

from dataclasses import replace

from flask import Blueprint, Response, request
from werkzeug.http import parse_list_header

from jobs import new_id
from model import ThumbnailRequest
from pipeline import CacheState, Served
from ratelimit import Budget, Charge, JobBudgets
from services import Services
from validation import JobWish
from web.callers import identify
from web.errors import wants_picture
from web.jobs import accept
from web.pictures import picture_headers, picture_response, preferred_format
from web.telemetry import note, request_id


def blueprint(services: Services, captures: Budget, jobs: JobBudgets) -> Blueprint:
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
        if _rather_a_job() and not services.thumbnailer.holds(wanted):
            return _job(services, jobs, wanted)
        charge = Charge(captures, caller.name, caller.own_limit)
        served = services.thumbnailer.get(wanted, charge, request_id())
        if served.cache is not CacheState.MISS:
            services.views.note(wanted, served.picture.captured_at)
        note(cache=served.cache, **_timing(served))
        headers = picture_headers(served, wanted.delivery)
        return picture_response(served.picture, headers | charge.headers)

    return views


def _rather_a_job() -> bool:
    """Tell whether the caller prefers a job to waiting (RFC 7240); an `<img>` can do nothing with one."""
    preferences = parse_list_header(request.headers.get("Prefer", ""))
    return (
        any(each.partition(";")[0].strip().lower() == "respond-async" for each in preferences) and not wants_picture()
    )


def _job(services: Services, budgets: JobBudgets, wanted: ThumbnailRequest) -> Response:
    caller = identify(services.access, needs_key="Prefer: respond-async")
    at_once = replace(wanted, delivery=replace(wanted.delivery, wait=None))
    response = accept(services, budgets, JobWish((at_once,)), caller, new_id())
    response.headers["Preference-Applied"] = "respond-async"
    response.headers["Cache-Control"] = "no-store"
    return response


def _timing(served: Served) -> dict[str, int]:
    return {} if served.capture_ms is None else {"capture_ms": served.capture_ms}
