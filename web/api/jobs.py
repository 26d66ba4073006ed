"""`POST /screenshots`: JSON in, a job or a batch out. `GET /jobs/…`: its state and its picture."""

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from flask import Blueprint, Response, jsonify

from access import JobBudgets
from coordination import Attempt
from errors import NotFound, NotReady, OverCapacity, QueueUnavailable
from jobs import BULK, INTERACTIVE, Batch, Job, State, ids_from
from model import Picture
from services import Services
from telemetry import traces
from validation import JobRequest
from web.http.addresses import base_url, path_of
from web.http.bodies import json_body
from web.http.budgets import Budgets
from web.http.callers import Caller, identify_caller
from web.http.idempotency import current_attempt, respond_once
from web.http.origins import allow_origins
from web.http.pictures import CAPTURED_BY, SAFE_HEADERS, picture_response
from web.http.request_log import log_facts, request_id

POLL_SECONDS = 2
UNKNOWN = "no job has this id; jobs are kept for a day"
_ID = re.compile(r"[0-9a-f]{32}")


def blueprint(services: Services, budgets: Budgets) -> Blueprint:
    views = Blueprint("jobs", __name__)
    allow_origins(views, services.settings.cors_origins)

    @views.post("/screenshots")
    def screenshots() -> Response:
        body = json_body()
        job_request = services.validator.parse_job(body)
        log_facts(host=job_request.pictures[0].target.netloc, jobs=len(job_request.pictures))
        caller = identify_caller(services.access, needs_key="/screenshots")
        for wanted in job_request.pictures:
            services.access.require_target(wanted.target)
            services.access.require_size(wanted.rendition)
        attempt = current_attempt(caller, body)
        return respond_once(
            services.idempotency, attempt, lambda: create_jobs(services, budgets.jobs, job_request, caller, attempt)
        )

    @views.get("/jobs/<id_>")
    def job(id_: str) -> Response:
        return _respond_with_state(services, _require_id(id_), _current_owner(services))

    @views.get("/jobs/<id_>/image")
    def image(id_: str) -> Response:
        found = services.jobs.store.get(_require_id(id_))
        return _respond_with_picture(services, _require_owner(found, _current_owner(services)))

    @views.after_request
    def forbid_caching_by_default(response: Response) -> Response:
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return views


def create_jobs(
    services: Services, budgets: JobBudgets, job_request: JobRequest, caller: Caller, attempt: Attempt | None = None
) -> Response:
    """Create the jobs of `job_request` and charge `caller`. Respond with 202, or with 200 if all jobs end while it waits.

    The jobs of a repeated `attempt` exist already and are not created again.
    Raises InvalidOption, InvalidURL, BlockedTarget, RateLimited, OverCapacity or QueueUnavailable.
    """
    webhook_url = (
        None
        if job_request.webhook_url is None
        else services.webhook_sender.require_allowed_url(job_request.webhook_url)
    )
    services.jobs.store.workers.require_one()
    pictures = tuple(wanted.owned_by(caller.name) for wanted in job_request.pictures)
    job_request = replace(job_request, pictures=pictures, webhook_url=webhook_url)
    # Nothing is kept before the request was judged and charged.
    with budgets.jobs.charged(caller.name, len(pictures)):
        limits = budgets.calls.charge(caller.name)
        ids = ids_from(services.idempotency.seed(attempt))
        made = _jobs_of(job_request, caller, ids)
        batch = _batch_of(made, ids) if job_request.batch else None
        try:
            if job_request.document:
                services.document_store.keep(job_request.document, made[0].id, caller.name)
            services.jobs.enqueue(made, batch)
        except OverCapacity:  # after QueueUnavailable, the jobs may exist
            services.document_store.release(made[0].id)
            services.idempotency.forget_seed(attempt)
            raise
    id_ = batch.id if batch else made[0].id
    if _wait_for_all(services, made, caller, job_request.pictures[0].delivery.wait or 0):
        response = _respond_with_state(services, id_, made[0].owner)
    else:
        response = _respond_accepted(batch, made)
    response.headers.update(limits | {"Location": path_of(f"/jobs/{id_}", services.settings.public_url)})
    return response


