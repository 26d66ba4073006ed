"""`POST /render`: HTML or Markdown in, a picture of it out; or its permanent URL, or a job."""

from dataclasses import replace

from flask import Blueprint, Response, request

from coordination import Attempt
from options import LONGEST_DOCUMENT_BODY
from services import Services
from validation import DocumentOrder, JobRequest
from web.api.jobs import create_jobs
from web.api.persist import store_picture
from web.api.thumbs import get_picture
from web.http.bodies import LargeBodies, decode, raw_body
from web.http.budgets import Budgets
from web.http.callers import Caller, identify_caller
from web.http.idempotency import current_attempt, respond_once
from web.http.origins import Sharing, allow_origins, share_pictures
from web.http.pictures import picture_headers, picture_response, preferred_format
from web.http.preferences import Preferences
from web.http.request_log import log_facts

_HTML_PIXELS = LONGEST_DOCUMENT_BODY // 4  # as much memory as the pixels of a picture, while a body is read


def blueprint(services: Services, budgets: Budgets) -> Blueprint:
    views = Blueprint("render", __name__)
    share_pictures(views, Sharing(services.settings))
    allow_origins(views, services.settings.cors_origins)

    large = LargeBodies()

    @views.post("/render")
    def render() -> Response:
        caller = identify_caller(services.access, needs_key="/render")  # a stranger's body is not read
        with large.room(caller.name):
            return draw(caller)

    def draw(caller: Caller) -> Response:
        accepted = preferred_format(request.headers.get("Accept", ""))
        body = raw_body(LONGEST_DOCUMENT_BODY)

        def read() -> tuple[object, DocumentOrder]:
            decoded = decode(body)
            return decoded, services.validator.parse_document(decoded, accepted)

        decoded, order = services.cpu.run(read, pixels=_HTML_PIXELS)
        log_facts(host=order.picture.target.netloc)
        services.access.require_network(order.document)
        services.access.require_size(order.picture.rendition)
        held = services.document_store.hold(order.document)
        attempt = current_attempt(caller, decoded)
        order, preferences = replace(order, document=held), Preferences.of(request.headers.get("Prefer", ""))
        if order.webhook_url is not None or (preferences.respond_async and not is_known(order)):
            return start_job(order, caller, attempt, preferences)
        if order.persist:
            return respond_once(
                services.idempotency,
                attempt,
                lambda: store_picture(services, budgets, order.picture, caller, held),
            )
        served, limits = get_picture(services, budgets, order.picture, caller, document=held)
        return picture_response(served.picture, picture_headers(served, order.picture.delivery) | limits)

    def is_known(order: DocumentOrder) -> bool:
        return not order.persist and services.thumbnailer.has_picture(order.picture)

    def start_job(order: DocumentOrder, caller: Caller, attempt: Attempt | None, preferences: Preferences) -> Response:
        wanted = order.picture
        if preferences.respond_async:
            wanted = replace(wanted, delivery=replace(wanted.delivery, wait=preferences.wait))
        job_request = JobRequest(
            (wanted,), webhook_url=order.webhook_url, persist=order.persist, document=order.document
        )
        response = respond_once(
            services.idempotency, attempt, lambda: create_jobs(services, budgets.jobs, job_request, caller, attempt)
        )
        if preferences.respond_async:
            response.headers["Preference-Applied"] = "respond-async"
        response.headers["Cache-Control"] = "no-store"
        return response

    return views
