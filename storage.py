"""Pictures at rest: what a storage can do, and the names that pictures have in any.

For good below `thumbs/`, where a key is the hash of the bytes: written once, never over. For a day below `jobs/`, where
it is a job's id: nobody else's, so that it can be removed.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Protocol

import structlog

from errors import NotFound, StorageUnavailable
from model import Picture
from options import FORMATS

CACHE_FOREVER = "public, max-age=31536000, immutable"
_ENDINGS = {each.content_type: each.ending for each in FORMATS.values()}
_TYPES = {ending: content_type for content_type, ending in _ENDINGS.items()}
_KEY = re.compile(rf"(thumbs/[0-9a-f]{{64}}|jobs/[0-9a-f]{{32}})\.({'|'.join(_TYPES)})")
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a picture lies. `url` is absolute in S3 and a path of this service in a local folder."""

    key: str
    url: str
    sha256: str
    created: bool


class PictureStorage(Protocol):
    """Keeps pictures, for good or for a day. Raises StorageUnavailable."""

    def put(self, picture: Picture) -> Stored:
        """Store a picture for good, unless it is there."""

    def keep(self, picture: Picture, job_id: str) -> str:
        """Store the picture of a job until it is pruned, and give its key."""

    def read(self, key: str) -> tuple[bytes, str]:
        """Give bytes and content type. Raises NotFound, also for a key that is none."""

    def presign(self, key: str, seconds: int) -> str | None:
        """Give a URL that works for so long; None where this service has to hand the picture out itself."""

    def prune(self, seconds: int) -> int:
        """Remove pictures of jobs that are older, and give their number."""

    def require_writable(self) -> None:
        """Prove that pictures can be stored."""


def key_for_good(picture: Picture) -> tuple[str, str]:
    """Give the key of a picture that stays, and the hash in it."""
    digest = hashlib.sha256(picture.body).hexdigest()
    return f"thumbs/{digest}.{_ENDINGS[picture.content_type]}", digest


def key_of_job(picture: Picture, job_id: str) -> str:
    return f"jobs/{job_id}.{_ENDINGS[picture.content_type]}"


def is_key(name: str) -> bool:
    return _KEY.fullmatch(name) is not None


def content_type_of(key: str) -> str:
    """Tell the content type by a key. Raises NotFound for one that is not ours."""
    match = _KEY.fullmatch(key)
    if match is None:
        raise absent()
    return _TYPES[match[2]]


def absent() -> NotFound:
    return NotFound("there is no such picture")


def unavailable(err: Exception, variable: str, code: str | None = None) -> StorageUnavailable:
    """Log what is wrong with the storage that `variable` names, and give the error that says so to callers."""
    _log.error("storage_unavailable", setting=variable, error=type(err).__name__, code=code)
    return StorageUnavailable("the storage of pictures cannot be used at the moment; try again later")
