"""`GET /oembed`: the card or the picture of a page, as programs that show links ask for it: https://oembed.com."""

from dataclasses import dataclass, replace
from html import escape
from xml.etree.ElementTree import Element, SubElement, tostring

from flask import Blueprint, Response, json, request

from errors import BlockedTarget, ForbiddenHost, InvalidOption, NotFound, Pending, UnknownFormat
from metadata import Metadata
from options import Choice, Whole
from services import Services
from web.http.addresses import base_url
from web.http.budgets import Budgets
from web.http.origins import allow_origins
from web.http.own_options import take_own
from web.http.page_asks import ask_about, log_served, parse_page
from web.http.page_links import SIZES, PageLinks, Pairs, Size
from web.http.pictures import cache_headers, conditional
from web.http.request_log import note_error

WAIT = 3  # seconds for a capture, unless the caller says otherwise: programs that show links do not wait for long
BRIEF_SECONDS = 60  # for which an answer is kept that came before the capture ended
OWN = ("format", "maxwidth", "maxheight", "type", "theme", "dnt", "discover", "omitscript")
_TYPES, _THEMES = Choice(("rich", "photo")), Choice(("auto", "light", "dark"))
_SIDE = Whole(1, 100_000, "pixels")
_CARD = 600, 190  # pixels
_NARROW, _WORDS = 480, 132  # where the picture stands above the words, and how high these are
_LEAST_CARD = 160, 60
_SANDBOX = "allow-popups allow-popups-to-escape-sandbox"


@dataclass(frozen=True, slots=True)
class Frame:
    """What the caller wants to show: the type of answer, and the largest size in pixels."""

    type: str
    width: int
    height: int
    theme: str


def blueprint(services: Services, budgets: Budgets) -> Blueprint:
    views = Blueprint("oembed", __name__)
    allow_origins(views, services.settings.cors_origins)
    links = PageLinks(services)

    @views.get("/oembed")
    def oembed() -> Response:
        query, own = take_own(request.query_string, OWN)
        own = {name: value for name, value in own.items() if value}  # consumers send what nobody has set, too
        file_format = own.get("format", "json")
        if file_format not in ("json", "xml"):
            raise UnknownFormat("must be json or xml")
        wish = read_wish(own)
        try:
            wanted = parse_page(services, query)
            if wanted.delivery.wait is None:
                wanted = replace(wanted, delivery=replace(wanted.delivery, wait=WAIT))
            ask, _ = ask_about(services, budgets, wanted)
            known = services.metadata.get(ask)
        except (BlockedTarget, ForbiddenHost) as err:  # as the specification has it, without telling more
            raise NotFound("there is nothing to show of this URL", field="url") from err
        except Pending as err:
            note_error(err)
            answer = describe(wish, None, wanted.target.netloc, links, links.pairs(query), BRIEF_SECONDS)
            return respond(answer, file_format, {"Cache-Control": f"public, max-age={BRIEF_SECONDS}"})
        log_served(known.served)
        seconds = known.served.fresh_for or BRIEF_SECONDS
        answer = describe(wish, known, wanted.target.netloc, links, links.pairs(query), seconds)
        return respond(answer, file_format, _kept(cache_headers(known.served, wanted.delivery)))

    return views


def read_wish(own: dict[str, str]) -> Frame:
    """Read the caller's own options. Raises InvalidOption."""
    for name, kind in (("type", _TYPES), ("theme", _THEMES)):
        if name in own and own[name] not in kind.values:
            raise InvalidOption(f"must be {kind.words}", field=name)
    sides = {}
    for name in ("maxwidth", "maxheight"):
        sides[name] = _SIDE.guess(own.get(name)) if name in own else _SIDE.high
        if sides[name] is None:
            raise InvalidOption(f"must be {_SIDE.words}", field=name)
    width, height = sides["maxwidth"] or 0, sides["maxheight"] or 0
    return Frame(own.get("type", "rich"), width, height, own.get("theme", "auto"))


def describe(
    wish: Frame, known: Metadata | None, host: str, links: PageLinks, pairs: Pairs, seconds: int
) -> dict[str, object]:
    """Write the answer: https://oembed.com/#section2.3. Raises NotFound if nothing is as small as the caller wants it."""
    pairs = list(pairs)
    title = (known.title if known else "") or host
    answer: dict[str, object] = {
        "version": "1.0",
        "type": wish.type,
        "title": title,
        "provider_name": "Thumbnails",
        "provider_url": base_url() + "/",
        "cache_age": seconds,
    }
    if known and (known.author or known.site_name):
        answer["author_name"] = known.author or known.site_name
    fitting = [size for size in links.sizes(SIZES) if size[0] <= wish.width and size[1] <= wish.height]
    if wish.type == "photo":
        if not fitting:
            raise NotFound("no picture of this page is so small", field="maxwidth, maxheight")
        width, height = max(fitting)
        return answer | {"url": links.picture(pairs, (width, height)), "width": width, "height": height}
    if fitting:
        usual = fitting[0]
        answer |= {
            "thumbnail_url": links.picture(pairs, usual),
            "thumbnail_width": usual[0],
            "thumbnail_height": usual[1],
        }
    width, height = _card_size(wish)
    more = {} if wish.theme == "auto" else {"theme": wish.theme}
    frame = (
        f'<iframe src="{escape(links.write("/embed", pairs, **more))}" width="{width}" height="{height}" '
        f'title="{escape(title)}" loading="lazy" sandbox="{_SANDBOX}" referrerpolicy="no-referrer" '
        'style="border:0;max-width:100%"></iframe>'
    )
    return answer | {"html": frame, "width": width, "height": height}


def _card_size(wish: Frame) -> Size:
    width = min(_CARD[0], wish.width)
    height = _CARD[1] if width >= _NARROW else round(width * 9 / 16) + _WORDS
    height = min(height, wish.height)
    if width < _LEAST_CARD[0] or height < _LEAST_CARD[1]:
        raise NotFound("no card of this page is so small", field="maxwidth, maxheight")
    return width, height


def respond(answer: dict[str, object], file_format: str, headers: dict[str, str]) -> Response:
    if file_format == "json":
        response = Response(json.dumps(answer) + "\n", content_type="application/json")
    else:
        root = Element("oembed")
        for name, value in answer.items():
            SubElement(root, name).text = str(value)
        body: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
        response = Response(body, content_type="text/xml; charset=utf-8")
    response.headers.update(headers | {"X-Content-Type-Options": "nosniff"})
    response.add_etag()
    return conditional(response)


def _kept(headers: dict[str, str]) -> dict[str, str]:
    names = ("Cache-Control", "X-Cache", "X-Thumb-State")
    return {name: headers[name] for name in names}
