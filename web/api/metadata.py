"""`GET /meta`: what a page says of itself, as JSON. `GET /icon`: its icon, or a letter in its place."""

from flask import Blueprint, Response, json, request

from errors import InvalidOption, Pending
from metadata import SIDE, USUAL_SIDE, Metadata, PageIcon
from options import Delivery, LinkedFeed, LinkedPicture
from services import Services
from thumbnails import Served
from web.http.budgets import Budgets
from web.http.errors import headers_of
from web.http.origins import Sharing, allow_origins, share_pictures
from web.http.own_options import take_own
from web.http.page_asks import ask_about, log_served, parse_page
from web.http.page_links import PageLinks
from web.http.pictures import SAFE_HEADERS, cache_headers, conditional
from web.http.placeholders import expect_picture_of
from web.http.request_log import log_facts, note_error


def blueprint(services: Services, budgets: Budgets) -> Blueprint:
    views = Blueprint("metadata", __name__)
    share_pictures(views, Sharing(services.settings), lists=("metadata.meta",))
    allow_origins(views, services.settings.cors_origins)
    links = PageLinks(services)

    @views.get("/meta")
    def meta() -> Response:
        query = request.query_string
        ask, charge = ask_about(services, budgets, parse_page(services, query))
        known = services.metadata.get(ask)
        log_served(known.served)
        return respond(
            record(known, links, query), "application/json", known.served, ask.request.delivery, charge.headers
        )

    @views.get("/icon")
    def icon() -> Response:
        query, own = take_own(request.query_string, ("size",))
        side = SIDE.guess(own["size"]) if "size" in own else USUAL_SIDE
        expect_picture_of((side or USUAL_SIDE,) * 2)
        if side is None:
            raise InvalidOption(f"must be {SIDE.words}", field="size")
        ask, _ = ask_about(services, budgets, parse_page(services, query))
        try:
            found = services.icons.get(ask, side)
        except Pending as err:
            return pending_icon(services.icons.letter(ask.request, side), err)
        return icon_response(found, ask.request.delivery)

    return views


def icon_response(found: PageIcon, delivery: Delivery) -> Response:
    kind = "letter" if found.letter else "page"
    log_facts(icon=kind)
    response = Response(found.body, content_type="image/png")
    response.headers.update({"Cache-Control": _kept(found.seconds, delivery), "X-Icon": kind, **SAFE_HEADERS})
    response.add_etag()
    return conditional(response)


def pending_icon(letter: PageIcon, err: Pending) -> Response:
    note_error(err)
    response = Response(letter.body, err.status, content_type="image/png")
    waits = {"X-Thumb-State": "pending", "X-Icon": "letter", **headers_of(err)}
    response.headers.update({"Cache-Control": "no-store", **waits, **SAFE_HEADERS})
    return response


def respond(
    body: dict[str, object], content_type: str, served: Served, delivery: Delivery, limits: dict[str, str]
) -> Response:
    """Respond with JSON that is as fresh as the captured page, and has an ETag of its own."""
    response = Response(json.dumps(body) + "\n", content_type=content_type)
    response.headers.update(cache_headers(served, delivery) | limits | {"X-Content-Type-Options": "nosniff"})
    del response.headers["ETag"]  # of the picture
    response.add_etag()
    return conditional(response)


def record(known: Metadata, links: PageLinks, query: bytes) -> dict[str, object]:
    """Write metadata as JSON. What the page does not say is null, so that each name is always there."""
    pairs = links.pairs(query)
    return {
        "url": known.url,
        "source": str(known.source),
        "final_url": known.final_url or None,
        "status": known.status or None,
        "title": known.title or None,
        "description": known.description or None,
        "site_name": known.site_name or None,
        "author": known.author or None,
        "published": known.published or None,
        "language": known.language or None,
        "theme_color": known.theme_color or None,
        "canonical": known.canonical or None,
        "favicon": known.favicon or None,
        "image": _picture(known.image),
        "feeds": [_feed(each) for each in known.feeds],
        "palette": list(known.palette),
        "captured_at": known.captured_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "picture": links.picture(pairs),
        "icon": links.write("/icon", pairs),
    }


def _picture(picture: LinkedPicture | None) -> dict[str, object] | None:
    if picture is None:
        return None
    return {
        "url": picture.url,
        "width": picture.width or None,
        "height": picture.height or None,
        "alt": picture.alt or None,
    }


def _feed(feed: LinkedFeed) -> dict[str, object]:
    return {"url": feed.url, "type": feed.type, "title": feed.title or None}


def _kept(seconds: int, delivery: Delivery) -> str:
    if delivery.fresh:
        return "no-store"
    return f"{'private' if delivery.expires is not None else 'public'}, max-age={seconds}"
