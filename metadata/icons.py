"""The icon of a page in the size asked for: its own, or else the first letter of its host on its colour."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urljoin

import images
from errors import BlockedTarget, CaptureError, InvalidURL, OverCapacity, RateLimited
from images import CpuPool
from metadata.picture_store import ICON, PictureStore
from model import ThumbnailRequest
from netguard import Guard
from options import NO_METADATA, PageMetadata, Whole
from thumbnails import Ask, Thumbnailer
from urls import parse_url

SIDE = Whole(16, 256, "pixels")
USUAL_SIDE = 64
BRIEF_SECONDS = 60  # for which a letter is kept while the page could not be captured
_MOST_FETCHES = 3
_PIXELS = 2 << 16


@dataclass(frozen=True, slots=True)
class PageIcon:
    """A PNG, and for how many seconds it may be kept. A `letter` is drawn; else it is the page's own."""

    body: bytes
    seconds: int
    letter: bool = False


class Icons:
    def __init__(self, thumbnailer: Thumbnailer, store: PictureStore, guard: Guard, cpu: CpuPool) -> None:
        self._thumbnailer = thumbnailer
        self._store = store
        self._guard = guard
        self._cpu = cpu

    def get(self, ask: Ask, side: int) -> PageIcon:
        """Return the icon of the page, after a capture if need be, which says where it is. Raises Pending.

        If the page could not be captured, its icon is where icons usually are. A letter takes its place if it has none.
        """
        request, page, failed = ask.request, NO_METADATA, False
        wait = request.delivery.wait
        deadline = math.inf if wait is None else time.monotonic() + wait
        try:
            try:
                page = self._page(ask)
            except CaptureError:
                failed = True
            for url in self._candidates(page, request, side):
                if body := self._store.get(url, ask.charge.rendition, deadline):
                    drawn = self._cpu.run(lambda body=body: images.resize_icon(body, side), pixels=_PIXELS)  # type: ignore[misc]
                    return PageIcon(drawn, ICON.keep_none if failed else ICON.keep)
        except (RateLimited, OverCapacity):
            failed = True
        letter = images.draw_letter(request.target.host, page.theme_color, side)
        return PageIcon(letter, BRIEF_SECONDS if failed else ICON.keep_none, letter=True)

    def letter(self, request: ThumbnailRequest, side: int) -> PageIcon:
        """Return the letter of the host, while nothing is known of its page."""
        return PageIcon(images.draw_letter(request.target.host, "", side), 0, letter=True)

    def _page(self, ask: Ask) -> PageMetadata:
        """Return what the page says. A screenshot API that does not read pages is not asked: it could not tell."""
        if not self._thumbnailer.reads_pages:
            return NO_METADATA
        return self._thumbnailer.get_original(ask).picture.page or NO_METADATA

    def _candidates(self, page: PageMetadata, request: ThumbnailRequest, side: int) -> Iterator[str]:
        """Yield the URLs at which the icon may be, the best first: the smallest that is large enough, then all others.

        One that is written in the page comes after those, and `/favicon.ico` last.
        """
        by_fit = sorted(page.icons, key=lambda each: (each.side < side, each.side if each.side >= side else -each.side))
        urls = [each.url for each in by_fit if not each.url.partition("?")[0].lower().endswith(".svg")]
        usual = self._judged(urljoin(page.url or request.target.url, "/favicon.ico"))
        named = map(self._judged, urls[: _MOST_FETCHES - 1])
        yield from dict.fromkeys(filter(None, [*named, page.icon_data, usual]))

    def _judged(self, url: str) -> str:
        try:
            return parse_url(url, self._guard).url
        except (InvalidURL, BlockedTarget):
            return ""
