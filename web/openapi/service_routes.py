"""The rows of the service itself."""

from errors import (
    BlockedTarget,
    DatabaseUnavailable,
    ForeignOrigin,
    InvalidOption,
    InvalidURL,
    NotFound,
    QueueUnavailable,
)
from web.openapi.inputs import A_PAGE, THUMBNAIL_QUERY
from web.openapi.outputs import json, ref, text
from web.openapi.parameters import CONDITIONAL
from web.openapi.row import Access, Route, RouteBody, RouteResponse, query

SERVICE: tuple[Route, ...] = (
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
        "POST /purge",
        "purge",
        "Service",
        "Show no picture any more of a page, a host, a site, a tag, or of all that is older",
        {
            202: RouteResponse(
                "It holds within seconds; files are removed within minutes.", json(ref("Purge")), ("Cache-Control",)
            )
        },
        "Pictures that were captured before now are gone, or `older_than`: an age in seconds, or a moment. "
        "Histories of sites and permanent pictures stay.",
        body=RouteBody(
            json(ref("PurgeOrder")),
            {
                "page": {"url": A_PAGE},
                "host": {"host": "*.example.com"},
                "tag": {"tag": "demo"},
                "old": {"older_than": 2592000},
            },
        ),
        errors=(
            InvalidURL,
            BlockedTarget,
            InvalidOption,
            ForeignOrigin,
            NotFound,
            DatabaseUnavailable,
            QueueUnavailable,
            413,
            415,
        ),
        access=Access.KEYED,
    ),
    Route(
        "GET /explain",
        "explain",
        "Service",
        "What the service knows of a page, and what a request for its picture would get and cost",
        {200: RouteResponse("What it knows.", json(ref("Explanation")), ("Cache-Control",))},
        "With the options of `/thumb`. It captures nothing, charges nothing and stores nothing.",
        parameters=(
            *THUMBNAIL_QUERY,
            query("client", {"type": "string"}, "Whose budgets to show: an address, or the name of an API key."),
        ),
        errors=(InvalidURL, BlockedTarget, InvalidOption),
        access=Access.KEYED,
    ),
    Route(
        "GET /thumbs.js",
        "get_script",
        "Service",
        "The script with which pictures that were pending arrive on any page",
        {
            200: RouteResponse("The script.", text("text/javascript"), ("ETag", "Cache-Control")),
            304: RouteResponse("The caller has the script.", headers=("ETag", "Cache-Control")),
        },
        "Load it by `<script src>`, from any site.",
        parameters=CONDITIONAL,
        errors=(412,),
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
