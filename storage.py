"""The contract of a picture storage, and the keys of pictures, which are the same in every storage.

Permanent pictures are below `thumbs/`. Their key is the hash of their bytes, so they are written once and never
overwritten. Pictures of jobs are below `jobs/` for a day. Their key is the job's id, so no other job shares them and
they can be removed. Pictures of sites are below `sites/` and the site's id, until the site's history no longer needs them.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import structlog

from errors import NotFound, StorageFull, StorageUnavailable
from model import Picture
from options import FORMATS
from telemetry import metrics

CACHE_FOREVER = "public, max-age=31536000, immutable"
_ENDINGS = {each.content_type: each.ending for each in FORMATS.values()}
_TYPES = {ending: content_type for content_type, ending in _ENDINGS.items()}
_KEY = re.compile(
    rf"(thumbs/[0-9a-f]{{64}}|jobs/[0-9a-f]{{32}}|sites/[1-9]\d{{0,18}}/[0-9a-f]{{64}})\.({'|'.join(_TYPES)})"
)
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored picture. `url` is absolute for S3, and a path of this service for a local folder."""

    key: str
    url: str
    sha256: str
    created: bool


class PictureStorage(Protocol):
    """Stores pictures permanently or for a day. Every method raises StorageUnavailable, and those that store StorageFull."""

    def put(self, picture: Picture) -> Stored:
        """Store a picture permanently, unless it is stored already."""

    def put_for_job(self, picture: Picture, job_id: str) -> str:
        """Store the picture of a job until `prune` removes it, and return its key."""

    def put_for_site(self, picture: Picture, site_id: int) -> Stored:
        """Store a picture of a site, unless it is stored already, until `remove` removes it."""

    def remove(self, key: str) -> None:
        """Remove a picture of a site, if it is there. Raises ValueError for any other key."""

    def read(self, key: str) -> tuple[bytes, str]:
        """Return the bytes and the content type. Raises NotFound for an unknown or malformed key."""

    def keys(self) -> Iterator[str]:
        """Yield the keys of all permanent pictures and of those of sites."""

    def presign(self, key: str, seconds: int) -> str | None:
        """Return a URL that works for `seconds`, or None if this service has to serve the picture itself."""

    def prune(self, seconds: int) -> int:
        """Remove pictures of jobs that are older than `seconds`, and return their count."""

    def require_writable(self) -> None:
        """Raise StorageUnavailable or StorageFull unless pictures can be stored."""


def permanent_key(picture: Picture) -> tuple[str, str]:
    """Return the key of a permanent picture, and the hash in the key."""
    digest = hashlib.sha256(picture.body).hexdigest()
    return f"thumbs/{digest}.{_ENDINGS[picture.content_type]}", digest


def job_key(picture: Picture, job_id: str) -> str:
    return f"jobs/{job_id}.{_ENDINGS[picture.content_type]}"


def site_key(picture: Picture, site_id: int) -> tuple[str, str]:
    """Return the key of a picture of a site, and the hash in the key.

    Sites share no picture, so that one can be removed without a look at all the others.
    """
    digest = hashlib.sha256(picture.body).hexdigest()
    return f"sites/{site_id}/{digest}.{_ENDINGS[picture.content_type]}", digest


def require_key_of_site(key: str) -> str:
    """Return `key`. Raises ValueError unless it is that of a site's picture: no other picture is removed by its key."""
    if not is_key(key) or not key.startswith("sites/"):
        raise ValueError(f"not the key of a site's picture: {key}")
    return key


def is_key(name: str) -> bool:
    return _KEY.fullmatch(name) is not None


def content_type_of(key: str) -> str:
    """Read the content type off a key. Raises NotFound for a malformed key."""
    match = _KEY.fullmatch(key)
    if match is None:
        raise no_such_picture()
    return _TYPES[match[2]]


def no_such_picture() -> NotFound:
    return NotFound("no picture has this name; check the URL")


def storage_full(variable: str, free: int) -> StorageFull:
    """Log that the storage that `variable` configures has only `free` bytes left, and return the error for the caller."""
    metrics.STORAGE_ERRORS.add("permanent")
    _log.error("storage_full", setting=variable, free_bytes=free)
    return StorageFull("the picture storage is full; try again later")


def storage_unavailable(
    err: Exception, variable: str, code: str | None = None, hint: str | None = None
) -> StorageUnavailable:
    """Log why the storage that `variable` configures failed, and return the error for the caller.

    `hint` says what the operator does about it.
    """
    metrics.STORAGE_ERRORS.add("permanent")
    _log.error("storage_unavailable", setting=variable, error=type(err).__name__, code=code, hint=hint)
    return StorageUnavailable("the picture storage is not available; try again later")


@dataclass(frozen=True, slots=True)
class KeptBeginning:
    """The first bytes of an original, and until when it is kept (Unix seconds), None where the store does not say."""

    head: bytes
    until: float | None


class OriginalStore(Protocol):
    """Keeps originals, by name, for all processes that share the store.

    An original that is lost costs a capture and no error: no method raises, and what cannot be read is not there.
    """

    takes_pixels: bool  # whether to keep pixels beside the captured file: reading twice the bytes must cost little

    @property
    def place(self) -> str:
        """A name of the store: processes with the same one read each other's originals."""

    def get(self, name: str) -> bytes | memoryview | None: ...

    def peek(self, name: str, head: int) -> KeptBeginning | None:
        """Return the first `head` bytes of an original. It does not count as used."""

    def put(self, name: str, value: bytes, seconds: int) -> bool:
        """Keep `value` for at most `seconds`, in place of an older one. False if it is not kept; the older one is gone."""

    def discard(self, name: str) -> None: ...

    def discard_where(self, is_gone: Callable[[bytes], bool], head: int) -> int:
        """Discard each original of whose first `head` bytes `is_gone` is true, and return their count.

        `is_gone` is given all of it if it raises ValueError. Raises OSError if not all could be looked at.
        """

    def works(self) -> bool:
        """Return whether originals can be kept."""
