"""The style sheet, scripts and icon of the pages: read once, and named after their content so that browsers keep them."""

import hashlib
import mimetypes
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from storage import CACHE_FOREVER

FOLDER = Path(__file__).parent / "static"
# A page of another version of the service, during an upgrade, may name a file that this process has in another version.
_OTHER_VERSION = "no-cache"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the pages. `versioned` is its name with twelve digits of its hash, such as style.3b1f09c2a7de.css."""

    name: str
    versioned: str
    body: bytes
    content_type: str


class Assets:
    def __init__(self, folder: Path = FOLDER, names: Collection[str] = ()) -> None:
        """Read the files of `folder`, or those of them that `names` names."""
        paths = [folder / name for name in names] or sorted(path for path in folder.iterdir() if path.is_file())
        self._by_name = {path.name: _read(path) for path in paths}

    def __iter__(self) -> Iterator[Asset]:
        return iter(self._by_name.values())

    def versioned(self, name: str) -> str:
        """Return the name to link to. Raises KeyError for a file that the pages do not have."""
        return self._by_name[name].versioned

    def read(self, name: str) -> Asset:
        """Return the file. Raises KeyError for one that the pages do not have."""
        return self._by_name[name]

    def find(self, name: str) -> tuple[Asset, str] | None:
        """Return the file of a versioned name, and the `Cache-Control` for it. None if there is no such file."""
        stem, _, rest = name.partition(".")
        asset = self._by_name.get(f"{stem}.{rest.rpartition('.')[2]}")
        if asset is None:
            return None
        return asset, CACHE_FOREVER if name == asset.versioned else _OTHER_VERSION


def _read(path: Path) -> Asset:
    body = path.read_bytes()
    content_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if content_type.startswith("text/"):
        content_type += "; charset=utf-8"
    return Asset(path.name, f"{path.stem}.{hashlib.sha256(body).hexdigest()[:12]}{path.suffix}", body, content_type)
