"""SnapSharp's contract, for its clients: pictures of pages, HTML and cards, and the caller's budget. See docs/snapsharp.md."""

import time
from datetime import UTC, datetime

from flask import Blueprint, Response, jsonify, request

from access import BudgetUsage
from cards import list_snapsharp
from errors import BadKey
from model import ThumbnailRequest
from options import LONGEST_DOCUMENT_BODY
from services import Services
from thumbnails import CacheState, Served
from web.api.thumbs import get_picture
from web.http.bodies import LargeBodies, decode, json_body, raw_body
from web.http.budgets import Budgets
from web.http.cache_tags import note_page
from web.http.callers import Caller, identify_caller, rate_limited_client
from web.http.card_paths import card_target
from web.http.envelope import limit_headers
from web.http.pictures import SAFE_HEADERS, cache_headers, picture_response
from web.http.request_log import log_facts

STALE_SECONDS = 86400  # the contract's `stale-while-revalidate`


def blueprint(services: Services, budgets: Budgets) -> Blueprint:
    views = Blueprint("contract", __name__, url_prefix="/v1")
    large = LargeBodies()

    @views.route("/screenshot", methods=["GET", "POST"])
    def screenshot() -> Response:
        if request.method == "POST":
            wanted = services.validator.parse_contract(json_body())
        else:
            wanted = services.validator.parse_contract_query(request.query_string)
        log_facts(host=wanted.target.netloc)
        note_page(wanted.target)
        caller = identify_caller(services.access, needs_key="/v1/screenshot")
        services.access.require_target(wanted.target)
        served, _ = get_picture(services, budgets, wanted.owned_by(caller.name), caller)
        return _respond(services, served, wanted)

    @views.post("/html-to-image")
    def html_to_image() -> Response:
        caller = identify_caller(services.access, needs_key="/v1/html-to-image")
        with large.room(caller.name):
            body = raw_body(LONGEST_DOCUMENT_BODY)
            order = services.cpu.run(lambda: services.validator.parse_contract_document(decode(body)), pixels=len(body))
            log_facts(host=order.picture.target.netloc)
            services.access.require_network(order.document)
            held = services.document_store.hold(order.document)
            served, _ = get_picture(services, budgets, order.picture, caller, document=held)
            return _respond(services, served, order.picture)

    _add_cards(views, services, budgets)

    @views.get("/usage")
    def usage() -> Response:
        """Describe the caller's budget of captures: the only figures that are counted."""
        caller = identify_caller(services.access, needs_key="/v1/usage")
        used = budgets.captures.usage(caller.name, caller.own_limit)
        response = jsonify(_describe(used))
        response.headers["Cache-Control"] = "no-store"
        return response

    @views.after_request
    def tell_limits(response: Response) -> Response:
        """Send the caller's limits with every response, as the contract promises."""
        if "X-RateLimit-Limit" not in response.headers:
            caller = _limited_caller(services)
            used = budgets.captures.usage(caller.name, caller.own_limit)
            response.headers.update(limit_headers(used.limit, used.remaining, used.seconds or used.window))
        return response

    return views


def _add_cards(views: Blueprint, services: Services, budgets: Budgets) -> None:
    @views.post("/og-image")
    def og_image() -> Response:
        wanted = services.validator.parse_contract_card(
            json_body(), lambda name, data: card_target(services, name, data)
        )
        log_facts(host=wanted.target.netloc)
        note_page(wanted.target)
        caller = identify_caller(services.access, needs_key="/v1/og-image")
        for shown in services.card_thumbnails.named_by(wanted.target):
            services.access.require_target(shown)
        served, _ = get_picture(services, budgets, wanted, caller)
        return _respond(services, served, wanted)

    @views.get("/templates")
    def templates() -> Response:
        response = jsonify({"templates": list_snapsharp(services.templates)})
        response.headers["Cache-Control"] = "no-cache"
        response.add_etag()
        response.make_conditional(request)
        return response


def _respond(services: Services, served: Served, wanted: ThumbnailRequest) -> Response:
    headers = cache_headers(served, wanted.delivery) | SAFE_HEADERS
    known = served.cache in (CacheState.HIT, CacheState.STALE)
    headers["X-Cache"] = str(CacheState.HIT if known else CacheState.MISS)  # clients know no other value
    shared = known and not services.access.signing_keys
    return picture_response(served.picture, headers | _caching(served, shared=shared))


def _caching(served: Served, *, shared: bool) -> dict[str, str]:
    """Write `Cache-Control` as the contract does: shared caches may keep a known picture, but no cache keeps a new one."""
    if not shared or served.private or served.picture.suspect:
        return {"Cache-Control": "private, no-cache"}
    fresh_for = max(served.fresh_for, 60)  # as long as `/thumb` lets a stale picture be shown
    grace = "" if served.picture.notes.shows_error else f", stale-while-revalidate={STALE_SECONDS}"
    return {
        "Cache-Control": f"public, s-maxage={fresh_for}{grace}",
        "Vary": "Accept",
    }


def _limited_caller(services: Services) -> Caller:
    """Identify the caller whose limits count. A wrong key counts as its address."""
    try:
        return identify_caller(services.access)
    except BadKey:
        return Caller(rate_limited_client(services.access), None)


def _describe(used: BudgetUsage) -> dict[str, object]:
    end = time.time() + (used.seconds or used.window)
    return {
        "plan": "self-hosted",
        "period": {"start": _moment(end - used.window), "end": _moment(end)},
        "usage": {
            "requests": used.count,
            "limit": used.limit,
            "remaining": used.remaining,
            "percentage": round(100 * min(used.count / used.limit, 1), 1),
        },
        "breakdown": {"screenshot": used.count},
        # Neither is counted here. An invented figure would be worse than none.
        "cache_hit_rate": None,
        "avg_response_time_ms": None,
    }


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
