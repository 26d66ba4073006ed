"""`GET /thumb`: the query in, a picture out."""

from dataclasses import replace
from http import HTTPStatus

from flask import Blueprint, Response, request

from access import Budget, CaptureCharge, JobBudgets
from jobs import new_id
from model import ThumbnailRequest
from options import Delivery
from services import Services
from thumbnails import Ask, CacheState, Known, Served
from validation import JobWish
from web import fast_path
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
        note(host=wanted.target.netloc)
        services.access.require_allowed(request.query_string, wanted)
        caller = identify(
            services.access, needs_key="fresh=1" if wanted.delivery.fresh and services.access.keys else ""
        )
        preferences = Preferences.of(request.headers.get("Prefer", ""))
        # An `<img>` can do nothing with a job.
        if preferences.respond_async and not wants_picture() and not services.thumbnailer.has_picture(wanted):
            return later(wanted, caller, preferences.wait)
        return now(wanted, caller, wanted.delivery, fast_path.looked_up())

    def now(wanted: ThumbnailRequest, caller: Caller, delivery: Delivery, known: Known | None = None) -> Response:
        """Respond with the picture of `wanted`; `delivery` is what the caller asked for, `known` what was looked up."""
        charge = CaptureCharge(captures, caller.name, caller.own_limit)
        served = services.thumbnailer.get(Ask(wanted, charge, request_id()), known)
        if served.cache is not CacheState.MISS:
            services.views.note(wanted, served.picture.captured_at)
        note(cache=served.cache, **_timing(served))
        return picture_response(served.picture, picture_headers(served, delivery) | charge.headers)

    def later(wanted: ThumbnailRequest, caller: Caller, seconds: int) -> Response:
        """Respond with a job; or, if it ends within `seconds`, with its picture or its error."""
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
