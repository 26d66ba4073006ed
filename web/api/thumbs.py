"""`GET /thumb`, and each other address that a reader knows: a picture out. `POST /thumb`: the options in a JSON body."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from http import HTTPStatus

from flask import Blueprint, Response, abort, request

from errors import Pending
from model import ThumbnailRequest
from options import Delivery, Document
from services import Services
from thumbnails import Ask, CacheState, Known, Served
from validation import JobRequest
from web import fast_path
from web.api.jobs import create_jobs
from web.http import picture_states
from web.http.bodies import json_body
from web.http.budgets import Budgets
from web.http.cache_tags import note_page
from web.http.callers import Caller, identify_caller
from web.http.errors import prefers_image
from web.http.origins import Sharing, allow_origins, share_pictures
from web.http.pictures import picture_headers, picture_response, preferred_format
from web.http.preferences import Preferences
from web.http.request_log import log_facts, note_error, request_id
from web.http.thumb_paths import Reader, current_reader


def get_picture(
    services: Services,
    budgets: Budgets,
    wanted: ThumbnailRequest,
    caller: Caller,
    known: Known | None = None,
    *,
    document: Document | None = None,
) -> tuple[Served, dict[str, str]]:
    """Get the picture of `wanted` for the current request, and the headers of the caller's budget if it was charged.

    `document` is the HTML of a caller that the picture shows.
    """
    charge = budgets.charge_of(caller.name, caller.own_limit)
    ask = Ask(wanted, charge, request_id(), document)
    shows_pages = bool(services.card_thumbnails.shown_by(wanted.target))
    served = services.card_thumbnails.get(ask) if shows_pages else services.thumbnailer.get(ask, known)
    log_facts(cache=served.cache, **({} if served.capture_ms is None else {"capture_ms": served.capture_ms}))
    return served, charge.headers


def _state(services: Services, budgets: Budgets, wanted: ThumbnailRequest, caller: Caller) -> Response:
    """Respond with the state of the picture of `wanted`, which is captured if it is not known."""
    public_url = services.settings.public_url
    try:
        served, limits = get_picture(services, budgets, picture_states.without_waiting(wanted), caller)
    except Pending as err:
        note_error(err)
        return picture_states.of_pending(wanted, err, public_url)
    response = picture_states.of_picture(wanted, served, public_url)
    response.headers.update(limits)
    return response


def _route(views: Blueprint, readers: Sequence[Reader], view: Callable[..., Response]) -> None:
    for reader in readers:
        for rule in reader.rules:
            views.add_url_rule(rule, reader.name, view, merge_slashes=False)


def blueprint(services: Services, budgets: Budgets, readers: Sequence[Reader]) -> Blueprint:
    """Make the views of `readers`. The fast path has told each request its reader."""
    views = Blueprint("thumbs", __name__)
    share_pictures(views, Sharing(services.settings))
    allow_origins(views, services.settings.cors_origins)

    def picture(**_: str) -> Response:
        reader = current_reader()
        wanted = reader.read(request.environ) if reader else None
        if reader is None or wanted is None:
            abort(404)
        wanted = services.thumbnailer.settle(wanted)
        log_facts(host=wanted.target.netloc)
        note_page(wanted.target)
        picture_states.note_request(wanted, services.settings.public_url)
        reader.require_allowed(request.environ, wanted)
        needs_key = "fresh=1" if wanted.delivery.fresh and services.access.keys else ""
        caller = identify_caller(services.access, needs_key=needs_key)
        return _state(services, budgets, wanted, caller) if picture_states.is_asked_for() else respond(wanted, caller)

    _route(views, readers, picture)

    @views.post("/thumb")
    def thumb_of_body() -> Response:
        """Answer a program. It needs a key where the other POSTs do, since a body has no signature."""
        accepted = preferred_format(request.headers.get("Accept", ""))
        wanted = services.validator.parse_json(json_body(), accepted)
        log_facts(host=wanted.target.netloc)
        note_page(wanted.target)
        caller = identify_caller(services.access, needs_key="POST /thumb")
        services.access.require_target(wanted.target)
        services.access.require_size(wanted.rendition)
        return respond(wanted.owned_by(caller.name), caller)

    def respond(wanted: ThumbnailRequest, caller: Caller) -> Response:
        preferences = Preferences.of(request.headers.get("Prefer", ""))
        # An `<img>` cannot show a job. A card with thumbnails waits for these, which a job does not.
        jobless = prefers_image() or services.card_thumbnails.shown_by(wanted.target)
        if preferences.respond_async and not jobless and not services.thumbnailer.has_picture(wanted):
            return respond_with_job(wanted, caller, preferences.wait)
        return respond_with_picture(wanted, caller, wanted.delivery, fast_path.known_state())

    def respond_with_picture(
        wanted: ThumbnailRequest, caller: Caller, delivery: Delivery, known: Known | None = None
    ) -> Response:
        """Respond with the picture of `wanted`. The headers follow from `delivery`; `known` was looked up before."""
        served, limits = get_picture(services, budgets, wanted, caller, known)
        if request.method != "POST" and served.cache is not CacheState.MISS:  # programs are no visitors
            services.popularity.count_view(wanted, served.picture.captured_at)
        return picture_response(served.picture, picture_headers(served, delivery) | limits)

    def respond_with_job(wanted: ThumbnailRequest, caller: Caller, seconds: int) -> Response:
        """Create a job and respond with it, or with its picture or error if it ends within `seconds`."""
        owner = identify_caller(services.access, needs_key="Prefer: respond-async")
        job_request = JobRequest((replace(wanted, delivery=replace(wanted.delivery, wait=seconds)),))
        response = create_jobs(services, budgets.jobs, job_request, owner)
        if response.status_code == HTTPStatus.ACCEPTED:
            response.headers.update({"Preference-Applied": "respond-async", "Cache-Control": "no-store"})
            return response
        captured = replace(wanted, delivery=replace(wanted.delivery, fresh=False))
        return respond_with_picture(captured, caller, wanted.delivery)

    return views
