"""`GET /cards/check.json`: how networks show a shared page. `GET /cards/picture`: the picture that one of its tags names."""

from dataclasses import asdict

from flask import Blueprint, Response, abort, request

from errors import InvalidOption
from metadata import PICTURE_TAGS, SHARED, Metadata, SharedPage, check
from options import Choice
from services import Services
from web.api.metadata import respond
from web.http.budgets import Budgets
from web.http.origins import Sharing, allow_origins, share_pictures
from web.http.own_cards import OwnCards
from web.http.own_options import take_own
from web.http.page_asks import ask_about, log_served, parse_page
from web.http.pictures import SAFE_HEADERS, conditional

_TAG = Choice(PICTURE_TAGS)


def blueprint(services: Services, budgets: Budgets) -> Blueprint:
    views = Blueprint("share", __name__)
    share_pictures(views, Sharing(services.settings), lists=("share.check_page",))
    allow_origins(views, services.settings.cors_origins)
    own = OwnCards(services)

    @views.get("/cards/check.json")
    def check_page() -> Response:
        ask, charge = ask_about(services, budgets, parse_page(services, request.query_string))
        known = services.metadata.get(ask)
        own.draw(known, ask)
        shared = services.shares.of(known, ask)
        log_served(known.served)
        return respond(record(known, shared), "application/json", known.served, ask.request.delivery, charge.headers)

    @views.get("/cards/picture")
    def picture() -> Response:
        query, own = take_own(request.query_string, ("tag",))
        tag = own.get("tag", PICTURE_TAGS[0])
        if tag not in _TAG.values:
            raise InvalidOption(f"must be {_TAG.words}", field="tag")
        ask, _ = ask_about(services, budgets, parse_page(services, query))
        body = services.shares.picture(ask, tag)
        if not body:
            abort(404)
        response = Response(body, content_type="image/webp")
        response.headers.update({"Cache-Control": f"private, max-age={SHARED.keep_none}", **SAFE_HEADERS})
        response.add_etag()
        return conditional(response)

    return views


def record(known: Metadata, shared: SharedPage) -> dict[str, object]:
    """Write the check as JSON: the tags as the page writes them, the pictures, the cards and the findings."""
    result = check(shared)
    return {
        "url": known.url,
        "final_url": known.final_url or None,
        "status": known.status or None,
        "tags": {name: text for name, text in shared.tags.items() if text},
        "pictures": {tag: _picture(asdict(each)) for tag, each in shared.pictures.items()},
        "cards": [_plain(asdict(each)) for each in result.cards],
        "findings": [_plain(asdict(each)) for each in result.findings],
    }


def _picture(facts: dict[str, object]) -> dict[str, object]:
    return {name: value or None for name, value in facts.items()}


def _plain(values: dict[str, object]) -> dict[str, object]:
    return {name: value if value not in ("", 0) else None for name, value in values.items()}
