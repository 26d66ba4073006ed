"""The table of routes, one row each. A test compares it with the routes that the application has.

A route that `web.ui` or `web.admin` answers needs no row: pages are for people, and so are their files.
"""

from errors import (
    BlockedTarget,
    CaptureError,
    ForbiddenHost,
    IdempotencyConflict,
    InvalidOption,
    InvalidURL,
    NotFound,
    NotReady,
    OverCapacity,
    PaidOption,
    Pending,
    QueueUnavailable,
    StorageFull,
    StorageUnavailable,
)
from metadata import SIDES, USUAL_SIDE
from options import FILES, NOTE_HEADER, STATUS_HEADER
from web.openapi.catalogue_routes import CATALOGUE
from web.openapi.headers import BUDGET, CONTRACTS_BUDGET, PICTURE
from web.openapi.inputs import A_PAGE, CONTRACT_QUERY, THUMBNAIL_QUERY
from web.openapi.outputs import json, pictures, ref, text
from web.openapi.parameters import CONDITIONAL, IDEMPOTENCY_KEY, JOB, PREFER
from web.openapi.row import Access, Route, RouteBody, RouteResponse, in_path, query

# What may be wrong with a request for a picture of a page, and what may become of it.
_ABOUT_PAGE = (InvalidURL, BlockedTarget, InvalidOption, ForbiddenHost)
_ABOUT_BODY = (413, 415)
_ABOUT_JOB = (IdempotencyConflict, QueueUnavailable, OverCapacity)
_CAPTURED = (CaptureError, OverCapacity)
_STORED = (StorageUnavailable, StorageFull)
_NOTES = (f"{NOTE_HEADER}?", f"{STATUS_HEADER}?")

_PICTURE = ("ETag", "Cache-Control", "X-Cache", "X-Thumb-State", *_NOTES, "Last-Modified", "Vary?", *BUDGET)
_THUMBNAIL = RouteResponse(
    "The picture, or with `format=lqip` a data URL.", {**pictures(), **text("text/plain")}, _PICTURE
)
_STATE = RouteResponse(
    "The picture, with `format=lqip` a data URL, or for `Accept: application/json` its state.",
    {**_THUMBNAIL.contents, **json(ref("ThumbnailState"))},
    ("Cache-Control", *(f"{name.removesuffix('?')}?" for name in _PICTURE if name != "Cache-Control")),
)
_UNCHANGED = RouteResponse("The caller has the picture.", headers=PICTURE)
_JOB_STARTED = RouteResponse(
    "With `Prefer: respond-async`, a job that captures the page.",
    json(ref("JobStarted")),
    ("Location?", "Retry-After", "Preference-Applied?"),
)
_PENDING = RouteResponse(
    "The state of a picture that is captured; or, with `Prefer: respond-async`, a job that captures the page.",
    json({"anyOf": [ref("ThumbnailState"), ref("JobStarted")]}),
    ("Location?", "Retry-After", "Preference-Applied?"),
)
_CONTRACT_PICTURE = RouteResponse(
    "The picture.",
    pictures(*(name for name in FILES if name != "avif")),
    ("ETag", "Cache-Control", "X-Cache", *_NOTES, *CONTRACTS_BUDGET),
)
_EXAMPLES = {
    "page": {"url": A_PAGE},
    "phone": {"url": A_PAGE, "device": "iphone-14", "w": 390, "format": "webp"},
    "part": {"url": A_PAGE, "clip": {"x": 0, "y": 0, "width": 800, "height": 600}, "block_ads": True},
}

