"""The rows of jobs."""

from errors import IdempotencyConflict, NotFound, NotReady, OverCapacity, QueueUnavailable, StorageUnavailable
from web.http.pictures import CAPTURED_BY
from web.openapi.headers import BUDGET
from web.openapi.inputs import A_PAGE
from web.openapi.outputs import json, pictures, ref
from web.openapi.parameters import CONDITIONAL, IDEMPOTENCY_KEY, JOB
from web.openapi.row import Access, Route, RouteBody, RouteResponse
from web.openapi.shared import ABOUT_BODY, ABOUT_PAGE, EXAMPLES, NOTES

_ABOUT_JOB = (IdempotencyConflict, QueueUnavailable, OverCapacity)

JOBS: tuple[Route, ...] = (
    Route(
        "POST /screenshots",
        "create_jobs",
        "Jobs",
        "Capture one page or many in the background",
        {
            200: RouteResponse(
                "All jobs have ended within `wait`.",
                json({"anyOf": [ref("Job"), ref("Batch")]}),
                ("Location", *NOTES, *BUDGET),
            ),
            202: RouteResponse(
                "The jobs are made.",
                json({"anyOf": [ref("JobStarted"), ref("BatchStarted")]}),
                ("Location", "Cache-Control?", "Retry-After", *BUDGET),
            ),
        },
        "Send `url` for one job, or `urls` for a batch.",
        IDEMPOTENCY_KEY,
        RouteBody(
            json({"anyOf": [ref("JobOptions"), ref("BatchOptions")]}),
            {**EXAMPLES, "batch": {"urls": [A_PAGE, "https://example.org/"], "w": 640}},
        ),
        errors=(*ABOUT_PAGE, *_ABOUT_JOB, *ABOUT_BODY),
        access=Access.KEYED,
    ),
    Route(
        "GET /jobs/{id}",
        "get_job",
        "Jobs",
        "The state of a job or a batch",
        {200: RouteResponse("Its state.", json({"anyOf": [ref("Job"), ref("Batch")]}), ("Cache-Control", *NOTES))},
        parameters=JOB,
        errors=(NotFound, QueueUnavailable),
        access=Access.KEYED,
    ),
    Route(
        "GET /jobs/{id}/image",
        "get_job_picture",
        "Jobs",
        "The picture of a job",
        {
            200: RouteResponse("The picture.", pictures(), ("ETag", "Cache-Control", f"{CAPTURED_BY}?", *NOTES)),
            304: RouteResponse(
                "The caller has the picture.", headers=("ETag", "Cache-Control", f"{CAPTURED_BY}?", *NOTES)
            ),
        },
        parameters=(*JOB, *CONDITIONAL),
        errors=(NotFound, NotReady, QueueUnavailable, StorageUnavailable, 412),
        access=Access.KEYED,
    ),
)
