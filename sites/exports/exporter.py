"""The formats in which the catalogue is exported."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from images import CpuPool
from sites.catalogue import Catalogue
from sites.exports.gallery import CARDS, gallery_pieces
from sites.exports.tables import csv_pieces, json_pieces, pages_of
from sites.values import Filters
from storage import PictureStorage


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

    def __init__(self, catalogue: Catalogue, storage: PictureStorage, cpu: CpuPool) -> None:
        self._catalogue = catalogue
        self._storage = storage
        self._cpu = cpu

    def pieces(self, format_: str, filters: Filters, base: str) -> Iterator[bytes]:
        """Yield a file, one of FILES, of the sites that `filters` match. `base` is the URL of the service.

        Raises DatabaseUnavailable, and for a gallery StorageUnavailable, also after the first piece.
        """
        if format_ == "gallery":
            return gallery_pieces(pages_of(self._catalogue, filters, CARDS), self._storage, self._cpu)
        pages = pages_of(self._catalogue, filters)
        return csv_pieces(pages) if format_ == "csv" else json_pieces(pages, base)
