"""Originals as files in a folder, which all processes of a machine share.

A file appears whole, by `os.replace`, and is not synced: after a crash, its checksum tells a file that was not written
out. There is no index. The time of access says when a file was last used, and the time of modification, which lies in
the future, until when it is kept; so one pass over the folder finds what to remove.
"""

import errno
import fcntl
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import structlog

from images import CpuPool
from storage import KeptBeginning
from storage_backends.sealing import SEAL_BYTES, BrokenSeal, read_until, seal, unseal
from telemetry import metrics, traces

T = TypeVar("T")

SWEEP_SECONDS = 3600
_ROOM = 0.9  # the share of the limit that a sweep leaves
_SHARES = 64  # each process sweeps after it has written a 64th of the limit
_DRAFT = ".draft-"  # a file that is being written; one older than a sweep's pause was left by a process that ended
_LOG_SECONDS = 60
_LARGE = 8 << 20  # bytes that take too long to read and check while others wait
_FULL = (errno.ENOSPC, errno.EDQUOT)
_READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)
_log = structlog.get_logger()


class OriginalsFolder:
    """At most about `max_bytes` in `folder`; the least recently used files are removed first."""

    takes_pixels = True

    def __init__(self, folder: Path, max_bytes: int, threads: CpuPool) -> None:
        """`threads` work on the disk, which may be slow."""
        self._folder = folder.absolute()
        self._max_bytes = max_bytes
        self._threads = threads
        self._unswept = max_bytes  # bytes written since the last sweep; the first write sweeps
        self._swept = 0.0
        self._logged: float | None = None
        self._lock = threading.Lock()

    @cached_property
    def place(self) -> str:
        """A name that is written into the folder, since one folder may have several paths and hosts."""
        try:
            return _name_place(self._folder)
        except OSError as err:
            self._report(err)
            return secrets.token_hex(8)

    def get(self, name: str) -> memoryview | None:
        path = self._path(name)
        try:
            with traces.span("originals.get"):
                value = self._read(path)
        except FileNotFoundError:
            return None
        except OSError as err:
            self._report(err)
            return None
        except BrokenSeal as err:
            _log.warning("original_damaged", name=name, reason=str(err), effect="it is removed")
            value = None
        if value is None:
            self.discard(name)
        return value

    def peek(self, name: str, head: int) -> KeptBeginning | None:
        with self._reported(), suppress(BrokenSeal):
            return self._run(lambda: _peek(self._path(name), head))
        return None

    def put(self, name: str, value: bytes, seconds: int) -> bool:
        path, until = self._path(name), time.time() + seconds
        with traces.span("originals.put"):
            kept = len(value) <= self._max_bytes * _ROOM and self._write(path, value, until)
        if kept:
            self._sweep_when_due(len(value))
        else:
            self.discard(name)
        return kept

    def discard(self, name: str) -> None:
        path = self._path(name)
        with self._reported():
            self._run(lambda: path.unlink(missing_ok=True))

    def discard_where(self, is_gone: Callable[[bytes], bool], head: int) -> int:
        return self._run(lambda: _discard_where(self._folder, is_gone, head))

    def works(self) -> bool:
        with self._reported():
            self._run(lambda: require_writable(self._folder))
            return True
        return False

    def _read(self, path: Path) -> memoryview | None:
        try:
            return _read(path, wait=False)
        except BlockingIOError:
            return self._run(lambda: _read(path))

    def _run(self, work: Callable[[], T]) -> T:
        """Return the result of `work` from a native thread, or raise its error, of which gevent would print a traceback."""
        done = self._threads.run(lambda: _attempt(work), pixels=0)
        if isinstance(done, _Failed):
            raise done.error
        return done

    def _path(self, name: str) -> Path:
        return self._folder / name[:2] / name[2:]

    def _write(self, path: Path, value: bytes, until: float) -> bool:
        """Write a file. If the disk is full, remove the tenth of the files that was least recently used, and try again."""
        for _ in range(2):
            try:
                self._run(lambda: _write(path, seal(value, until), until))
            except OSError as err:
                self._report(err)
                if err.errno not in _FULL or not self._sweep(None):
                    return False
            else:
                return True
        return False

    def _sweep_when_due(self, written: int) -> None:
        now = time.monotonic()
        with self._lock:
            self._unswept += written
            due = self._unswept >= self._max_bytes / _SHARES or now - self._swept > SWEEP_SECONDS
            if due:
                self._unswept, self._swept = 0, now
        if due:
            self._sweep(self._max_bytes)

    def _sweep(self, limit: int | None) -> int:
        with self._reported():
            return self._run(lambda: _sweep(self._folder, limit))
        return 0

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except OSError as err:
            self._report(err)

    def _report(self, err: OSError) -> None:
        """Count an error; log what is wrong and what to do, once a minute."""
        metrics.STORAGE_ERRORS.add("originals")
        now = time.monotonic()
        if self._logged is not None and now - self._logged < _LOG_SECONDS:
            return
        self._logged = now
        _log.error(
            "originals_unavailable",
            setting="ORIGINALS_DIR",
            folder=str(self._folder),
            reason=err.strerror or type(err).__name__,
            action=_advise(err.errno),
            effect="pages are captured again for each new size",
        )


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    size: int
    used: float
    until: float

    def is_over(self, now: float) -> bool:
        if self.path.name.startswith(_DRAFT):
            return self.used < now - SWEEP_SECONDS
        return self.until < now


