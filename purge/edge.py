"""The cache of the nginx in front, as the files of a folder, which nginx lets other programs remove.

A file begins with binary fields, the line `KEY: …`, and the headers of the answer. Their tags say what the file shows.
"""

import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from email.utils import parsedate_to_datetime
from pathlib import Path

_HEAD_BYTES = 16 << 10  # more than proxy_buffer_size in deploy/nginx.conf, which bounds key and headers
_TAGS = re.compile(rb"\r\nSurrogate-Key: ([^\r\n]*)\r\n", re.IGNORECASE)
_CAPTURED = re.compile(rb"\r\nLast-Modified: ([^\r\n]*)\r\n", re.IGNORECASE)


class EdgeCache:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def remove(self, tags: Collection[str], before: float) -> int:
        """Remove answers with one of `tags` that were captured before `before` (Unix seconds), and return their count.

        Raises OSError.
        """
        wanted = {tag.encode() for tag in tags}
        gone = 0
        for path in _files(self._folder):
            with suppress(FileNotFoundError):  # nginx has removed or replaced it
                with path.open("rb", buffering=0) as file:
                    head = file.read(_HEAD_BYTES)
                if _is_gone(head, wanted, before):
                    path.unlink()
                    gone += 1
        return gone


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files of stored answers, below two levels of folders. Raises OSError."""
    for outer in folder.iterdir():
        if outer.is_dir():
            yield from (path for path in outer.rglob("*") if path.is_file())


def _is_gone(head: bytes, tags: Collection[bytes], before: float) -> bool:
    headers = head.partition(b"\r\n\r\n")[0] + b"\r\n"
    found = _TAGS.search(headers)
    if found is None or not set(found[1].split()) & set(tags):
        return False
    captured = _CAPTURED.search(headers)
    if captured is None:
        return True
    try:
        return parsedate_to_datetime(captured[1].decode("latin-1")).timestamp() < before
    except ValueError:
        return True
