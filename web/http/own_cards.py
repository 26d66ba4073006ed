"""Draws the cards of this service that a page names as its share pictures, before the page is checked.

The check fetches what a page names, and nothing is captured for such a request, as nobody would pay for it. A network would
have the card drawn; so it is drawn for the caller who checks the page, and paid by that caller.
"""

from dataclasses import replace
from urllib.parse import unquote

from errors import ThumbnailError
from metadata import PICTURE_TAGS, Metadata
from services import Services
from thumbnails import Ask
from web.http.addresses import base_url
from web.http.card_paths import PREFIX, CardReader

_WAIT = 20  # seconds


class OwnCards:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._reader = CardReader(services)

    def draw(self, known: Metadata, ask: Ask) -> None:
        """Draw the cards that the page names. What cannot be drawn, the check cannot fetch."""
        base = (self._services.settings.public_url or base_url()) + PREFIX
        for tag, url in known.share:
            if tag in PICTURE_TAGS and url.startswith(base):
                self._draw(PREFIX + url.removeprefix(base), ask)

    def _draw(self, address: str, ask: Ask) -> None:
        path, _, query = address.partition("?")
        environ = {"PATH_INFO": unquote(path), "QUERY_STRING": query.partition("#")[0]}
        try:
            wanted = self._reader.read(environ)
            self._reader.require_allowed(environ, wanted)
            wanted = replace(wanted, delivery=replace(wanted.delivery, wait=_WAIT))
            self._services.card_thumbnails.get(replace(ask, request=wanted))
        except ThumbnailError:
            return
