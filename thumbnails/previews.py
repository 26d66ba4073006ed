"""Pictures that pages name for previews, in place of their screenshots: `image=auto` and `image=og`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from errors import NoOgImage
from model import Picture
from options import CaptureOptions, PageMetadata
from thumbnails.freshness import Freshness


class PreviewSource(Protocol):
    def fetch(self, page: PageMetadata, *, any_size: bool) -> Picture:
        """Return the picture that `page` names: a good preview, or one of `any_size`. Raises NoOgImage."""


@dataclass(frozen=True, slots=True)
class Previews:
    source: PreviewSource
    freshness: Freshness  # of the screenshots whose pages name the pictures

    def choose(self, options: CaptureOptions, screenshot: Picture, charge: Callable[[], object]) -> Picture:
        """Return the picture of a page that `options.image` asks for. `charge` is called before one is fetched.

        Raises what `charge` raises; and NoOgImage, unless the screenshot will do as well.
        """
        page, strictly = screenshot.page, options.image == "og"
        if page is None or page.image is None:
            if strictly:
                raise NoOgImage("the page names no picture for previews")
            return screenshot
        charge()
        try:
            return self.source.fetch(page, any_size=strictly)
        except NoOgImage:
            if strictly:
                raise
            return screenshot