@dataclass(frozen=True, slots=True)
class _Failed:
    error: OSError | BrokenSeal


def _attempt(work: Callable[[], T]) -> T | _Failed:
    try:
        return work()
    except (OSError, BrokenSeal) as err:
        return _Failed(err)


def _advise(number: int | None) -> str:
    if number in _FULL:
        return "free disk space, or lower ORIGINALS_MAX_BYTES"
    if number in _READ_ONLY:
        return "let this process's user write to the folder, or name another in ORIGINALS_DIR"
    return "check the folder and its disk"


def _read(path: Path, *, wait: bool = True) -> memoryview | None:
    """Read a file, and note when it was used. Raises OSError or BrokenSeal.

    Unless it may `wait` for the disk, raises BlockingIOError if the file is not in the kernel's page cache, or large.
    """
    with path.open("rb", buffering=0) as file:
        stat = os.fstat(file.fileno())
        sealed = file.read() if wait else _read_at_once(file.fileno(), stat.st_size)
        with suppress(PermissionError):  # another user's file
            os.utime(file.fileno(), (time.time(), stat.st_mtime))
    return unseal(sealed)


def _peek(path: Path, head: int) -> KeptBeginning | None:
    """Read the beginning of a file, and leave the time when it was used. Raises OSError or BrokenSeal."""
    try:
        try:
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOATIME", 0))
        except PermissionError:  # another user's file
            descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        beginning = file.read(head)
        file.seek(max(os.fstat(file.fileno()).st_size - SEAL_BYTES, 0))
        until = read_until(file.read(SEAL_BYTES))
    return KeptBeginning(beginning, until) if until > time.time() else None


def _read_at_once(descriptor: int, size: int) -> bytearray:
    """Read a file from the page cache: two thirds of the time that a native thread takes for it. See preadv2(2)."""
    data = bytearray(size if size <= _LARGE and hasattr(os, "RWF_NOWAIT") else 0)
    try:
        if len(data) == size and os.preadv(descriptor, [data], 0, os.RWF_NOWAIT) == size:
            return data
    except OSError:  # a file system that cannot do this
        pass
    raise BlockingIOError


def _write(path: Path, data: bytes, until: float) -> None:
    for folder in (path.parent.parent, path.parent):
        _make_folder(folder)
    with _draft(path.parent, data, until) as draft:
        draft.replace(path)


def _name_place(folder: Path) -> str:
    _make_folder(folder)
    path = folder / ".place"
    if not path.exists():
        with _draft(folder, secrets.token_hex(8).encode()) as draft:
            draft.replace(path)
    return path.read_text(encoding="ascii")


def _sweep(folder: Path, limit: int | None) -> int:
    """Remove files that are over, and beyond the `limit` (None: what there is) the least recently used. Return the count."""
    with _alone(folder / ".sweep") as alone:
        files = sorted(_files(folder), key=lambda file: file.used) if alone else []
        total, now, removed, evicted = sum(file.size for file in files), time.time(), 0, 0
        room = (total if limit is None else limit) * _ROOM
        for file in files:
            if total > room or file.is_over(now):
                file.path.unlink(missing_ok=True)
                evicted += not file.is_over(now)
                total -= file.size
                removed += 1
    metrics.EVICTIONS.add("originals", amount=evicted)
    return removed


def _discard_where(folder: Path, is_gone: Callable[[bytes], bool], head: int) -> int:
    """Remove the originals of whose beginning `is_gone` is true, with what is kept beside them. Raises OSError."""
    gone = 0
    for file in _files(folder):
        with suppress(FileNotFoundError):
            if "." in file.path.name or not _is_gone(file.path, is_gone, head):
                continue
            for path in file.path.parent.glob(f"{file.path.name}*"):
                path.unlink(missing_ok=True)
            gone += 1
    return gone


def _is_gone(path: Path, is_gone: Callable[[bytes], bool], head: int) -> bool:
    with path.open("rb", buffering=0) as file:
        beginning = file.read(head)
        try:
            return is_gone(beginning)
        except ValueError:
            return is_gone(beginning + file.read())


def _files(folder: Path) -> Iterator[_File]:
    if not folder.exists():  # before the first original
        return
    for inner in os.scandir(folder):
        if len(inner.name) == 2 and inner.is_dir(follow_symlinks=False):
            for entry in os.scandir(inner):
                with suppress(FileNotFoundError):
                    stat = entry.stat(follow_symlinks=False)
                    yield _File(Path(entry.path), stat.st_size, stat.st_atime, stat.st_mtime)


def require_writable(folder: Path) -> None:
    """Make the folder if it is missing, and write a file there. Raises OSError."""
    _make_folder(folder)
    with _draft(folder, b"original"):
        pass


def _make_folder(folder: Path) -> None:
    """Make the folder for this user alone: an original may show a page that only its caller may see."""
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)


@contextmanager
def _draft(folder: Path, data: bytes, until: float | None = None) -> Iterator[Path]:
    """Write `data` to a temporary file of this user alone, which the caller moves or links."""
    draft = folder / f"{_DRAFT}{secrets.token_hex(8)}"
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            if until is not None:
                os.utime(file.fileno(), (time.time(), until))
        yield draft
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Yield whether no other process of this machine is inside."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