def _wait_for_all(services: Services, made: list[Job], caller: Caller, seconds: float) -> bool:
    """Wait at most `seconds`, and return whether all jobs have ended. False at once if no seat is free."""
    end = time.monotonic() + seconds
    with services.thumbnailer.seat(caller.name) as seated:
        if not seconds or not seated:
            return False
        try:
            jobs = [services.jobs.store.wait_for_end(job.id, max(end - time.monotonic(), 0)) for job in made]
        except QueueUnavailable:
            return False  # the jobs are queued all the same
    return all(job is not None and job.state.ended for job in jobs)


def _respond_with_state(services: Services, id_: str, owner: str) -> Response:
    """Respond with the description of a job or a batch. Raises NotFound."""
    store, here = services.jobs.store, base_url()
    batch = store.get_batch(id_)
    if batch is None:
        job = _require_owner(store.get(id_), owner)
        response = jsonify(services.job_presenter.describe(job, here))
        response.headers.update(job.result.note_headers if job.result else {})
        return response
    if batch.owner != owner:
        raise NotFound(UNKNOWN)
    jobs = [job for job in store.get_all(batch.jobs) if job]
    if len(jobs) < len(batch.jobs) and all(job.state.ended for job in jobs):
        raise NotFound(UNKNOWN)  # some jobs have expired, so the counts would be wrong
    return jsonify(services.job_presenter.describe_batch(batch, jobs, here))


def _respond_with_picture(services: Services, job: Job) -> Response:
    if not job.state.ended:
        raise NotReady("the job has not ended; try again in a few seconds")
    if job.result is None:
        raise NotFound("the job failed, so it has no picture; GET /jobs/{id} shows the error")
    services.access.blocked.require_shown(job.wanted.target)
    body, content_type = services.storage.read(job.result.key)
    captured_at = datetime.fromtimestamp(job.result.captured_at, UTC)
    picture = Picture(body, content_type, job.result.width, job.result.height, captured_at)
    headers = {"Cache-Control": "private, max-age=3600", "ETag": f'"{picture.etag}"'}
    if job.result.captured_by:
        headers[CAPTURED_BY] = job.result.captured_by
    return picture_response(picture, headers | job.result.note_headers | SAFE_HEADERS)


def _jobs_of(job_request: JobRequest, caller: Caller, ids: Iterator[str]) -> list[Job]:
    queue = BULK if job_request.batch else INTERACTIVE
    # The worker ignores how long the caller waits.
    pictures = [replace(wanted, delivery=replace(wanted.delivery, wait=None)) for wanted in job_request.pictures]
    return [
        Job(
            next(ids),
            wanted,
            time.time(),
            _owner(caller),
            queue,
            job_request.persist,
            job_request.webhook_url,
            request_id(),
            caller.name,
            traceparent=traces.traceparent(),
        )
        for wanted in pictures
    ]


def _batch_of(made: list[Job], ids: Iterator[str]) -> Batch:
    return Batch(next(ids), made[0].owner, made[0].created_at, tuple(job.id for job in made))


def _owner(caller: Caller) -> str:
    return caller.key.name if caller.key else ""


def _current_owner(services: Services) -> str:
    return _owner(identify_caller(services.access, needs_key="/jobs" if services.access.keys else ""))


def _require_id(id_: str) -> str:
    if not _ID.fullmatch(id_):
        raise NotFound(UNKNOWN)
    return id_


def _require_owner(job: Job | None, owner: str) -> Job:
    """Raise NotFound for another key's job, as for an unknown id."""
    if job is None or job.owner != owner:
        raise NotFound(UNKNOWN)
    return job


def _respond_accepted(batch: Batch | None, made: list[Job]) -> Response:
    started = [{"job_id": job.id, "status": job.state} for job in made]
    if batch:
        response = jsonify({"batch_id": batch.id, "status": State.PENDING, "jobs": started})
    else:
        response = jsonify(started[0])
    response.status_code = 202
    response.headers["Retry-After"] = str(POLL_SECONDS)
    return response
