"""A folder in which the processes of one service leave what they have counted, for their parent to show.

A process replaces its file as a whole, and holds a lock while it lives. What a process had counted that has ended, however
it ended, is added to one file of all such processes, and its own files are removed. So no files pile up, and no counter goes
backwards.
"""

import fcntl
import json
import os
import secrets
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from telemetry.tallies import Snapshot, declared

_ENDED, _SHARED, _LOCK = "ended", "shared.lock", "lock"
HUNG_SECONDS = 60.0  # a process writes each second; one that has not for so long hangs
_REMEMBERED = 64  # ids of processes that were added last: more cannot end while one is added


class SnapshotFolder:
    """Owned by the parent of some processes, for as long as one of them lives."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def make(cls) -> Self:
        """Make a folder for this user alone, in memory if possible. Remove those of parents that were killed. Raises OSError."""
        root = _own_root()
        with _locked(root / _LOCK):
            for other in root.iterdir():
                if other.is_dir() and not _is_held(other / _LOCK):
                    shutil.rmtree(other, ignore_errors=True)
            path = Path(tempfile.mkdtemp(dir=root))
            return cls(path, _hold(path / _LOCK))

    def remove(self) -> None:
        """Remove the folder. Of no use after a parent was killed; the next one removes it then."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)

    def read(self) -> list[Snapshot]:
        """Return what all processes have counted, those that have ended included. What one measured that hangs is not known.

        The file of ended processes is read last, and names the processes whose own files may still be there.
        """
        snapshots = {path.stem: found for path in self.path.glob("*.json") if (found := _load(path)) is not None}
        for name in snapshots.keys() - {_ENDED}:
            if _age(self.path / f"{name}.json") > HUNG_SECONDS:
                snapshots[name] = _add(snapshots[name], {})
        ended = self._ended()
        living = [found for name, found in snapshots.items() if name not in (*ended["ids"], _ENDED)]
        return [ended["counted"], *living]

    def add_ended(self) -> None:
        """Add what ended processes have counted to the file of all of them. Only one thread of the parent does it.

        While there is no room for it, their own files stay.
        """
        for lock in self.path.glob("*.alive"):
            with suppress(OSError):
                if not _is_held(lock):
                    self._add_one(lock)

    def _add_one(self, lock: Path) -> None:
        own = lock.with_suffix(".json")
        ended = self._ended()
        if lock.stem not in ended["ids"]:
            together = _add(ended["counted"], _load(own) or {})
            ids = [*ended["ids"], lock.stem][-_REMEMBERED:]
            _replace(self.path / f"{_ENDED}.json", {"ids": ids, "counted": together})
        for file in (own, _draft_of(own), lock):
            file.unlink(missing_ok=True)

    def _ended(self) -> dict[str, Any]:
        return _load(self.path / f"{_ENDED}.json") or {"ids": [], "counted": {}}


class OwnSnapshot:
    """The file of this process in its parent's folder."""

    def __init__(self, folder: Path) -> None:
        """Begin to live. Raises OSError if the parent has ended."""
        self._folder = folder
        self._id = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._writing = threading.Lock()
        self._written = b""
        self._reads_shared: int | None = None
        draft = folder / f"{self._id}.draft"
        self._alive = _hold(draft)
        draft.rename(folder / f"{self._id}.alive")

    def write(self, take: Callable[[], Snapshot]) -> None:
        """Write what `take` returns, or that it has not changed. One thread does it at a time. Raises OSError."""
        path = self._folder / f"{self._id}.json"
        with self._writing:
            data = json.dumps(take()).encode()
            if data == self._written:
                os.utime(path)
            else:
                _replace_bytes(path, data)
                self._written = data

    def is_reader(self) -> bool:
        """Return whether this process is the one that reads what all of them share, and say that it does.

        Another one is, if this one has ended, or has not asked for HUNG_SECONDS.
        """
        path = self._folder / _SHARED
        with suppress(OSError):
            if self._reads_shared is not None and not os.path.samestat(os.fstat(self._reads_shared), path.stat()):
                os.close(self._reads_shared)  # another one took over, as this one hung
                self._reads_shared = None
            if self._reads_shared is None:
                self._reads_shared = self._take_over(path) if _age(path) > HUNG_SECONDS else _hold(path)
            os.utime(path)
            return True
        return False

    def _take_over(self, path: Path) -> int:
        """Put another file in place of one whose lock is held by a process that hangs."""
        draft = self._folder / f"{self._id}.reader"
        held = _hold(draft)
        draft.replace(path)
        return held


def _add(counted: Snapshot, more: Snapshot) -> Snapshot:
    together: Snapshot = {}
    for metric in declared():
        if metric.lasts:
            series = {tuple(labels): reading for labels, reading in counted.get(metric.name, ())}
            for values, reading in more.get(metric.name, ()):
                labels = tuple(values)
                series[labels] = metric.merge(series[labels], reading) if labels in series else reading
            if series:
                together[metric.name] = [[list(labels), reading] for labels, reading in series.items()]
    return together


def _own_root() -> Path:
    """Return the folder of this user's services; one of a random name if somebody else has taken its name."""
    base = _base()
    root = base / f"thumbnails-metrics-{os.geteuid()}"
    with suppress(FileExistsError):
        root.mkdir(mode=0o700)
    found = root.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077:
        return root
    return Path(tempfile.mkdtemp(prefix="thumbnails-metrics-", dir=base))


def _base() -> Path:
    memory = Path("/dev/shm")  # noqa: S108 - the folder below it is this user's alone, or of a random name
    return memory if os.access(memory, os.W_OK) else Path(tempfile.gettempdir())


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _hold(path: Path) -> int:
    """Lock a file until this process ends. Raises BlockingIOError if another one has."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _is_held(path: Path) -> bool:
    try:
        os.close(_hold(path))
    except BlockingIOError:
        return True
    return False


def _age(path: Path) -> float:
    """Return the seconds since a file was written, 0 if there is none."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def _replace(path: Path, value: object) -> None:
    _replace_bytes(path, json.dumps(value).encode())


def _replace_bytes(path: Path, data: bytes) -> None:
    draft = _draft_of(path)
    try:
        draft.write_bytes(data)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def _draft_of(path: Path) -> Path:
    return path.with_suffix(".new")
