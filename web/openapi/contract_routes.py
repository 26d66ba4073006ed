"""The rows of SnapSharp's contract."""

from errors import BlockedTarget, ForbiddenHost, InvalidOption, PaidOption, UnknownCard
from options import FILES
from web.http.pictures import CAPTURED_BY
from web.openapi.headers import CONTRACTS_BUDGET, PICTURE
from web.openapi.inputs import A_PAGE, CONTRACT_QUERY
from web.openapi.outputs import json, pictures, ref
from web.openapi.parameters import CONDITIONAL
from web.openapi.row import Access, Route, RouteBody, RouteResponse
from web.openapi.shared import ABOUT_BODY, ABOUT_PAGE, CAPTURED, NOTES

_CONTRACT_PICTURE = RouteResponse(
    "The picture.",
    pictures(*(name for name in FILES if name != "avif")),
    ("ETag", "Cache-Control", "X-Cache", f"{CAPTURED_BY}?", "X-Thumb-State", *NOTES, *CONTRACTS_BUDGET),
)

CONTRACT: tuple[Route, ...] = (
    Route(
        "GET /v1/screenshot",
        "get_contract_picture",
        "SnapSharp's contract",
        "The picture of a page, for clients of SnapSharp",
        {
            200: _CONTRACT_PICTURE,
            304: RouteResponse("The caller has the picture.", headers=(*PICTURE, "Vary?", *CONTRACTS_BUDGET)),
        },
        "Names, ranges and defaults are SnapSharp's. A number or a boolean may also be a text.",
        (*CONTRACT_QUERY, *CONDITIONAL),
        errors=(*ABOUT_PAGE, PaidOption, *CAPTURED, 412),
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
        errors=(*ABOUT_PAGE, PaidOption, *CAPTURED, 412, *ABOUT_BODY),
        access=Access.KEYED,
    ),
    Route(
        "POST /v1/html-to-image",
        "draw_contract_document",
        "SnapSharp's contract",
        "A picture of HTML, for clients of SnapSharp",
        {200: _CONTRACT_PICTURE},
        parameters=(),
        body=RouteBody(json(ref("ContractDocumentOptions")), {"html": {"html": "<h1>Hello</h1>", "width": 400}}),
        errors=(InvalidOption, BlockedTarget, ForbiddenHost, *CAPTURED, 412, *ABOUT_BODY),
        access=Access.KEYED,
    ),
    Route(
        "POST /v1/og-image",
        "draw_contract_card",
        "SnapSharp's contract",
        "A picture from a template and data, for clients of SnapSharp",
        {200: _CONTRACT_PICTURE},
        parameters=(),
        body=RouteBody(
            json(ref("ContractCardOptions")), {"post": {"template": "blog-post", "data": {"title": "Hello"}}}
        ),
        errors=(*ABOUT_PAGE, UnknownCard, *CAPTURED, 412, *ABOUT_BODY),
        access=Access.KEYED,
    ),
    Route(
        "GET /v1/templates",
        "list_contract_templates",
        "SnapSharp's contract",
        "All templates of cards, SnapSharp's and ours",
        {
            200: RouteResponse(
                "The templates.", json(ref("ContractTemplates")), ("ETag", "Cache-Control", *CONTRACTS_BUDGET)
            ),
            304: RouteResponse("The caller has them.", headers=("ETag", "Cache-Control", *CONTRACTS_BUDGET)),
        },
        parameters=CONDITIONAL,
    ),
    Route(
        "GET /v1/usage",
        "get_usage",
        "SnapSharp's contract",
        "The caller's budget of captures",
        {200: RouteResponse("The budget.", json(ref("Usage")), ("Cache-Control", *CONTRACTS_BUDGET))},
        access=Access.KEYED,
    ),
)
