"""Addresses of what this service shows of a page: its picture, icon, metadata and card, signed where that is needed."""

from collections.abc import Iterable
from urllib.parse import urlencode

from options import CaptureOptions, callers_options
from services import Services
from urls import read_query
from web.http.addresses import absolute_url

# What a link of ours takes over from the caller's query: which page is captured how, and until when that may be shown.
_TAKEN = {each.name for each in callers_options(CaptureOptions)} | {"ttl", "expires"}
SIZES = ((320, 180), (640, 360), (960, 540), (1280, 720), (160, 90))  # of pictures, the preferred one first


class PageLinks:
    def __init__(self, services: Services) -> None:
        self._access = services.access
        self._public_url = services.settings.public_url

    def pairs(self, query: bytes) -> list[tuple[str, str]]:
        """Return the options of a caller's query that say which page is captured, and how."""
        return [pair for pair in read_query(query) if pair[0] in _TAKEN]

    def write(self, path: str, pairs: Iterable[tuple[str, str]], **more: object) -> str:
        """Return the absolute URL of `path` with the options `pairs`, signed, and `more`, which signatures leave out."""
        signed = self._access.signed(list(pairs))
        query = urlencode([*signed, *((name, str(value)) for name, value in more.items())])
        return absolute_url(f"{path}?{query}", self._public_url)

    def sizes(self) -> list[tuple[int, int]]:
        """Return the sizes of 16:9 in which this installation gives pictures; none where only others are allowed."""
        return [size for size in SIZES if not self._access.sizes or size in self._access.sizes]

    def picture(self, pairs: Iterable[tuple[str, str]], size: tuple[int, int] | None, file_format: str = "webp") -> str:
        """Return the URL of the page's picture; of its captured size if `size` is None."""
        sides = {"w": size[0], "h": size[1]} if size else {}
        return self.write("/thumb", pairs, **sides, format=file_format)
