"""The gallery as a folder of HTML and pictures that needs no server: it opens from a disk."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from errors import NotFound
from images import CpuPool, NotAPicture, make_rendition
from options import Rendition
from sites.exports import static_pages
from sites.exports.archive import ArchiveEntry, zip_stream
from sites.values import SitePage, Version
from storage import PictureStorage

CARDS = 60  # of a page
RENDITION = Rendition(w=static_pages.WIDTH, h=static_pages.HEIGHT, fit="cover", format="webp")


def gallery_pieces(pages: Iterable[SitePage], storage: PictureStorage, cpu: CpuPool) -> Iterator[bytes]:
    """Yield the bytes of a zip archive. Raises DatabaseUnavailable and StorageUnavailable, also in its midst."""
    return zip_stream(_entries(pages, storage, cpu, datetime.now(UTC)))


def _entries(pages: Iterable[SitePage], storage: PictureStorage, cpu: CpuPool, now: datetime) -> Iterator[ArchiveEntry]:
    for number, page in enumerate(pages, start=1):
        if number == 1:  # nothing is sent before the database has answered
            yield ArchiveEntry("gallery/style.css", static_pages.STYLE.encode(), now)
        pictured: set[int] = set()
        for site in page.sites:
            if site.picture and (body := _rendition(site.picture, storage, cpu)):
                pictured.add(site.id)
                name = f"gallery/{static_pages.picture_name(site)}"
                yield ArchiveEntry(name, body, site.picture.captured_at, compressed=True)
        text = static_pages.page(page, number, pictured, now)
        yield ArchiveEntry(f"gallery/{static_pages.page_name(number)}", text.encode(), now)


def _rendition(version: Version, storage: PictureStorage, cpu: CpuPool) -> bytes | None:
    """Return the small picture of a version, or None if its original is gone or cannot be shown."""
    try:
        body, _ = storage.read(version.key)
        return cpu.run(lambda: make_rendition(body, RENDITION)[0], pixels=version.width * version.height)
    except (NotFound, NotAPicture):
        return None
