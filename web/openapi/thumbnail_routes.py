"""The rows of pictures of pages: `/thumb`, its form as a path, and permanent pictures."""

from errors import (
    BlockedTarget,
    ForbiddenHost,
    IdempotencyConflict,
    InvalidOption,
    InvalidURL,
    NotFound,
    Pending,
    QueueUnavailable,
    StorageFull,
    StorageUnavailable,
)
from web.http.pictures import CAPTURED_BY
from web.openapi.headers import BUDGET, PENDING, PICTURE
from web.openapi.inputs import THUMBNAIL_QUERY
from web.openapi.outputs import json, pictures, ref, text
from web.openapi.parameters import CONDITIONAL, IDEMPOTENCY_KEY, PREFER
from web.openapi.row import Access, Route, RouteBody, RouteResponse, in_path
from web.openapi.shared import ABOUT_BODY, ABOUT_PAGE, CAPTURED, EXAMPLES, NOTES

_STORED = (StorageUnavailable, StorageFull)
_PICTURE = (
    "ETag",
    "Cache-Control",
    "X-Cache",
    f"{CAPTURED_BY}?",
    "X-Thumb-State",
    *NOTES,
    "Last-Modified",
    "Vary?",
    *BUDGET,
)
_THUMBNAIL = RouteResponse(
    "The picture, or with `format=lqip` a data URL.", {**pictures(), **text("text/plain")}, _PICTURE
)
STATE = RouteResponse(
    "The picture, with `format=lqip` a data URL, or for `Accept: application/json` its state.",
    {**_THUMBNAIL.contents, **json(ref("ThumbnailState"))},
    ("Cache-Control", *(f"{name.removesuffix('?')}?" for name in _PICTURE if name != "Cache-Control")),
)
UNCHANGED = RouteResponse("The caller has the picture.", headers=(*PICTURE, *BUDGET))
_JOB_STARTED = RouteResponse(
    "With `Prefer: respond-async`, a job that captures the page.",
    json(ref("JobStarted")),
    ("Location?", *PENDING, "Preference-Applied?", *BUDGET),
)
_DOCUMENT_JOB = RouteResponse(
    "A job that captures the document.",
    json(ref("JobStarted")),
    ("Location", *PENDING, "Preference-Applied?", *BUDGET),
)
JOB_OR_STATE = RouteResponse(
    "The state of a picture that is captured; or, with `Prefer: respond-async`, a job that captures the page.",
    json({"anyOf": [ref("ThumbnailState"), ref("JobStarted")]}),
    ("Location?", *PENDING, "Preference-Applied?", *BUDGET),
)

THUMBNAILS: tuple[Route, ...] = (
    Route(
        "GET /thumb",
        "get_thumbnail",
        "Thumbnails",
        "The picture of a page, as in an <img>",
        {200: STATE, 202: JOB_OR_STATE, 304: UNCHANGED},
        "A known picture is served at once, others are captured. An `<img>` gets a placeholder in place of an error.",
        (*THUMBNAIL_QUERY, *PREFER, *CONDITIONAL),
        errors=(*ABOUT_PAGE, Pending, *CAPTURED, QueueUnavailable, 412),
        access=Access.SIGNED,
    ),
    Route(
        "GET /t/{options}/{page}",
        "get_thumbnail_by_path",
        "Thumbnails",
        "The same, with the options in the path",
        {200: STATE, 202: JOB_OR_STATE, 304: UNCHANGED},
        "For templates that cannot percent-encode, and for programs that want a file name.",
        (
            in_path(
                "options",
                {"type": "string", "minLength": 1, "examples": ["w=320,h=180", "-"]},
                "Options of `GET /thumb`, as `name=value`, parted by commas; `-` for none.",
            ),
            in_path(
                "page",
                {"type": "string", "minLength": 1, "examples": ["aHR0cHM6Ly9leGFtcGxlLmNvbS8.webp"]},
                "The page as base64url with the ending of a format; or as it is, with all of its slashes.",
            ),
            *PREFER,
            *CONDITIONAL,
        ),
        errors=(*ABOUT_PAGE, Pending, *CAPTURED, QueueUnavailable, 412),
        access=Access.SIGNED,
        rules=("/t/{rest}", "/t//{rest}", "/t/"),
    ),
    Route(
        "POST /thumb",
        "post_thumbnail",
        "Thumbnails",
        "The same, with the options in a body",
        {200: _THUMBNAIL, 202: _JOB_STARTED},
        "For programs, and for options that may hold secrets. A picture with such options is the caller's own.",
        PREFER,
        RouteBody(json(ref("ThumbnailOptions")), EXAMPLES),
        errors=(*ABOUT_PAGE, Pending, *CAPTURED, QueueUnavailable, 412, *ABOUT_BODY),
        access=Access.KEYED,
    ),
    Route(
        "POST /render",
        "render_document",
        "Documents",
        "A picture of HTML or Markdown",
        {
            200: RouteResponse(
                "The picture; with `persist`, its permanent URL; or a job that has ended in the time of `Prefer`.",
                {**pictures(), **json({"anyOf": [ref("PermanentPicture"), ref("Job")]})},
                ("ETag?", *(f"{name.removesuffix('?')}?" for name in _PICTURE if name != "ETag"), "Location?"),
            ),
            201: RouteResponse("The picture is stored.", json(ref("PermanentPicture")), (*NOTES, *BUDGET)),
            202: _DOCUMENT_JOB,
        },
        "Nothing that the HTML names is requested, unless `network` allows it. `persist` stores the picture, as "
        "`POST /persist` does; `webhook_url` makes a job, as `POST /screenshots` does.",
        (*PREFER, *IDEMPOTENCY_KEY),
        RouteBody(
            json(ref("DocumentOptions")),
            {"html": {"html": "<h1>Hello</h1>", "w": 400}, "markdown": {"markdown": "# Hello", "theme": "paper"}},
        ),
        errors=(
            InvalidOption,
            BlockedTarget,
            ForbiddenHost,
            InvalidURL,
            Pending,
            *CAPTURED,
            *_STORED,
            QueueUnavailable,
            IdempotencyConflict,
            412,
            *ABOUT_BODY,
        ),
        access=Access.KEYED,
    ),
    Route(
        "POST /persist",
        "persist",
        "Permanent pictures",
        "Store the picture of a page, and get its permanent URL",
        {
            200: RouteResponse("The picture was stored before.", json(ref("PermanentPicture")), (*NOTES, *BUDGET)),
            201: RouteResponse("The picture is stored.", json(ref("PermanentPicture")), (*NOTES, *BUDGET)),
        },
        parameters=IDEMPOTENCY_KEY,
        body=RouteBody(json(ref("PermanentPictureOptions")), EXAMPLES),
        errors=(*ABOUT_PAGE, *CAPTURED, *_STORED, Pending, IdempotencyConflict, *ABOUT_BODY),
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
)
