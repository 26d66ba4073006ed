"""Pictures in files below one folder, which this service hands out itself."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from model import Picture
from storage import Stored, absent, content_type_of, key_for_good, key_of_job, unavailable


class LocalStorage:
    """Files below one folder, served by this service under `/media/`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()

    def put(self, picture: Picture) -> Stored:
        """Write the picture unless it is there. Raises StorageUnavailable; nothing half-written is ever seen."""
        key, digest = key_for_good(picture)
        with _translated():
            created = self._write_once(self._folder / key, picture.body)
        return Stored(key, f"/media/{key}", digest, created)

    def keep(self, picture: Picture, job_id: str) -> str:
        """Write the picture of a job over any that an earlier try left. Raises StorageUnavailable."""
        key = key_of_job(picture, job_id)
        with _translated(), _draft(self._folder / key, picture.body) as draft:
            draft.rename(self._folder / key)
        return key

    def read(self, key: str) -> tuple[bytes, str]:
        """Give bytes and content type of `key`. Raises NotFound for anything that was not stored under our names."""
        content_type, path = content_type_of(key), self._folder / key
        if path.is_symlink() or not path.is_file():
            raise absent()
        return path.read_bytes(), content_type

    def presign(self, key: str, seconds: int) -> None:  # noqa: ARG002 - there is nobody else to hand it out
        return None

    def prune(self, seconds: int) -> int:
        """Remove files of jobs, drafts of killed processes too."""
        oldest = time.time() - seconds
        with _translated():
            return sum(_removed(path, oldest) for path in (self._folder / "jobs").glob("*"))

    def require_writable(self) -> None:
        """Prove that the folder can be written. Raises StorageUnavailable."""
        with _translated():
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._folder):
                pass

    def _write_once(self, path: Path, body: bytes) -> bool:
        if path.exists():
            return False
        with _draft(path, body) as draft:
            return _link_once(draft, path)


@contextmanager
def _draft(path: Path, body: bytes) -> Iterator[Path]:
    """Write `body` whole beside `path`; whoever asked moves it away."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
        draft = Path(file.name)
        try:
            file.write(body)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
            yield draft
        finally:
            draft.unlink(missing_ok=True)


def _link_once(draft: Path, path: Path) -> bool:
    """A hard link appears whole or not at all, and never replaces what another process put first."""
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        return False
    return True


def _removed(path: Path, oldest: float) -> bool:
    try:
        if path.stat().st_mtime >= oldest:
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
        raise unavailable(err, "PERSIST_DIR") from err
