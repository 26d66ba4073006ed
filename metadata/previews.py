"""Fetches the picture that a page names for previews (`og:image`), and judges whether it is one."""

from datetime import UTC, datetime

import structlog

import images
from errors import NoOgImage
from images import CpuPool, NotAPicture
from metadata.fetching import NotFetched, PictureFetcher
from model import Picture
from options import PageMetadata

FETCH_SECONDS = 8.0
MOST_BYTES = 8 << 20
_log = structlog.get_logger()


class PreviewFetcher:
    def __init__(self, fetcher: PictureFetcher, cpu: CpuPool) -> None:
        self._fetcher = fetcher
        self._cpu = cpu

    def fetch(self, page: PageMetadata, *, any_size: bool) -> Picture:
        """Return the picture as a PNG. Raises NoOgImage for one that shows a logo or is small, unless `any_size` will do."""
        if page.image is None:
            raise NoOgImage("the page names no picture for previews")
        try:
            body = self._fetcher.fetch(page.image.url, FETCH_SECONDS, MOST_BYTES)
            pixels, decoding = images.pixels_of(body), images.pixels_decoding(body)
            with self._cpu.slot(large=pixels > self._cpu.LARGE_PIXELS):
                preview = self._cpu.run(lambda: images.read_preview(body), pixels=max(2 * pixels, decoding))
        except NotFetched as err:
            _log.info("preview_refused", reason=str(err)[:200])
            raise NoOgImage("the picture that the page names for previews could not be fetched", lasting=False) from err
        except NotAPicture as err:
            _log.info("preview_refused", reason=str(err)[:200])
            raise NoOgImage("what the page names for previews is no picture, or too large") from err
        if preview.doubt and not any_size:
            raise NoOgImage(f"the picture that the page names for previews is no good one: {preview.doubt}")
        return Picture(
            preview.body,
            "image/png",
            preview.width,
            preview.height,
            datetime.now(UTC),
            page=page,
            pixels=preview.pixels,
        )
