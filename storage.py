"""Pictures at rest: S3 through boto3, or a local folder.

For good below `thumbs/`, where a key is the hash of the bytes: written once, never over. For a day below `jobs/`, where
it is a job's id: nobody else's, so that it can be removed.
"""

import hashlib
import os
import re
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import boto3
import structlog
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from errors import NotFound, StorageUnavailable
from model import Picture

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PRUNERS = 8  # calls at a time: at 20 ms each, some 30,000 pictures in a task's time
CACHE_A_DAY = "private, max-age=86400"
CACHE_FOREVER = "public, max-age=31536000, immutable"
_EXTENSIONS = {
    "image/png": "png",
    "image/webp": "webp",
    "image/jpeg": "jpg",
    "image/avif": "avif",
    "application/pdf": "pdf",
}
_TYPES = {extension: content_type for content_type, extension in _EXTENSIONS.items()}
_KEY = re.compile(r"(thumbs/[0-9a-f]{64}|jobs/[0-9a-f]{32})\.(png|webp|jpg|avif|pdf)")
_LOOKS_ABSENT = (403, 404)  # without the right to list, an absent key looks like a forbidden one
_ABSENT = "there is no such picture"
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

    def check(self) -> None:
        """Prove that pictures can be stored."""


def _extension(picture: Picture) -> str:
    return _EXTENSIONS[picture.content_type]


def _content_type(key: str) -> str:
    """Tell the content type by a key. Raises NotFound for one that is not ours."""
    match = _KEY.fullmatch(key)
    if match is None:
        raise NotFound(_ABSENT)
    return _TYPES[match[2]]


def _job_key(picture: Picture, job_id: str) -> str:
    return f"jobs/{job_id}.{_extension(picture)}"


def _name(picture: Picture) -> tuple[str, str]:
    digest = hashlib.sha256(picture.body).hexdigest()
    return f"thumbs/{digest}.{_extension(picture)}", digest


class LocalStorage:
    """Files below one folder, served by this service under `/media/`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()

    def put(self, picture: Picture) -> Stored:
        """Write the picture unless it is there. Raises StorageUnavailable; nothing half-written is ever seen."""
        key, digest = _name(picture)
        try:
            created = self._write_once(self._folder / key, picture.body)
        except OSError as err:
            raise _unavailable(err, "PERSIST_DIR") from err
        return Stored(key, f"/media/{key}", digest, created)

    def keep(self, picture: Picture, job_id: str) -> str:
        """Write the picture of a job over any that an earlier try left. Raises StorageUnavailable."""
        key = _job_key(picture, job_id)
        try:
            with _draft(self._folder / key, picture.body) as draft:
                draft.rename(self._folder / key)
        except OSError as err:
            raise _unavailable(err, "PERSIST_DIR") from err
        return key

    def read(self, key: str) -> tuple[bytes, str]:
        """Give bytes and content type of `key`. Raises NotFound for anything that was not stored under our names."""
        content_type, path = _content_type(key), self._folder / key
        if path.is_symlink() or not path.is_file():
            raise NotFound(_ABSENT)
        return path.read_bytes(), content_type

    def presign(self, key: str, seconds: int) -> None:  # noqa: ARG002 - there is nobody else to hand it out
        return None

    def prune(self, seconds: int) -> int:
        """Remove files of jobs, drafts of killed processes too."""
        count = 0
        for path in (self._folder / "jobs").glob("*"):
            try:
                if path.stat().st_mtime < time.time() - seconds:
                    path.unlink()
                    count += 1
            except FileNotFoundError:
                continue  # another worker was faster
            except OSError as err:
                raise _unavailable(err, "PERSIST_DIR") from err
        return count

    def check(self) -> None:
        """Prove that the folder can be written. Raises StorageUnavailable."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._folder):
                pass
        except OSError as err:
            raise _unavailable(err, "PERSIST_DIR") from err

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


