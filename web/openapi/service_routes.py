"""The rows of the service itself."""

from web.openapi.outputs import json, ref
from web.openapi.parameters import CONDITIONAL
from web.openapi.row import Route, RouteResponse

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
