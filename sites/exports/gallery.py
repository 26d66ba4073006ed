"""The gallery as a folder of HTML and pictures that needs no server: it opens from a disk."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

from options import Rendition
from sites.exports import static_pages
from sites.exports.archive import ArchiveEntry, zip_stream
from sites.values import Site, SitePage

CARDS = 60  # of a page
RENDITION = Rendition(w=static_pages.WIDTH, h=static_pages.HEIGHT, fit="cover", format="webp")


def gallery_pieces(pages: Iterable[SitePage], rendition_of: Callable[[Site], bytes | None]) -> Iterator[bytes]:
    """Yield the bytes of a zip archive. `rendition_of` returns a site's small picture, a RENDITION, or None.

    Raises DatabaseUnavailable and StorageUnavailable, also in its midst.
    """
    return zip_stream(_entries(pages, rendition_of, datetime.now(UTC)))


def _entries(
    pages: Iterable[SitePage], rendition_of: Callable[[Site], bytes | None], now: datetime
) -> Iterator[ArchiveEntry]:
    for number, page in enumerate(pages, start=1):
        if number == 1:  # nothing is sent before the database has answered
            yield ArchiveEntry("gallery/style.css", static_pages.STYLE.encode(), now)
        pictured: set[int] = set()
        for site in page.sites:
            if site.picture and (body := rendition_of(site)):
                pictured.add(site.id)
                name = f"gallery/{static_pages.picture_name(site)}"
                yield ArchiveEntry(name, body, site.picture.captured_at, compressed=True)
        text = static_pages.page(page, number, pictured, now)
        yield ArchiveEntry(f"gallery/{static_pages.page_name(number)}", text.encode(), now)
