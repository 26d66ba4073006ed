"""Pictures as files below one folder, which this service serves itself."""

import errno
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from model import Picture
from storage import (
    Stored,
    content_type_of,
    is_key,
    job_key,
    no_such_picture,
    permanent_key,
    require_key_of_site,
    site_key,
    storage_full,
    storage_unavailable,
)
from telemetry import traces

_PUBLIC = 0o644
_PRIVATE = 0o640  # the group may read it, since web process and worker may be different users of one group


class LocalStorage:
    """Files below one folder, served by this service under `/media/`."""

    def __init__(self, folder: Path, min_free: int = 0) -> None:
        """Nothing is written that would leave less than `min_free` bytes on the disk: other services use it too."""
        self._folder = folder.absolute()
        self._min_free = min_free

    def put(self, picture: Picture) -> Stored:
        """Write the picture unless it is stored already. Readers never see half a file.

        Raises StorageUnavailable or StorageFull.
        """
        key, digest = permanent_key(picture)
        with traces.span("storage.put"), _translated():
            created = self._write_once(self._folder / key, picture.body, _PUBLIC)
        return Stored(key, f"/media/{key}", digest, created)

    def put_for_job(self, picture: Picture, job_id: str) -> str:
        """Write the picture of a job, and replace that of an earlier attempt. Raises StorageUnavailable or StorageFull."""
        key = job_key(picture, job_id)
        with traces.span("storage.put"), _translated():
            self._require_space(len(picture.body))
            with _draft(self._folder / key, picture.body, _PRIVATE) as draft:
                draft.rename(self._folder / key)
        return key

    def put_for_site(self, picture: Picture, site_id: int) -> Stored:
        """Write the picture of a site unless it is stored already. Raises StorageUnavailable or StorageFull."""
        key, digest = site_key(picture, site_id)
        with traces.span("storage.put"), _translated():
            created = self._write_once(self._folder / key, picture.body, _PRIVATE)
        return Stored(key, f"/media/{key}", digest, created)

    def remove(self, key: str) -> None:
        """Remove the picture of a site, and its folder if that was the last one."""
        path = self._folder / require_key_of_site(key)
        with _translated():
            path.unlink(missing_ok=True)
            with suppress(OSError):  # other pictures are in it
                path.parent.rmdir()

    def read(self, key: str) -> tuple[bytes, str]:
        """Return the bytes and the content type of `key`. Raises NotFound for an unknown or malformed key."""
        content_type, path = content_type_of(key), self._folder / key
        if path.is_symlink() or not path.is_file():
            raise no_such_picture()
        with traces.span("storage.read"):
            return path.read_bytes(), content_type

    def keys(self) -> Iterator[str]:
        """Yield the keys of all pictures but those of jobs."""
        for pattern in ("thumbs/*", "sites/*/*"):
            for path in self._folder.glob(pattern):
                if is_key(key := path.relative_to(self._folder).as_posix()):
                    yield key

    def presign(self, key: str, seconds: int) -> None:  # noqa: ARG002 - no other server serves the folder
        return None

    def prune(self, seconds: int) -> int:
        """Remove pictures of jobs older than `seconds`, and the drafts that killed processes left."""
        limit = time.time() - seconds
        with _translated():
            for draft in self._folder.glob("sites/*/.*"):
                _remove_if_older(draft, limit)
            return sum(_remove_if_older(path, limit) for path in (self._folder / "jobs").glob("*"))

    def require_writable(self) -> None:
        """Raise StorageUnavailable or StorageFull unless a file can be written to the folder."""
        with _translated():
            self._require_space(0)
            with tempfile.TemporaryFile(dir=self._folder):
                pass

    def _write_once(self, path: Path, body: bytes, mode: int) -> bool:
        if path.exists():
            return False
        self._require_space(len(body))
        with _draft(path, body, mode) as draft:
            return _link_once(draft, path)

    def _require_space(self, size: int) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self._folder).free
        if free - size < self._min_free:
            raise storage_full("PERSIST_MIN_FREE", free)


@contextmanager
def _draft(path: Path, body: bytes, mode: int) -> Iterator[Path]:
    """Write `body` to a temporary file beside `path`, which the caller renames or links."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
        draft = Path(file.name)
        try:
            file.write(body)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
            yield draft
        finally:
            draft.unlink(missing_ok=True)


def _link_once(draft: Path, path: Path) -> bool:
    """Link `draft` to `path`; False if another process was faster. A hard link never replaces a file."""
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        return False
    return True


def _remove_if_older(path: Path, limit: float) -> bool:
    try:
        if path.stat().st_mtime >= limit:
            return False
        path.unlink()
    except FileNotFoundError:  # another worker was faster
        return False
    return True


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as err:
        if err.errno in (errno.ENOSPC, errno.EDQUOT):
            raise storage_full("PERSIST_DIR", 0) from err
        raise storage_unavailable(err, "PERSIST_DIR") from err
