"""The rows of cards: what networks show of a shared page."""

from errors import Pending
from metadata import PICTURE_TAGS
from web.http.pictures import CAPTURED_BY
from web.openapi.headers import BUDGET
from web.openapi.inputs import THUMBNAIL_QUERY
from web.openapi.outputs import json, pictures, ref
from web.openapi.parameters import CONDITIONAL
from web.openapi.row import Access, Route, RouteResponse, query
from web.openapi.shared import ABOUT_PAGE, CAPTURED, NOTES

_CHECKED = ("ETag", "Cache-Control", "X-Cache", f"{CAPTURED_BY}?", "X-Thumb-State", *NOTES, *BUDGET)

CARDS: tuple[Route, ...] = (
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
