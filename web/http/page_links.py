"""Addresses of what this service shows of a page: its picture, icon and card, signed where that is needed."""

from collections.abc import Iterable, Sequence
from urllib.parse import urlencode

from options import CaptureOptions, callers_options
from services import Services
from urls import read_query
from web.http.addresses import absolute_url, path_of

Pairs = Iterable[tuple[str, str]]
Size = tuple[int, int]

# What a link of ours takes over from the caller's query: which page is captured how, and until when that may be shown.
_TAKEN = {each.name for each in callers_options(CaptureOptions)} | {"ttl", "expires"}
SIZES = ((320, 180), (640, 360), (960, 540), (1280, 720), (160, 90))  # of pictures, the usual one first
OEMBED_TYPES = {"json": "application/json+oembed", "xml": "text/xml+oembed"}


def themed(theme: str) -> dict[str, str]:
    """Return the option that gives a placeholder its theme, if that is not the usual one."""
    return {} if theme == "auto" else {"theme": theme}


class PageLinks:
    def __init__(self, services: Services) -> None:
        self._access = services.access
        self._public_url = services.settings.public_url

    def pairs(self, query: bytes) -> list[tuple[str, str]]:
        """Return the options of a caller's query that say which page is captured, and how."""
        return [pair for pair in read_query(query) if pair[0] in _TAKEN]

    def write(self, path: str, pairs: Pairs, **more: object) -> str:
        """Return the absolute URL of `path` with the options `pairs`, signed, and `more`, which signatures leave out."""
        return absolute_url(self._written(path, pairs, more), self._public_url)

    def path(self, path: str, pairs: Pairs, **more: object) -> str:
        """Return the same without scheme and host, for a page of ours."""
        return path_of(self._written(path, pairs, more), self._public_url)

    def picture(self, pairs: Pairs, size: Size | None = None, file_format: str = "webp", theme: str = "auto") -> str:
        """Return the URL of the page's picture, in the usual size if none is given. `theme` is its placeholder's."""
        size = size or next(iter(self.sizes()), None)
        sides = {"w": size[0], "h": size[1]} if size else {}
        return self.write("/thumb", pairs, **sides, format=file_format, **themed(theme))

    def sizes(self, sizes: Sequence[Size] = SIZES) -> list[Size]:
        """Return those of `sizes` in which this installation gives pictures."""
        return [size for size in sizes if not self._access.sizes or size in self._access.sizes]

    def oembed(self, pairs: Pairs) -> dict[str, str]:
        """Return the URLs by which other programs find the card of a page, by their types: https://oembed.com/#section4."""
        pairs = list(pairs)
        return {type_: self.write("/oembed", pairs, format=name) for name, type_ in OEMBED_TYPES.items()}

    def _written(self, path: str, pairs: Pairs, more: dict[str, object]) -> str:
        signed = self._access.signed(list(pairs))
        return f"{path}?{urlencode([*signed, *((name, str(value)) for name, value in more.items())])}"
