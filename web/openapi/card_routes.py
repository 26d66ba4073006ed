"""The rows of cards: pictures for shared pages, and what networks show of these."""

from errors import Pending, QueueUnavailable, UnknownCard
from metadata import PICTURE_TAGS
from options import CARD_OPTIONS
from web.http.card_paths import FORMATS
from web.http.pictures import CAPTURED_BY
from web.openapi.headers import BUDGET
from web.openapi.inputs import THUMBNAIL_QUERY
from web.openapi.outputs import json, pictures, ref
from web.openapi.parameters import CONDITIONAL, PREFER
from web.openapi.row import Access, Route, RouteResponse, in_path, query
from web.openapi.shared import ABOUT_PAGE, CAPTURED, NOTES
from web.openapi.thumbnail_routes import JOB_OR_STATE, STATE, UNCHANGED

_CHECKED = ("ETag", "Cache-Control", "X-Cache", f"{CAPTURED_BY}?", "X-Thumb-State", *NOTES, *BUDGET)

_OPTIONS = tuple(each for each in THUMBNAIL_QUERY if each.name in CARD_OPTIONS)

CARDS: tuple[Route, ...] = (
    Route(
        "GET /card/{template}.{format}",
        "get_card_picture",
        "Cards",
        "A picture made from a template and data, as in an og:image",
        {200: STATE, 202: JOB_OR_STATE, 304: UNCHANGED},
        "A known card is served at once, others are drawn. `/v1/templates` lists the templates with their variables.",
        (
            in_path("template", {"type": "string", "minLength": 1, "examples": ["article"]}, "The name of a template."),
            in_path("format", {"type": "string", "enum": list(FORMATS)}, "The format of the picture."),
            query(
                "title",
                {"type": "string", "examples": ["Hello"]},
                "A variable of the template, as are all other names.",
            ),
            *_OPTIONS,
            *PREFER,
            *CONDITIONAL,
        ),
        errors=(*ABOUT_PAGE, UnknownCard, Pending, *CAPTURED, QueueUnavailable, 404, 412),
        access=Access.SIGNED,
        rules=("/card/{card}",),
    ),
    Route(
        "GET /cards/check.json",
        "check_shared_page",
        "Cards",
        "How networks show a shared page, and what its tags lack",
        {
            200: RouteResponse("The cards and findings.", json(ref("ShareCheck")), _CHECKED),
            304: RouteResponse("The caller has them.", headers=_CHECKED),
        },
        "The tags are read with the picture, so a known thumbnail costs no capture here. The pictures are fetched once.",
        (*THUMBNAIL_QUERY, *CONDITIONAL),
        errors=(*ABOUT_PAGE, Pending, *CAPTURED, 412),
        access=Access.SIGNED,
    ),
    Route(
        "GET /cards/picture",
        "get_shared_picture",
        "Cards",
        "The picture that a tag of a page names",
        {
            200: RouteResponse(
                "The picture, at most 1,040 pixels a side.", pictures("webp"), ("ETag", "Cache-Control")
            ),
            304: RouteResponse("The caller has the picture.", headers=("ETag", "Cache-Control")),
        },
        parameters=(
            query("tag", {"type": "string", "enum": list(PICTURE_TAGS)}, f"Default: {PICTURE_TAGS[0]}."),
            *THUMBNAIL_QUERY,
            *CONDITIONAL,
        ),
        errors=(*ABOUT_PAGE, Pending, *CAPTURED, 404, 412),
        access=Access.SIGNED,
    ),
)
