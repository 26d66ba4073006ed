"""A zip archive as a stream: no file and no entry but the current one is held."""

import io
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

_EARLIEST = 1980  # years that the format knows


@dataclass(frozen=True, slots=True)
class ArchiveEntry:
    """A file in an archive. Pictures are compressed already, so they are stored as they are."""

    name: str
    body: bytes
    at: datetime
    compressed: bool = False


class _Sink(io.RawIOBase):
    """A file that can only be written, and is emptied between entries."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._written.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken = b"".join(self._written)
        self._written.clear()
        return taken


def zip_stream(entries: Iterable[ArchiveEntry]) -> Iterator[bytes]:
    """Yield the bytes of an archive of `entries`."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w") as archive:
        for entry in entries:
            info = zipfile.ZipInfo(entry.name, max(entry.at.timetuple()[:6], (_EARLIEST, 1, 1, 0, 0, 0)))
            info.compress_type = zipfile.ZIP_STORED if entry.compressed else zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, entry.body)
            yield sink.take()
    yield sink.take()
