"""The rows of the catalogue's routes: sites, their pictures and history, and lists of sites."""

from typing import get_args

from errors import (
    BlockedTarget,
    DatabaseUnavailable,
    ForbiddenHost,
    ForeignOrigin,
    IdempotencyConflict,
    InvalidOption,
    InvalidURL,
    NotFound,
    OverCapacity,
    RevisionConflict,
    SiteExists,
    StorageFull,
    StorageUnavailable,
    TakenDown,
)
from sites import Sort, Status
from sites.exports import FILES
from sites.imports import ListKind
from web.api.site_query import DEFAULT_LIMIT, LONGEST_FILTER, MOST, MOST_TAGS
from web.http.pictures import CAPTURED_BY
from web.openapi.inputs import A_PAGE, RENDITION_QUERY
from web.openapi.outputs import BINARY, MOMENT, json, pictures, ref
from web.openapi.parameters import CONDITIONAL, IDEMPOTENCY_KEY_OF_SITE, IF_MATCH, SITE, VERSION
from web.openapi.row import Access, Route, RouteBody, RouteResponse, query

_NUMBER = {"type": "integer", "minimum": 1, "maximum": 2**31 - 1}
_TEXT = {"type": "string", "maxLength": LONGEST_FILTER}
_FLAG = {"type": "boolean"}
_TAGS = query("tag", {"type": "array", "items": _TEXT, "maxItems": MOST_TAGS}, "Sites that have all of these tags.")
_FILTERS = (
    query("status", {"type": "string", "enum": [str(each) for each in Status]}, "Sites in this state."),
    _TAGS,
    query("text", _TEXT, "Sites with all these words in title, URL, note or tags."),
    query("host", _TEXT, "Sites of this host."),
    query("changed_since", MOMENT, "Sites that look different since."),
)
_LIMIT = query("limit", {"type": "integer", "minimum": 1, "maximum": MOST}, f"How many. Default: {DEFAULT_LIMIT}.")
_PAGE = (
    query("sort", {"type": "string", "enum": list(get_args(Sort))}, "In which order. Default: changed."),
    _LIMIT,
    query("cursor", _TEXT, "Of another page: what `next` or `previous` of an answer is."),
)

_CATALOGUE = (NotFound, DatabaseUnavailable)
_EDIT = (InvalidOption, ForeignOrigin, *_CATALOGUE)
_ABOUT_SITE = (InvalidURL, BlockedTarget, ForbiddenHost, TakenDown)
_ABOUT_BODY = (413, 415)
_PICTURE = RouteResponse(
    "The picture, or a neutral one until there is one.",
    pictures(),
    (
        "Cache-Control",
        "ETag?",
        "Last-Modified?",
        "X-Cache?",
        f"{CAPTURED_BY}?",
        "X-Thumb-State",
        "X-Error-Code?",
        "Server-Timing?",
        "Vary?",
    ),
)
_SAME_PICTURE = RouteResponse(
    "The caller has it.", headers=("ETag", "Cache-Control", "X-Cache?", f"{CAPTURED_BY}?", "X-Thumb-State?", "Vary?")
)
_UNCHANGED = RouteResponse("The caller has it.", headers=("ETag", "Cache-Control"))
_SITE = RouteResponse("The site.", json(ref("Site")), ("ETag", "Cache-Control"))
_PICTURE_ERRORS = (InvalidOption, *_CATALOGUE, StorageUnavailable, OverCapacity, 412)

