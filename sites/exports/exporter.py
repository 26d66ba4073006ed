"""The formats in which the catalogue is exported."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from errors import NotFound, TakenDown
from images import CpuPool, NotAPicture, make_rendition, pixels_decoding, pixels_held
from options import Target
from sites.catalogue import Catalogue
from sites.exports.gallery import CARDS, RENDITION, gallery_pieces
from sites.exports.tables import csv_pieces, json_pieces, pages_of
from sites.values import Filters, Site
from storage import PictureStorage
from urls import locate


@dataclass(frozen=True, slots=True)
class ExportFile:
    """The name under which a browser saves an export, and its content type."""

    name: str
    content_type: str


FILES: Mapping[str, ExportFile] = MappingProxyType(
    {
        "csv": ExportFile("sites.csv", "text/csv; charset=utf-8"),
        "json": ExportFile("sites.json", "application/json"),
        "gallery": ExportFile("gallery.zip", "application/zip"),
    }
)


class Exporter:
    """Exports sites. One instance per process."""

    def __init__(
        self,
        catalogue: Catalogue,
        storage: PictureStorage,
        cpu: CpuPool,
        require_shown: Callable[[Target], object] = lambda _: None,
    ) -> None:
        """`require_shown` raises TakenDown for a page whose picture a gallery must not show."""
        self._catalogue = catalogue
        self._storage = storage
        self._cpu = cpu
        self._require_shown = require_shown

    def pieces(self, format_: str, filters: Filters, base: str) -> Iterator[bytes]:
        """Yield a file, one of FILES, of the sites that `filters` match. `base` is the URL of the service.

        Raises DatabaseUnavailable, and for a gallery StorageUnavailable, also after the first piece.
        """
        if format_ == "gallery":
            return gallery_pieces(pages_of(self._catalogue, filters, CARDS), self._rendition)
        pages = pages_of(self._catalogue, filters)
        return csv_pieces(pages) if format_ == "csv" else json_pieces(pages, base)

    def _rendition(self, site: Site) -> bytes | None:
        """Return the small picture of a site, or None if it has none, or none that can or may be shown."""
        version = site.picture
        if version is None:
            return None
        try:
            self._require_shown(locate(site.url))
            body, _ = self._storage.read(version.key)
            pixels = max(pixels_held((version.width, version.height), RENDITION), pixels_decoding(body))
            return self._cpu.run(lambda: make_rendition(body, RENDITION)[0], pixels=pixels)
        except (NotFound, NotAPicture, TakenDown):
            return None
