"""`POST /screenshots`: JSON in, a job out; `GET /jobs/…` tells how it goes and gives the picture."""

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from flask import Blueprint, Response, jsonify, request

from access import JobBudgets
from errors import NotFound, NotReady, QueueUnavailable
from jobs import BULK, INTERACTIVE, Batch, Job, State, ids_of
from model import Picture, ThumbnailRequest
from services import Services
from validation import JobWish
from web.http.bodies import json_body
from web.http.callers import Caller, allow_origins, identify
from web.http.pictures import SAFE_HEADERS, picture_response
from web.http.replays import attempt_of, once
from web.http.request_log import note, request_id

POLL_SECONDS = 2
UNKNOWN = "there is no such job"
_ID = re.compile(r"[0-9a-f]{32}")


def blueprint(services: Services, budgets: JobBudgets) -> Blueprint:
    views = Blueprint("jobs", __name__)
    allow_origins(views, services.settings.cors_origins)

    @views.post("/screenshots")
    def screenshots() -> Response:
        body = json_body()
        wish = services.validator.parse_job(body)
        note(host=wish.pictures[0].target.netloc, jobs=len(wish.pictures))
        caller = identify(services.access, needs_key="/screenshots")
        for wanted in wish.pictures:
            services.access.require_target(wanted.target.host)
            services.access.require_size(wanted.rendition)
        attempt, remembered = attempt_of(caller, body), services.idempotency
        return once(remembered, attempt, lambda: accept(services, budgets, wish, caller, remembered.seed(attempt)))

    @views.get("/jobs/<id_>")
    def job(id_: str) -> Response:
        return jsonify(_look_up(services, _known(id_), _owner_of_request(services)))

    @views.get("/jobs/<id_>/image")
    def image(id_: str) -> Response:
        found = _own(services.jobs.store.get(_known(id_)), _owner_of_request(services))
        return _picture_of(services, found)

    @views.after_request
    def never_cached(response: Response) -> Response:
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return views


def accept(services: Services, budgets: JobBudgets, wish: JobWish, caller: Caller, seed: str) -> Response:
    """Make jobs of `wish`, charged to `caller`: 202 with a job or a batch, or 200 where all have ended in time.

    The same random `seed` names the same jobs: those that there are already are not made again.
    Raises InvalidOption, InvalidURL, BlockedTarget, RateLimited, OverCapacity or QueueUnavailable.
    """
    webhook_url = None if wish.webhook_url is None else services.courier.admit(wish.webhook_url)
    budgets.jobs.require(caller.name, len(wish.pictures))
    limits = budgets.calls.charge(caller.name)
    ids = ids_of(seed)
    made = _jobs_of(replace(wish, webhook_url=webhook_url), _owner(caller), ids)
    batch = Batch(next(ids), made[0].owner, made[0].created_at, tuple(job.id for job in made)) if wish.batch else None
    services.jobs.enqueue(made, batch)
    budgets.jobs.spend(caller.name, len(made))
    id_ = batch.id if batch else made[0].id
    if _all_end(services, made, wish.pictures[0].delivery.wait or 0):
        response = jsonify(_look_up(services, id_, made[0].owner))
    else:
        response = _accepted(batch, made)
    response.headers.update(limits | {"Location": f"/jobs/{id_}"})
    return response


def _all_end(services: Services, made: list[Job], seconds: float) -> bool:
    """Wait until all jobs have ended, for as long as the caller will and if there is a seat."""
    end = time.monotonic() + seconds
    with services.thumbnailer.seat() as seated:
        if not seconds or not seated:
            return False
        try:
            jobs = [services.jobs.store.wait(job.id, max(end - time.monotonic(), 0)) for job in made]
        except QueueUnavailable:
            return False  # the jobs are on their way all the same
    return all(job is not None and job.state.ended for job in jobs)


def _look_up(services: Services, id_: str, owner: str) -> dict[str, object]:
    store, here = services.jobs.store, request.host_url.rstrip("/")
    batch = store.get_batch(id_)
    if batch is None:
        return services.reports.of(_own(store.get(id_), owner), here)
    if batch.owner != owner:
        raise NotFound(UNKNOWN)
    jobs = [job for job in store.get_all(batch.jobs) if job]
    if len(jobs) < len(batch.jobs) and all(job.state.ended for job in jobs):
        raise NotFound(UNKNOWN)  # without those that are forgotten its sums would say what is not so
    return services.reports.of_batch(batch, jobs, here)


def _picture_of(services: Services, job: Job) -> Response:
    if not job.state.ended:
        raise NotReady("the job is not done; ask again in a few seconds")
    if job.result is None:
        raise NotFound("there is no picture: the job failed")
    body, content_type = services.storage.read(job.result.key)
    captured_at = datetime.fromtimestamp(job.result.captured_at, UTC)
    picture = Picture(body, content_type, job.result.width, job.result.height, captured_at)
    headers = {"Cache-Control": "private, max-age=3600", "ETag": f'"{picture.etag}"'}
    return picture_response(picture, headers | SAFE_HEADERS)


def _jobs_of(wish: JobWish, owner: str, ids: Iterator[str]) -> list[Job]:
    queue = BULK if wish.batch else INTERACTIVE
    return [
        Job(next(ids), _unhurried(wanted), time.time(), owner, queue, wish.persist, wish.webhook_url, request_id())
        for wanted in wish.pictures
    ]


def _unhurried(wanted: ThumbnailRequest) -> ThumbnailRequest:
    """How long the caller waits is nothing to the worker."""
    return replace(wanted, delivery=replace(wanted.delivery, wait=None))


def _owner(caller: Caller) -> str:
    return caller.key.name if caller.key else ""


def _owner_of_request(services: Services) -> str:
    return _owner(identify(services.access, needs_key="/jobs" if services.access.keys else ""))


def _known(id_: str) -> str:
    if not _ID.fullmatch(id_):
        raise NotFound(UNKNOWN)
    return id_


def _own(job: Job | None, owner: str) -> Job:
    """Refuse a job of another key as if there were none."""
    if job is None or job.owner != owner:
        raise NotFound(UNKNOWN)
    return job


def _accepted(batch: Batch | None, made: list[Job]) -> Response:
    started = [{"job_id": job.id, "status": job.state} for job in made]
    if batch:
        response = jsonify({"batch_id": batch.id, "status": State.PENDING, "jobs": started})
    else:
        response = jsonify(started[0])
    response.status_code = 202
    response.headers["Retry-After"] = str(POLL_SECONDS)
    return response
