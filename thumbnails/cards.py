"""Cards as the flow draws them: their documents, and before them the thumbnails of pages that they show.

A thumbnail comes from the same flow as any other, and whoever asks for the card pays for it. A card whose thumbnail is not
there in time is drawn without it, under a name of its own, so that nothing keeps it in the place of the whole card.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace

from cards import CardData, CardError, Template, Templates
from documents import as_written
from errors import CaptureFailed, DocumentGone, ThumbnailError
from model import Picture, ThumbnailRequest
from options import Delivery, Document, Rendition, Target
from thumbnails.ask import Ask
from thumbnails.cache import PictureCache
from thumbnails.served import CacheState, Served
from thumbnails.thumbnailer import Thumbnailer

WAIT = 5  # seconds for a thumbnail: those who fetch share pictures wait for some ten
BARE_SECONDS = 10  # for which a card without its thumbnail counts as fresh
_BARE = ".bare"  # in the name of a card without its thumbnails
_SHOWN = Rendition(w=960, format="jpeg", quality=85)  # of a thumbnail in a card

ReadURL = Callable[[str], ThumbnailRequest]


def card_request(
    template: Template, data: CardData, rendition: Rendition, delivery: Delivery, scale: float
) -> ThumbnailRequest:
    """Return the request for the picture of a card. One capture serves all its sizes and formats."""
    target = Target.of_document(template.target_name(data))
    capture = as_written(target, width=template.width, height=template.height, scale=scale)
    return ThumbnailRequest(capture, rendition, delivery)


@dataclass(frozen=True, slots=True)
class CardDocuments:
    """Writes the document of a card that is captured. `read_url` returns the request for the thumbnail of a page."""

    templates: Templates
    cache: PictureCache
    read_url: ReadURL

    def find(self, target: Target) -> Document:
        """Return the document of a card.

        Raises DocumentGone, and CaptureFailed if a thumbnail is not known any more, or the template fails with these data.
        """
        head, _, query = target.url.partition("?")
        bare = head.endswith(_BARE)
        try:
            template, data = self.templates.resolve(f"{head.removesuffix(_BARE)}?{query}")
        except CardError as err:
            raise DocumentGone("the template of this card has changed; ask for the card again") from err
        shown = {} if bare else {name: self._picture(url) for name, url in template.thumbnails(data).items()}
        try:
            return Document(template.render(data, shown), network=template.needs_network(data))
        except CardError as err:
            raise CaptureFailed(str(err), lasting=True) from err

    def _picture(self, url: str) -> str:
        picture = self.cache.look_up(thumbnail_request(self.read_url(url))).rendition
        if picture is None:
            raise CaptureFailed("the thumbnail in this card is not known any more; try again")
        return _data_url(picture)


@dataclass(frozen=True, slots=True)
class CardThumbnails:
    """Gets pictures of cards: first the thumbnails that they show, then the card."""

    templates: Templates
    thumbnailer: Thumbnailer
    read_url: ReadURL

    def shown_by(self, target: Target) -> list[ThumbnailRequest]:
        """Return the requests for the thumbnails that a card shows; none for what is no card.

        Raises InvalidURL or BlockedTarget, whose field is the variable.
        """
        if target.scheme != "card" or target.url.partition("?")[0].endswith(_BARE):
            return []
        template, data = self.templates.resolve(target.url)
        return [thumbnail_request(self._read(name, url)) for name, url in template.thumbnails(data).items()]

    def named_by(self, target: Target) -> list[Target]:
        """Return all that the data of a card name by a URL and the card shows: pages and pictures.

        Raises InvalidURL or BlockedTarget, whose field is the variable.
        """
        template, data = self.templates.resolve(target.url)
        named = template.thumbnails(data) | template.images(data)
        return [self._read(name, url).target for name, url in named.items()]

    def get(self, ask: Ask) -> Served:
        """Return the picture of a card as Thumbnailer.get does, without a thumbnail that is not there in time."""
        shown = self.shown_by(ask.request.target)
        hit = self.thumbnailer.hit(ask.request, self.thumbnailer.look_up(ask.request)) if shown else None
        if hit is not None:
            return hit
        if all(self._is_there(each, ask) for each in shown):
            return self.thumbnailer.get(ask)
        served = self.thumbnailer.get(replace(ask, request=_bare(ask.request)))
        return replace(served, cache=CacheState.STALE, fresh_for=min(served.fresh_for, BARE_SECONDS))

    def _is_there(self, shown: ThumbnailRequest, ask: Ask) -> bool:
        delivery = ask.request.delivery
        wait = WAIT if delivery.wait is None else min(delivery.wait, WAIT)
        wanted = replace(shown, delivery=replace(shown.delivery, wait=wait, fresh=delivery.fresh))
        try:
            self.thumbnailer.get(replace(ask, request=wanted, document=None))
        except ThumbnailError:  # the card tells what the caller has written, with or without the page
            return False
        return True

    def _read(self, name: str, url: str) -> ThumbnailRequest:
        try:
            return self.read_url(url)
        except ThumbnailError as err:
            raise err.about(name) from err.__cause__


def thumbnail_request(page: ThumbnailRequest) -> ThumbnailRequest:
    """Return the request for a page's thumbnail as a card shows it."""
    return replace(page, rendition=_SHOWN)


def _bare(request: ThumbnailRequest) -> ThumbnailRequest:
    head, _, query = request.target.url.partition("?")
    target = Target.of_document(f"{head}{_BARE}?{query}")
    return replace(request, capture=replace(request.capture, target=target))


def _data_url(picture: Picture) -> str:
    return f"data:{picture.content_type};base64,{base64.b64encode(picture.body).decode()}"
