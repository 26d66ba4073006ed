"""The cache of the nginx in front, as the files of a folder, which nginx lets other programs remove.

A file begins with binary fields, the line `KEY: …`, and the headers of the answer. Their tags say what the file shows.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from pathlib import Path

from images import CpuPool
from purge.front import NotConfirmed

_HEAD_BYTES = 16 << 10  # more than proxy_buffer_size in deploy/nginx.conf, which bounds key and headers
_TAGS = re.compile(rb"\r\nSurrogate-Key: ([^\r\n]*)\r\n", re.IGNORECASE)
_CAPTURED = re.compile(rb"\r\nLast-Modified: ([^\r\n]*)\r\n", re.IGNORECASE)


class EdgeCache:
    name = kind = "nginx"
    at_once = 100_000  # tags: however many there are, its folder is looked through once

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._disk = CpuPool(1)

    def purge(self, moments: Mapping[str, float]) -> None:
        """Remove what is older than the moment of one of its tags. Raises NotConfirmed."""
        try:
            self._disk.run(lambda: self.remove(moments), pixels=0)
        except OSError as err:
            raise NotConfirmed(err.strerror or str(err)) from None

    def remove(self, moments: Mapping[str, float]) -> int:
        """Remove answers that were captured before the moment (Unix seconds) of one of their tags, and return their count.

        Raises OSError.
        """
        wanted = {tag.encode(): before for tag, before in moments.items()}
        gone = 0
        for path in _files(self._folder):
            with suppress(FileNotFoundError):  # nginx has removed or replaced it
                with path.open("rb", buffering=0) as file:
                    head = file.read(_HEAD_BYTES)
                if _is_gone(head, wanted):
                    path.unlink()
                    gone += 1
        return gone


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files of stored answers, below two levels of folders. Raises OSError."""
    for outer in folder.iterdir():
        if outer.is_dir():
            yield from (path for path in outer.rglob("*") if path.is_file())


def _is_gone(head: bytes, moments: Mapping[bytes, float]) -> bool:
    headers = head.partition(b"\r\n\r\n")[0] + b"\r\n"
    tags = _TAGS.search(headers)
    befores = [moments[tag] for tag in tags[1].split() if tag in moments] if tags else []
    if not befores:
        return False
    captured = _CAPTURED.search(headers)
    if captured is None:
        return True
    try:
        return parsedate_to_datetime(captured[1].decode("latin-1")).timestamp() < max(befores)
    except ValueError:
        return True
