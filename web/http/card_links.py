"""Addresses of cards, signed where that is needed."""

from collections.abc import Iterable
from urllib.parse import quote, urlencode

from access import pairs_of_card
from cards import CardData, Template
from services import Services
from web.http.addresses import absolute_url, path_of
from web.http.card_paths import PREFIX

SIZE = (1200, 630)


class CardLinks:
    def __init__(self, services: Services) -> None:
        self._access = services.access
        self._public_url = services.settings.public_url

    def write(self, template: Template, data: CardData, format_: str = "png") -> str:
        """Return the absolute URL of a card in its own size."""
        return absolute_url(self._written(template, data, format_, ()), self._public_url)

    def path(self, template: Template, data: CardData, format_: str = "webp", width: int = 0) -> str:
        """Return the same without scheme and host, for a page of ours, in a `width` that this installation gives."""
        sized = (("w", str(width)),) if width and self._gives(width) else ()
        return path_of(self._written(template, data, format_, sized), self._public_url)

    def _gives(self, width: int) -> bool:
        return not self._access.sizes or (width, None) in self._access.sizes

    def _written(self, template: Template, data: CardData, format_: str, more: Iterable[tuple[str, str]]) -> str:
        signature = self._access.signed(pairs_of_card(template.name, data.values))[-1:]
        sig = signature if self._access.signing_keys else []
        query = urlencode([*data.values, *sig, *more], quote_via=quote, safe="/:,")
        return f"{PREFIX}{template.name}.{format_}{'?' if query else ''}{query}"
