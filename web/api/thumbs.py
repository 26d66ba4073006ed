"""`GET /thumb`: the query in, a picture out."""

from dataclasses import replace
from http import HTTPStatus

from flask import Blueprint, Response, request

from access.budgets import Budget, Charge, JobBudgets
from jobs import new_id
from model import Delivery, ThumbnailRequest
from services import Services
from thumbnails.thumbnailer import CacheState, Served
from validation import JobWish
from web.api.jobs import accept
from web.http.callers import Caller, identify
from web.http.errors import wants_picture
from web.http.pictures import picture_headers, picture_response, preferred_format
from web.http.preferences import Preferences
from web.http.request_log import note, request_id


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
        preferences = Preferences.of(request.headers.get("Prefer", ""))
        # An `<img>` can do nothing with a job.
        if preferences.respond_async and not wants_picture() and not services.thumbnailer.holds(wanted):
            return later(wanted, caller, preferences.wait)
        return now(wanted, caller, wanted.delivery)

    def now(wanted: ThumbnailRequest, caller: Caller, delivery: Delivery) -> Response:
        """Give the picture of `wanted`, for which the caller asked to have it delivered like this."""
        charge = Charge(captures, caller.name, caller.own_limit)
        served = services.thumbnailer.get(wanted, charge, request_id())
        if served.cache is not CacheState.MISS:
            services.views.note(wanted, served.picture.captured_at)
        note(cache=served.cache, **_timing(served))
        return picture_response(served.picture, picture_headers(served, delivery) | charge.headers)

    def later(wanted: ThumbnailRequest, caller: Caller, seconds: int) -> Response:
        """Give a job, or what became of it where it ends within `seconds`: its picture, or its error."""
        response = _job(services, jobs, replace(wanted, delivery=replace(wanted.delivery, wait=seconds)))
        if response.status_code == HTTPStatus.ACCEPTED:
            return response
        made = replace(wanted, delivery=replace(wanted.delivery, fresh=False))
        return now(made, caller, wanted.delivery)

    return views


def _job(services: Services, budgets: JobBudgets, wanted: ThumbnailRequest) -> Response:
    caller = identify(services.access, needs_key="Prefer: respond-async")
    response = accept(services, budgets, JobWish((wanted,)), caller, new_id())
    response.headers["Preference-Applied"] = "respond-async"
    response.headers["Cache-Control"] = "no-store"
    return response


def _timing(served: Served) -> dict[str, int]:
    return {} if served.capture_ms is None else {"capture_ms": served.capture_ms}
