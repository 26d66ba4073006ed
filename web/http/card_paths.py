"""The address of a card, `/card/article.png?title=…`: read into the request for its picture, which the flow of `/thumb` serves.

What the query holds beside the options of the picture are the variables of the template. A signature covers both, and the
template.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from access import pairs_of_card
from cards import CardError, Template, UnknownTemplate, read_snapsharp
from errors import InvalidCard, InvalidOption, ThumbnailError, UnknownCard
from model import ThumbnailRequest
from options import CARD_OPTIONS, FORMAT_ALIASES, Delivery, Rendition, Target, either, is_appended
from services import Services
from thumbnails import card_request
from urls import read_query
from web.http.thumb_paths import written_in

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

PREFIX = "/card/"
FORMATS = ("png", "webp", "jpeg", "avif")
_ENDINGS = {each: each for each in FORMATS} | {name: each for name, each in FORMAT_ALIASES.items() if each in FORMATS}
_LONGEST_REMEMBERED = 1024  # bytes of a query, so that a stranger's long texts do not fill the memory

Pairs = Iterable[tuple[str, str]]


class CardReader:
    """Reads `/card/<template>.<format>?…`."""

    name = "card"
    rules = ("/card/<path:card>",)
    presenter = None

    def __init__(self, services: Services) -> None:
        self._services = services
        self._remembered = lru_cache(maxsize=2048)(self._read_or_refuse)

    def matches(self, path: str) -> bool:
        return path.startswith(PREFIX)

    def read(self, environ: "WSGIEnvironment") -> ThumbnailRequest:
        """Read path and query. Raises UnknownCard, InvalidCard or InvalidOption."""
        return self._card(environ).wanted

    def require_allowed(self, environ: "WSGIEnvironment", wanted: ThumbnailRequest) -> None:
        """Raise an error unless every caller may GET this card: signature, size, and the pages and pictures that it shows."""
        card = self._card(environ)
        self._services.access.require_allowed(card.signed, wanted)
        for target in card.shows:
            self._services.access.require_target(target)

    def _card(self, environ: "WSGIEnvironment") -> "AskedCard":
        path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
        read = self._remembered if len(query) <= _LONGEST_REMEMBERED else self._read_or_refuse
        found = read(path, query)
        if isinstance(found, ThumbnailError):
            raise found.untraced()
        return found

    def written(self, environ: "WSGIEnvironment") -> Mapping[str, str]:
        """Return the options as far as they can be read, and the size of the template's cards."""
        template = self._services.templates.get(_parts(environ["PATH_INFO"])[0])
        size = {"width": str(template.width), "height": str(template.height)} if template else {}
        return written_in(environ["QUERY_STRING"]) | size

    def _read_or_refuse(self, path: str, query: str) -> "AskedCard | ThumbnailError":
        try:
            template, ending = _parts(path)
            if ending not in _ENDINGS:
                raise InvalidOption(f"must end in {either(tuple(f'.{each}' for each in FORMATS))}", field="path")
            pairs = read_query(query.encode("latin-1"))
            wanted = read_card(self._services, template, pairs, _ENDINGS[ending])
        except ThumbnailError as err:
            return err.untraced()
        shows = tuple(self._services.card_thumbnails.named_by(wanted.target))
        return AskedCard(wanted, shows, urlencode(pairs_of_card(template, pairs)).encode())


@dataclass(frozen=True, slots=True)
class AskedCard:
    """A card that an address asks for, the pages and pictures that it shows, and the query that its signature is over."""

    wanted: ThumbnailRequest
    shows: tuple[Target, ...]
    signed: bytes


def read_card(services: Services, name: str, pairs: Pairs, format_: str) -> ThumbnailRequest:
    """Return the request for the picture of a card with the template `name`, of a query's decoded `pairs`.

    Raises UnknownCard, InvalidCard, InvalidOption, and InvalidURL or BlockedTarget for a page that the card shows.
    """
    template = find_template(services, name)
    options, data = _divided(pairs, template)
    return request_of(services, template, data, services.validator.parse_card(options, format_))


def request_of(
    services: Services, template: Template, data: Mapping[str, object], options: tuple[Rendition, Delivery, float]
) -> ThumbnailRequest:
    """Return the request for a card with the `data`. Raises InvalidCard, InvalidURL or BlockedTarget."""
    try:
        read = template.read(data)
    except CardError as err:
        raise InvalidCard(
            f"{err.reason}. The variables of {template.name} are {', '.join(template.variables)}", field=err.field
        ) from None
    wanted = card_request(template, read, *options)
    services.card_thumbnails.named_by(wanted.target)  # refuses what the guard refuses
    return wanted


def card_target(services: Services, template_id: str, data: Mapping[str, object]) -> Target:
    """Name the card that one of SnapSharp's templates, or of ours, makes of `data`. Raises UnknownCard or InvalidCard."""
    try:
        template, read = read_snapsharp(services.templates, template_id, data)
    except UnknownTemplate as err:
        raise _unknown(err) from None
    except CardError as err:
        raise InvalidCard(str(err), field="data") from None
    return Target.of_document(template.target_name(read))


def find_template(services: Services, name: str) -> Template:
    """Return the template `name`. Raises UnknownCard, which names all templates."""
    try:
        return services.templates[name]
    except UnknownTemplate as err:
        raise _unknown(err) from None


def _unknown(err: UnknownTemplate) -> UnknownCard:
    return UnknownCard(f"there is no such template; there are {', '.join(err.known)}", field="template")


def _parts(path: str) -> tuple[str, str]:
    """Return the template's name and the ending of a path."""
    name, _, ending = path.removeprefix(PREFIX).rpartition(".")
    return name, ending.lower()


def _divided(pairs: Pairs, template: Template) -> tuple[dict[str, str], dict[str, str]]:
    """Part the options of the picture from the variables of the template."""
    options: dict[str, str] = {}
    data: dict[str, str] = {}
    for name, text in pairs:
        if name in template.variables or not (name in CARD_OPTIONS or is_appended(name)):
            kind = data
        elif is_appended(name):
            continue
        else:
            kind, text = options, text.strip()  # noqa: PLW2901 - blanks around an option are ignored, as in `/thumb`
        if name in kind:
            raise InvalidOption("is set more than once; send it once", field=name[:40])
        kind[name] = text
    return options, data
