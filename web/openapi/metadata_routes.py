"""The rows of what pages say of themselves."""

from errors import InvalidOption, InvalidURL, NotFound, Pending, UnknownFormat
from metadata import SIDE, USUAL_SIDE
from web.api.oembed import OWN
from web.http.pictures import CAPTURED_BY
from web.openapi.headers import BUDGET, PENDING
from web.openapi.inputs import THUMBNAIL_QUERY
from web.openapi.outputs import json, pictures, ref, text
from web.openapi.parameters import CONDITIONAL
from web.openapi.row import Access, Route, RouteResponse, query
from web.openapi.shared import ABOUT_PAGE, CAPTURED, NOTES
from web.ui.link_cards import THEMES

_OEMBED_SIDE = {"type": "integer", "minimum": 1, "maximum": 100_000}
_OEMBED = (
    query("format", {"type": "string", "enum": ["json", "xml"]}, "Default: json."),
    query("type", {"type": "string", "enum": ["rich", "photo"]}, "A card, or the picture. Default: rich."),
    query("maxwidth", _OEMBED_SIDE, "The largest width, in pixels."),
    query("maxheight", _OEMBED_SIDE, "The largest height, in pixels."),
    query("theme", {"type": "string", "enum": ["auto", "light", "dark"]}, "The theme of the card. Default: auto."),
    *(query(name, {"type": "string"}, "Ignored; some programs send it.") for name in ("dnt", "discover", "omitscript")),
)

_EMBED = (
    query("theme", {"type": "string", "enum": list(THEMES)}, "The theme of the card. Default: auto."),
    query(
        "as",
        {"type": "string", "enum": ["frame", "html"]},
        "`html` gives HTML to paste, as text, in place of a document for a frame. Default: frame.",
    ),
)
_CARD = text("text/html", "text/plain")
_FRAME = ("Content-Security-Policy", "Referrer-Policy")

METADATA: tuple[Route, ...] = (
    Route(
        "GET /meta",
        "get_metadata",
        "Metadata",
        "What a page says of itself",
        {
            200: RouteResponse(
                "The metadata.",
                json(ref("PageMetadata")),
                ("ETag", "Cache-Control", "X-Cache", f"{CAPTURED_BY}?", "X-Thumb-State", *NOTES, *BUDGET),
            ),
            304: RouteResponse(
                "The caller has the metadata.",
                headers=("ETag", "Cache-Control", "X-Cache", f"{CAPTURED_BY}?", "X-Thumb-State", *NOTES, *BUDGET),
            ),
        },
        "It is read with the picture, and kept with it: a known thumbnail costs no capture here.",
        (*THUMBNAIL_QUERY, *CONDITIONAL),
        errors=(*ABOUT_PAGE, Pending, *CAPTURED, 412),
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
                (*PENDING, "Cache-Control", "X-Icon", "X-Thumb-State"),
            ),
            304: RouteResponse("The caller has the icon.", headers=("ETag", "Cache-Control", "X-Icon")),
        },
        parameters=(
            query(
                "size",
                {"type": "integer", "minimum": SIDE.low, "maximum": SIDE.high},
                f"The side of the icon. Default: {USUAL_SIDE}.",
            ),
            *THUMBNAIL_QUERY,
            *CONDITIONAL,
        ),
        errors=(*ABOUT_PAGE, *CAPTURED, 412),
        access=Access.SIGNED,
    ),
    Route(
        "GET /embed",
        "get_card",
        "Metadata",
        "A link card of a page, for a frame or to paste",
        {
            200: RouteResponse(
                "The card.",
                _CARD,
                ("ETag", "Cache-Control", "X-Cache", f"{CAPTURED_BY}?", "X-Thumb-State", *NOTES, *BUDGET, *_FRAME),
            ),
            202: RouteResponse(
                "The card without title, while the page is captured. In a frame it loads itself again.",
                _CARD,
                ("Retry-After", "Refresh?", "Cache-Control", *_FRAME),
            ),
            304: RouteResponse(
                "The caller has the card.",
                headers=(
                    "ETag",
                    "Cache-Control",
                    "X-Cache",
                    f"{CAPTURED_BY}?",
                    "X-Thumb-State",
                    *NOTES,
                    *BUDGET,
                    *_FRAME,
                ),
            ),
        },
        "Any site may frame it. It runs no script. A page that is not known is waited for, three seconds unless `wait` is set.",
        (*_EMBED, *(each for each in THUMBNAIL_QUERY if each.name != "theme"), *CONDITIONAL),
        errors=(*ABOUT_PAGE, *CAPTURED, 412),
        errors_as=RouteResponse("A card that says what is the matter.", _CARD, tuple(f"{name}?" for name in _FRAME)),
        access=Access.SIGNED,
    ),
    Route(
        "GET /oembed",
        "get_oembed",
        "Metadata",
        "A card or the picture of a page, for programs that show links",
        {
            200: RouteResponse(
                "The answer.",
                {**json(ref("OEmbed")), **text("text/xml")},
                ("ETag", "Cache-Control", "X-Cache?", "X-Thumb-State?"),
            ),
            304: RouteResponse(
                "The caller has the answer.", headers=("ETag", "Cache-Control", "X-Cache?", "X-Thumb-State?")
            ),
        },
        "As https://oembed.com describes it.",
        (*_OEMBED, *(each for each in THUMBNAIL_QUERY if each.name not in OWN), *CONDITIONAL),
        errors=(InvalidURL, InvalidOption, NotFound, UnknownFormat, *CAPTURED, 412),
        access=Access.SIGNED,
    ),
)