CATALOGUE: tuple[Route, ...] = (
    Route(
        "GET /sites",
        "find_sites",
        "Sites",
        "Find sites",
        {200: RouteResponse("A page of sites.", json(ref("SitePage")), ("Cache-Control",))},
        parameters=(*_FILTERS, *_PAGE),
        errors=(InvalidOption, DatabaseUnavailable),
        access=Access.KEYED,
    ),
    Route(
        "POST /sites",
        "add_sites",
        "Sites",
        "Add a site, or many",
        {
            200: RouteResponse("None of many was added.", json(ref("SitesAdded")), ("Cache-Control",)),
            201: RouteResponse(
                "The site, or what became of each of many.",
                json({"anyOf": [ref("Site"), ref("SitesAdded")]}),
                ("Cache-Control?", "ETag?", "Location?"),
            ),
        },
        parameters=IDEMPOTENCY_KEY_OF_SITE,
        body=RouteBody(
            json({"anyOf": [ref("SiteToAdd"), ref("SitesToAdd")]}),
            {
                "site": {"url": A_PAGE, "tags": ["demo"], "schedule": "daily"},
                "many": {"sites": [{"url": A_PAGE}, {"url": "https://example.org/"}], "capture": False},
            },
        ),
        errors=(
            *_ABOUT_SITE,
            InvalidOption,
            ForeignOrigin,
            SiteExists,
            IdempotencyConflict,
            DatabaseUnavailable,
            *_ABOUT_BODY,
        ),
        access=Access.KEYED,
    ),
    Route(
        "GET /sites/tags",
        "get_tags",
        "Sites",
        "Every tag, with the number of its sites",
        {200: RouteResponse("The tags.", json(ref("Tags")), ("Cache-Control",))},
        errors=(DatabaseUnavailable,),
        access=Access.KEYED,
    ),
    Route(
        "POST /sites/import",
        "import_sites",
        "Sites",
        "Import a list of sites",
        {200: RouteResponse("What became of each line.", json(ref("ImportReport")), ("Cache-Control",))},
        "The list is the body, or at `url`: a table, a sitemap, an OPML file, bookmarks of a browser, or plain URLs.",
        (
            query("kind", {"type": "string", "enum": [str(each) for each in ListKind]}, "Else it is recognised."),
            query("url", {"type": "string", "minLength": 1}, "Where the list is, instead of the body."),
            query("dry_run", _FLAG, "Only say what would be done."),
            query("capture", _FLAG, "Capture new sites now; else on their schedule. Default: true."),
        ),
        RouteBody(
            {each: {"type": "string"} for each in ("text/csv", "text/plain", "application/xml", "text/html")},
            required=False,
        ),
        errors=(*_ABOUT_SITE, InvalidOption, ForeignOrigin, OverCapacity, DatabaseUnavailable, 413),
        access=Access.KEYED,
    ),
    Route(
        "GET /sites/export",
        "export_sites",
        "Sites",
        "The catalogue as a file",
        {
            200: RouteResponse(
                "The file.",
                {"text/csv": {"type": "string"}, "application/json": {"type": "object"}, "application/zip": BINARY},
                ("Content-Disposition", "Cache-Control"),
            )
        },
        parameters=(
            query("format", {"type": "string", "enum": list(FILES)}, "A table, JSON, or a gallery. Default: csv."),
            *_FILTERS,
        ),
        errors=(InvalidOption, OverCapacity, DatabaseUnavailable, StorageUnavailable),
        access=Access.KEYED,
    ),
    Route(
        "GET /sites/feed.atom",
        "get_feed",
        "Sites",
        "The last 50 changes as an Atom feed",
        {200: RouteResponse("The feed.", {"application/atom+xml": {"type": "string"}}, ("Cache-Control",))},
        parameters=(_TAGS,),
        errors=(InvalidOption, DatabaseUnavailable),
        access=Access.KEYED,
    ),
    Route(
        "GET /sites/{id}",
        "get_site",
        "Sites",
        "A site",
        {200: _SITE, 304: _UNCHANGED},
        parameters=(*SITE, *CONDITIONAL),
        errors=_CATALOGUE,
        access=Access.KEYED,
    ),
    Route(
        "PATCH /sites/{id}",
        "change_site",
        "Sites",
        "Change a site",
        {200: _SITE},
        parameters=(*SITE, *IF_MATCH),
        body=RouteBody(json(ref("SiteChanges")), {"tags": {"tags": ["demo", "news"]}, "pause": {"paused": True}}),
        errors=(*_ABOUT_SITE, *_EDIT, SiteExists, RevisionConflict, *_ABOUT_BODY),
        access=Access.KEYED,
    ),
    Route(
        "DELETE /sites/{id}",
        "remove_site",
        "Sites",
        "Remove a site and its pictures",
        {204: RouteResponse("It is removed.", headers=("Cache-Control",))},
        parameters=(*SITE, *IF_MATCH),
        errors=(*_EDIT, RevisionConflict),
        access=Access.KEYED,
    ),
    Route(
        "POST /sites/{id}/capture",
        "capture_site",
        "Sites",
        "Capture a site now",
        {202: RouteResponse("The site, which is due now.", json(ref("Site")), ("ETag", "Cache-Control", "Location"))},
        parameters=SITE,
        errors=(ForeignOrigin, *_CATALOGUE),
        access=Access.KEYED,
    ),
    Route(
        "GET /sites/{id}/image",
        "get_site_picture",
        "Pictures of sites",
        "The picture of a site",
        {200: _PICTURE, 304: _SAME_PICTURE},
        parameters=(*SITE, *RENDITION_QUERY, *CONDITIONAL),
        errors=_PICTURE_ERRORS,
        access=Access.PICTURES,
    ),
    Route(
        "PUT /sites/{id}/picture",
        "show_picture",
        "Pictures of sites",
        "Show a version, or a picture that is sent, in place of the last capture",
        {200: _SITE},
        parameters=(*SITE, *IF_MATCH),
        body=RouteBody(
            {**json(ref("ShownVersion")), **pictures("png", "jpeg", "webp", "avif")}, {"version": {"version": 3}}
        ),
        errors=(*_EDIT, RevisionConflict, StorageUnavailable, StorageFull, OverCapacity, 413),
        access=Access.KEYED,
    ),
    Route(
        "DELETE /sites/{id}/picture",
        "show_last_capture",
        "Pictures of sites",
        "Show the last capture again",
        {200: _SITE},
        parameters=(*SITE, *IF_MATCH),
        errors=(*_EDIT, RevisionConflict),
        access=Access.KEYED,
    ),
    Route(
        "GET /sites/{id}/versions",
        "get_versions",
        "Pictures of sites",
        "How a site looked, the newest first",
        {200: RouteResponse("A page of versions.", json(ref("Versions")), ("Cache-Control",))},
        parameters=(*SITE, _LIMIT, query("cursor", _NUMBER, "Of the next page: what `next` of an answer is.")),
        errors=(InvalidOption, *_CATALOGUE),
        access=Access.KEYED,
    ),
    Route(
        "GET /sites/{id}/versions/{number}",
        "get_version",
        "Pictures of sites",
        "How a site looked",
        {200: RouteResponse("The version.", json(ref("Version")), ("Cache-Control",))},
        parameters=VERSION,
        errors=_CATALOGUE,
        access=Access.KEYED,
    ),
    Route(
        "GET /sites/{id}/versions/{number}/image",
        "get_version_picture",
        "Pictures of sites",
        "How a site looked, as a picture",
        {200: _PICTURE, 304: _SAME_PICTURE},
        parameters=(*VERSION, *RENDITION_QUERY, *CONDITIONAL),
        errors=_PICTURE_ERRORS,
        access=Access.PICTURES,
    ),
    Route(
        "GET /sites/{id}/diff",
        "get_difference",
        "Pictures of sites",
        "What changed between two versions",
        {
            200: RouteResponse(
                "What changed, as JSON or as a picture.",
                {**json(ref("Difference")), **pictures("png")},
                ("Cache-Control", "Vary"),
            )
        },
        parameters=(
            *SITE,
            query("from", _NUMBER, "The number of a version.", required=True),
            query("to", _NUMBER, "The number of another version.", required=True),
            query("format", {"type": "string", "enum": ["json", "png"]}, "Default: what `Accept` prefers."),
        ),
        errors=(InvalidOption, TakenDown, *_CATALOGUE, StorageUnavailable, OverCapacity),
        access=Access.KEYED,
    ),
)