ROUTES: tuple[Route, ...] = (
    Route(
        "GET /thumb",
        "get_thumbnail",
        "Thumbnails",
        "The picture of a page, as in an <img>",
        {200: _STATE, 202: _PENDING, 304: _UNCHANGED},
        "A known picture is served at once, others are captured. An <img> gets a placeholder in place of an error.",
        (*THUMBNAIL_QUERY, *PREFER, *CONDITIONAL),
        errors=(*_ABOUT_PAGE, Pending, *_CAPTURED, QueueUnavailable, 412),
        access=Access.SIGNED,
    ),
    Route(
        "POST /thumb",
        "post_thumbnail",
        "Thumbnails",
        "The same, with the options in a body",
        {200: _THUMBNAIL, 202: _JOB_STARTED},
        "For programs, and for options that may hold secrets. A picture with such options is the caller's own.",
        PREFER,
        RouteBody(json(ref("ThumbnailOptions")), _EXAMPLES),
        errors=(*_ABOUT_PAGE, Pending, *_CAPTURED, QueueUnavailable, 412, *_ABOUT_BODY),
        access=Access.KEYED,
    ),
    Route(
        "POST /persist",
        "persist",
        "Permanent pictures",
        "Store the picture of a page, and get its permanent URL",
        {
            200: RouteResponse("The picture was stored before.", json(ref("PermanentPicture")), (*_NOTES, *BUDGET)),
            201: RouteResponse("The picture is stored.", json(ref("PermanentPicture")), (*_NOTES, *BUDGET)),
        },
        parameters=IDEMPOTENCY_KEY,
        body=RouteBody(json(ref("PermanentPictureOptions")), _EXAMPLES),
        errors=(*_ABOUT_PAGE, *_CAPTURED, *_STORED, Pending, IdempotencyConflict, *_ABOUT_BODY),
        access=Access.KEYED,
    ),
    Route(
        "GET /media/thumbs/{name}",
        "get_permanent_picture",
        "Permanent pictures",
        "A permanent picture, where a local folder stores them",
        {
            200: RouteResponse("The picture.", pictures(), ("ETag", "Cache-Control")),
            304: RouteResponse("The caller has the picture.", headers=("ETag", "Cache-Control")),
        },
        parameters=(
            in_path("name", {"type": "string", "pattern": r"^[0-9a-f]{64}\.[a-z]{3,4}$"}, "The name of the file."),
            *CONDITIONAL,
        ),
        errors=(NotFound, StorageUnavailable, 412),
    ),
    Route(
        "POST /screenshots",
        "create_jobs",
        "Jobs",
        "Capture one page or many in the background",
        {
            200: RouteResponse(
                "All jobs have ended within `wait`.",
                json({"anyOf": [ref("Job"), ref("Batch")]}),
                ("Location", *_NOTES, *BUDGET),
            ),
            202: RouteResponse(
                "The jobs are made.",
                json({"anyOf": [ref("JobStarted"), ref("BatchStarted")]}),
                ("Location", "Retry-After", *BUDGET),
            ),
        },
        "Send `url` for one job, or `urls` for a batch.",
        IDEMPOTENCY_KEY,
        RouteBody(
            json({"anyOf": [ref("JobOptions"), ref("BatchOptions")]}),
            {**_EXAMPLES, "batch": {"urls": [A_PAGE, "https://example.org/"], "w": 640}},
        ),
        errors=(*_ABOUT_PAGE, *_ABOUT_JOB, *_ABOUT_BODY),
        access=Access.KEYED,
    ),
    Route(
        "GET /jobs/{id}",
        "get_job",
        "Jobs",
        "The state of a job or a batch",
        {200: RouteResponse("Its state.", json({"anyOf": [ref("Job"), ref("Batch")]}), ("Cache-Control", *_NOTES))},
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
            200: RouteResponse("The picture.", pictures(), ("ETag", "Cache-Control", *_NOTES)),
            304: RouteResponse("The caller has the picture.", headers=("ETag", "Cache-Control", *_NOTES)),
        },
        parameters=(*JOB, *CONDITIONAL),
        errors=(NotFound, NotReady, QueueUnavailable, StorageUnavailable, 412),
        access=Access.KEYED,
    ),
    Route(
        "GET /meta",
        "get_metadata",
        "Metadata",
        "What a page says of itself",
        {
            200: RouteResponse(
                "The metadata.",
                json(ref("PageMetadata")),
                ("ETag", "Cache-Control", "X-Cache", "X-Thumb-State", *_NOTES, *BUDGET),
            ),
            304: RouteResponse("The caller has the metadata.", headers=("ETag", "Cache-Control", "X-Cache")),
        },
        "It is read with the picture, and kept with it: a known thumbnail costs no capture here.",
        (*THUMBNAIL_QUERY, *CONDITIONAL),
        errors=(*_ABOUT_PAGE, Pending, *_CAPTURED, 412),
        access=Access.SIGNED,
    ),
    Route(
        "GET /icon",
        "get_icon",
        "Metadata",
        "The icon of a page, or a letter in its place",
        {
            200: RouteResponse("The icon.", pictures("png"), ("ETag", "Cache-Control", "X-Icon")),
            202: RouteResponse(
                "A letter, while the page is captured.",
                pictures("png"),
                ("Retry-After", "Cache-Control", "X-Icon", "X-Thumb-State"),
            ),
            304: RouteResponse("The caller has the icon.", headers=("ETag", "Cache-Control", "X-Icon")),
        },
        parameters=(
            query(
                "size", {"type": "string", "enum": list(SIDES.values)}, f"The side of the icon. Default: {USUAL_SIDE}."
            ),
            *THUMBNAIL_QUERY,
            *CONDITIONAL,
        ),
        errors=(*_ABOUT_PAGE, *_CAPTURED, 412),
        access=Access.SIGNED,
    ),
    *CATALOGUE,
    Route(
        "GET /v1/screenshot",
        "get_contract_picture",
        "SnapSharp's contract",
        "The picture of a page, for clients of SnapSharp",
        {
            200: _CONTRACT_PICTURE,
            304: RouteResponse("The caller has the picture.", headers=("ETag", *CONTRACTS_BUDGET)),
        },
        "Names, ranges and defaults are SnapSharp's. A number or a boolean may also be a text.",
        (*CONTRACT_QUERY, *CONDITIONAL),
        errors=(*_ABOUT_PAGE, PaidOption, *_CAPTURED, 412),
        access=Access.KEYED,
    ),
    Route(
        "POST /v1/screenshot",
        "post_contract_picture",
        "SnapSharp's contract",
        "The same, with the options in a body",
        {200: _CONTRACT_PICTURE},
        parameters=(),
        body=RouteBody(json(ref("ContractOptions")), {"page": {"url": A_PAGE, "full_page": True}}),
        errors=(*_ABOUT_PAGE, PaidOption, *_CAPTURED, 412, *_ABOUT_BODY),
        access=Access.KEYED,
    ),
    Route(
        "GET /v1/usage",
        "get_usage",
        "SnapSharp's contract",
        "The caller's budget of captures",
        {200: RouteResponse("The budget.", json(ref("Usage")), ("Cache-Control", *CONTRACTS_BUDGET))},
        access=Access.KEYED,
    ),
    Route(
        "GET /health",
        "get_health",
        "Service",
        "Whether the process serves",
        {200: RouteResponse("It does.", json(ref("Health")), ("Cache-Control",))},
        limited=False,
    ),
    Route(
        "GET /ready",
        "get_readiness",
        "Service",
        "Whether everything that it needs can be reached",
        {
            200: RouteResponse("It can.", json(ref("Readiness")), ("Cache-Control",)),
            503: RouteResponse("Something cannot.", json(ref("Readiness")), ("Cache-Control",)),
        },
    ),
    Route(
        "GET /openapi.json",
        "get_document",
        "Service",
        "This document",
        {
            200: RouteResponse("The document.", json({"type": "object"}), ("ETag", "Cache-Control")),
            304: RouteResponse("The caller has the document.", headers=("ETag", "Cache-Control")),
        },
        parameters=CONDITIONAL,
    ),
)