class S3Storage:
    """Objects in a bucket of AWS, R2, MinIO or any server that speaks S3."""

    def __init__(self, bucket: str, *, region: str | None, endpoint_url: str | None, public_url: str | None) -> None:
        self._bucket = bucket
        self._public_url = public_url
        # A bucket with a dot would break the certificate's wildcard.
        path_style = endpoint_url is not None or "." in bucket
        # R2 and newer regions know no older signature, which the SDK would still choose for some presigned URLs.
        self._client = _client(region, endpoint_url, path_style=path_style, signature_version="s3v4")
        # The SDK knows every partition's host names.
        self._namer = _client(region, endpoint_url, path_style=path_style, signature_version=UNSIGNED)

    def put(self, picture: Picture) -> Stored:
        """Upload the picture unless it is there. Raises StorageUnavailable."""
        key, digest = _name(picture)
        try:
            created = not self._exists(key) and self._upload(key, picture)
        except (BotoCoreError, ClientError) as err:
            raise _unavailable(err, "S3_BUCKET") from err
        return Stored(key, self.url(key), digest, created)

    def keep(self, picture: Picture, job_id: str) -> str:
        """Upload the picture of a job. Raises StorageUnavailable."""
        key = _job_key(picture, job_id)
        try:
            self._client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=picture.body,
                ContentType=picture.content_type,
                CacheControl=CACHE_A_DAY,
            )
        except (BotoCoreError, ClientError) as err:
            raise _unavailable(err, "S3_BUCKET") from err
        return key

    def read(self, key: str) -> tuple[bytes, str]:
        """Download `key`. Raises NotFound or StorageUnavailable."""
        content_type = _content_type(key)
        try:
            return self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read(), content_type
        except (BotoCoreError, ClientError) as err:
            if isinstance(err, ClientError) and _status(err) in _LOOKS_ABSENT:
                raise NotFound(_ABSENT) from err
            raise _unavailable(err, "S3_BUCKET") from err

    def presign(self, key: str, seconds: int) -> str:
        """Sign a URL for `seconds`; it works no longer than the credentials that sign it."""
        parameters = {"Bucket": self._bucket, "Key": key}
        return self._client.generate_presigned_url("get_object", Params=parameters, ExpiresIn=seconds)

    def prune(self, seconds: int) -> int:
        """Remove objects of jobs, one a call: not every server knows the call that removes many."""
        limit, count = datetime.now(UTC) - timedelta(seconds=seconds), 0
        try:
            with ThreadPoolExecutor(PRUNERS) as pool:
                for keys in self._older(limit):
                    count += len(list(pool.map(self._remove, keys)))
        except (BotoCoreError, ClientError) as err:
            raise _unavailable(err, "S3_BUCKET") from err
        return count

    def _older(self, limit: datetime) -> Iterator[list[str]]:
        """List the keys of jobs' pictures that are older than `limit`, a page at a time."""
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix="jobs/"):
            found = page.get("Contents", [])
            yield [each["Key"] for each in found if each["LastModified"] < limit and _KEY.fullmatch(each["Key"])]

    def _remove(self, key: str) -> None:
        self._client.delete_object(Bucket=self._bucket, Key=key)

    def url(self, key: str) -> str:
        """Give the permanent URL of `key`: below S3_PUBLIC_URL if that is set, else the bucket's own."""
        if self._public_url:
            return f"{self._public_url}/{key}"
        return self._namer.generate_presigned_url("get_object", Params={"Bucket": self._bucket, "Key": key})

    def check(self) -> None:
        """Prove that the bucket is there and may be used. Raises StorageUnavailable."""
        try:
            self._client.head_bucket(Bucket=self._bucket)
        except (BotoCoreError, ClientError) as err:
            raise _unavailable(err, "S3_BUCKET") from err

    def _exists(self, key: str) -> bool:
        try:
            self._client.head_object(Bucket=self._bucket, Key=key)
        except ClientError as err:
            if _status(err) in _LOOKS_ABSENT:
                return False
            raise
        return True

    def _upload(self, key: str, picture: Picture) -> bool:
        try:
            self._client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=picture.body,
                ContentType=picture.content_type,
                CacheControl=CACHE_FOREVER,
                IfNoneMatch="*",
            )
        except ClientError as err:
            if _status(err) in (409, 412):  # another process was faster with the same bytes
                return False
            raise
        return True


def _client(region: str | None, endpoint_url: str | None, *, path_style: bool, **more: Any) -> "S3Client":
    config = Config(
        connect_timeout=2,
        read_timeout=8,
        retries={"mode": "standard", "max_attempts": 2},
        # Servers other than AWS know neither the newer checksums nor always a bucket as part of the host name.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path" if path_style else "virtual"},
        **more,
    )
    session = boto3.session.Session(region_name=region)
    return session.client("s3", endpoint_url=endpoint_url, config=config)


def _status(err: ClientError) -> int:
    return int(err.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _unavailable(err: Exception, variable: str) -> StorageUnavailable:
    code = err.response.get("Error", {}).get("Code") if isinstance(err, ClientError) else None
    _log.error("storage_unavailable", setting=variable, error=type(err).__name__, code=code)
    return StorageUnavailable("the storage of pictures cannot be used at the moment; try again later")
