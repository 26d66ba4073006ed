"""Permanent pictures: S3 through boto3, or a local folder. A key is the hash of the bytes: written once, never over."""

import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
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

CACHE_FOREVER = "public, max-age=31536000, immutable"
_EXTENSIONS = {
    "image/png": "png",
    "image/webp": "webp",
    "image/jpeg": "jpg",
    "image/avif": "avif",
    "application/pdf": "pdf",
}
_TYPES = {extension: content_type for content_type, extension in _EXTENSIONS.items()}
_KEY = re.compile(r"thumbs/[0-9a-f]{64}\.(png|webp|jpg|avif|pdf)")
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a picture lies. `url` is absolute in S3 and a path of this service in a local folder."""

    key: str
    url: str
    sha256: str
    created: bool


class PictureStorage(Protocol):
    """Puts a picture once and knows its permanent URL. Raises StorageUnavailable."""

    def put(self, picture: Picture) -> Stored: ...

    def check(self) -> None: ...


def _name(picture: Picture) -> tuple[str, str]:
    digest = hashlib.sha256(picture.body).hexdigest()
    return f"thumbs/{digest}.{_EXTENSIONS[picture.content_type]}", digest


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

    def read(self, key: str) -> tuple[bytes, str]:
        """Give bytes and content type of `key`. Raises NotFound for anything that `put` did not name."""
        match = _KEY.fullmatch(key)
        path = self._folder / key
        if match is None or path.is_symlink() or not path.is_file():
            raise NotFound("there is no such picture")
        return path.read_bytes(), _TYPES[match[1]]

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
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".") as draft:
            draft.write(body)
            draft.flush()
            os.fchmod(draft.fileno(), 0o644)
            os.fsync(draft.fileno())
            return _link_once(Path(draft.name), path)


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
        self._client = _client(region, endpoint_url, path_style=endpoint_url is not None)
        # The SDK knows every partition's host names. A bucket with a dot would break the certificate's wildcard.
        path_style = endpoint_url is not None or "." in bucket
        self._namer = _client(region, endpoint_url, path_style=path_style, signature_version=UNSIGNED)

    def put(self, picture: Picture) -> Stored:
        """Upload the picture unless it is there. Raises StorageUnavailable."""
        key, digest = _name(picture)
        try:
            created = not self._exists(key) and self._upload(key, picture)
        except (BotoCoreError, ClientError) as err:
            raise _unavailable(err, "S3_BUCKET") from err
        return Stored(key, self.url(key), digest, created)

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
            if _status(err) in (403, 404):  # without the right to list, an absent key looks like a forbidden one
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
    return StorageUnavailable("the picture could not be stored; try again later")
