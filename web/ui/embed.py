"""`GET /embed`: a link card for a frame on any site, or as HTML to paste. It needs no script, and allows none."""

from dataclasses import replace

from flask import Blueprint, Response, g, render_template, request

from errors import BlockedTarget, InvalidOption, Pending, ThumbnailError
from options import Choice
from services import Services
from web.http.budgets import Budgets
from web.http.errors import headers_of
from web.http.own_options import take_own
from web.http.page_asks import ask_about, log_served, parse_page
from web.http.page_links import PageLinks
from web.http.pictures import cache_headers, conditional
from web.http.request_log import note_error
from web.ui.link_cards import PENDING, THEMES, LinkCard, LinkCards, html_to_paste

WAIT = 3  # seconds for a capture, unless the caller says otherwise; then the card shows what is known
OWN = ("theme", "as")
_KINDS = {"theme": Choice(THEMES), "as": Choice(("frame", "html"))}
# Any site may frame a card. A click opens the page in a new window, which is no longer ours.
_POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors *; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


def blueprint(services: Services, budgets: Budgets) -> Blueprint:
    views = Blueprint("embed", __name__)
    links = PageLinks(services)
    cards = LinkCards(links)

    @views.get("/embed")
    def embed() -> Response:
        query, own = _options(request.query_string)
        wanted = parse_page(services, query)
        g.embedded_url, theme = wanted.target.url, own.get("theme", "auto")
        if wanted.delivery.wait is None:
            wanted = replace(wanted, delivery=replace(wanted.delivery, wait=WAIT))
        ask, charge = ask_about(services, budgets, wanted)
        try:
            known = services.metadata.get(ask)
        except Pending as err:
            note_error(err)
            card = cards.pending(query, wanted.target.url, err.retry_after or 3, theme)
            response = _show(links, card, own, query, err.status)
            response.headers["Retry-After"] = str(card.retry_after)
            return response
        log_served(known.served)
        response = _show(links, cards.ready(query, known, theme), own, query, 200)
        response.headers.update(cache_headers(known.served, wanted.delivery) | charge.headers)
        del response.headers["ETag"]  # of the picture
        response.add_etag()
        return conditional(response)

    @views.errorhandler(ThumbnailError)
    def fail(err: ThumbnailError) -> Response:
        """Show what is the matter on the card itself: a frame shows no other page."""
        note_error(err)
        own = {name: request.args[name] for name in OWN if request.args.get(name) in _KINDS[name].values}
        url = "" if isinstance(err, BlockedTarget) else g.get("embedded_url", "")
        response = _show(links, cards.failed(url, err), own, b"", err.status)
        response.headers.update(headers_of(err))
        return response

    return views


def _show(links: PageLinks, card: LinkCard, own: dict[str, str], query: bytes, status: int) -> Response:
    theme = own.get("theme", "auto")
    if own.get("as") == "html":
        picture = links.picture(links.pairs(query), theme=theme) if card.picture else ""
        response = Response(html_to_paste(card, picture, theme), status, content_type="text/plain; charset=utf-8")
    else:
        oembed = links.oembed(links.pairs(query)) if query else {}
        page = render_template("embed.html", card=card, card_theme=theme, oembed=oembed)
        response = Response(page, status, content_type="text/html; charset=utf-8")
        if card.state == PENDING:
            # A header, since browsers ignore `<meta http-equiv=refresh>` in a sandbox that allows no scripts.
            response.headers["Refresh"] = str(card.retry_after)
    response.headers.update(_HEADERS | {"Cache-Control": "no-store"})
    return response


def _options(query: bytes) -> tuple[bytes, dict[str, str]]:
    rest, own = take_own(query, OWN)
    for name, value in own.items():
        if value not in _KINDS[name].values:
            raise InvalidOption(f"must be {_KINDS[name].words}", field=name)
    return rest, own
