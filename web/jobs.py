"""`POST /screenshots`: JSON in, a job out; `GET /jobs/…` tells how it goes and gives the picture."""

import re
import time
from dataclasses import asdict

from flask import Blueprint, Response, jsonify

from errors import NotFound, NotReady
from jobs import BULK, INTERACTIVE, Batch, Job, State, new_id
from jobs.record import timestamp
from ratelimit import Budget
from services import Services
from validation import JobWish
from web.bodies import absolute, json_body
from web.callers import Caller, allow_origins, identify
from web.pictures import SAFE_HEADERS, picture_response
from web.replays import once
from web.telemetry import note, request_id

POLL_SECONDS = 2
UNKNOWN = "there is no such job"
_ID = re.compile(r"[0-9a-f]{32}")


def blueprint(services: Services, budget: Budget) -> Blueprint:
    views = Blueprint("jobs", __name__)
    allow_origins(views, services.settings.cors_origins)

    @views.post("/screenshots")
    def screenshots() -> Response:
        body = json_body()
        wish = services.validator.parse_job(body)
        note(host=wish.pictures[0].host, jobs=len(wish.pictures))
        caller = identify(services.access, needs_key="/screenshots")
        for wanted in wish.pictures:
            services.access.check_target(wanted.host_name)
            services.access.check_size(wanted.rendition)
        return once(services.idempotency, caller, body, lambda: _accept(services, budget, wish, caller))

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


def _accept(services: Services, budget: Budget, wish: JobWish, caller: Caller) -> Response:
    limits = budget.charge(caller.name)
    made = _jobs_of(wish, _owner(caller))
    batch = Batch(new_id(), made[0].owner, made[0].created_at, tuple(job.id for job in made)) if wish.batch else None
    services.jobs.enqueue(made, batch)
    response = _accepted(batch, made)
    response.headers.update(limits)
    return response


def _look_up(services: Services, id_: str, owner: str) -> dict[str, object]:
    store, public_url = services.jobs.store, services.settings.public_url
    batch = store.get_batch(id_)
    if batch is None:
        return _describe(_own(store.get(id_), owner), public_url)
    if batch.owner != owner:
        raise NotFound(UNKNOWN)
    return _sum(batch, [job for job in store.get_all(batch.jobs) if job], public_url)


def _picture_of(services: Services, job: Job) -> Response:
    if not job.state.ended:
        raise NotReady("the job is not done; ask again in a few seconds")
    picture = services.job_pictures.get(job.id) if job.result else None
    if picture is None:
        raise NotFound("there is no picture: the job failed, or its picture is gone")
    headers = {"Cache-Control": "private, max-age=3600", "ETag": f'"{picture.etag}"'}
    return picture_response(picture, headers | SAFE_HEADERS)


def _jobs_of(wish: JobWish, owner: str) -> list[Job]:
    queue = BULK if wish.batch else INTERACTIVE
    return [
        Job(new_id(), wanted, time.time(), owner, queue, wish.persist, wish.webhook_url, request_id())
        for wanted in wish.pictures
    ]


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
    response.headers["Location"] = f"/jobs/{batch.id if batch else made[0].id}"
    response.headers["Retry-After"] = str(POLL_SECONDS)
    return response


def _describe(job: Job, public_url: str | None) -> dict[str, object]:
    return {
        "job_id": job.id,
        "status": job.state,
        "image_url": _image_url(job, public_url),
        "error": asdict(job.problem) if job.problem else None,
        "retries": job.retries,
        "created_at": timestamp(job.created_at),
        "completed_at": timestamp(job.completed_at) if job.completed_at else None,
    }


def _image_url(job: Job, public_url: str | None) -> str | None:
    if job.result is None:
        return None
    return absolute(job.result.url or f"/jobs/{job.id}/image", public_url)


def _sum(batch: Batch, jobs: list[Job], public_url: str | None) -> dict[str, object]:
    """Describe a batch: its state is pending until a job was begun, and failed if one failed when all have ended."""
    sums = {state.value: sum(job.state is state for job in jobs) for state in State}
    return {
        "batch_id": batch.id,
        "status": _state_of(sums),
        **sums,
        "created_at": timestamp(batch.created_at),
        "jobs": [_describe(job, public_url) for job in jobs],
    }


def _state_of(sums: dict[str, int]) -> State:
    if sums[State.PROCESSING] or (sums[State.PENDING] and (sums[State.COMPLETED] or sums[State.FAILED])):
        return State.PROCESSING
    if sums[State.PENDING]:
        return State.PENDING
    return State.FAILED if sums[State.FAILED] else State.COMPLETED
