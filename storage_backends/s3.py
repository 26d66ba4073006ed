"""Pictures and originals in a bucket of AWS, R2, MinIO or another server that speaks S3, by boto3."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
import structlog
from botocore import UNSIGNED
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from errors import StorageUnavailable
from model import Picture
from storage import (
    CACHE_FOREVER,
    KeptBeginning,
    Stored,
    content_type_of,
    is_key,
    job_key,
    no_such_picture,
    permanent_key,
    require_key_of_site,
    site_key,
    storage_unavailable,
)
from storage_backends.conditional import TAKEN, ConditionalPuts, Mode
from storage_backends.paced_check import PacedCheck
from storage_backends.s3_errors import code_of, hint_for
from storage_backends.s3_errors import status_of as _status
from storage_backends.sealing import BrokenSeal, seal, unseal
from telemetry import metrics, traces

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

T = TypeVar("T")

PRUNERS = 8  # calls at a time: at 20 ms each, they remove some 30,000 pictures within a task's time limit
CACHE_A_DAY = "private, max-age=86400"
HEALTH = "health/ready"  # what `/ready` writes and reads, and the probe for conditional PUTs
ORIGINALS = "originals/"
PAUSE_SECONDS = 10.0  # after an error, originals leave the bucket alone: a capture must not wait for it
_MISSING = (403, 404)  # without the right to list the bucket, S3 answers 403 for a missing key
_log = structlog.get_logger()


class S3Storage:
    """Objects in a bucket, which serves them itself."""

    def __init__(
        self,
        bucket: str,
        *,
        region: str | None,
        endpoint_url: str | None,
        public_url: str | None,
        conditional: Mode = "auto",
    ) -> None:
        self._bucket = bucket
        self._public_url = public_url
        # As part of the host name, a bucket with a dot would not match the wildcard of the certificate.
        path_style = endpoint_url is not None or "." in bucket
        session = boto3.session.Session(region_name=region)  # one for both clients: it reads a megabyte of descriptions
        # The SDK still presigns some URLs with an older signature, which R2 and newer regions refuse.
        self._client = _client(session, endpoint_url, path_style=path_style, signature_version="s3v4")
        _keep_from_asking_for_the_region(self._client)
        # For names alone: the SDK knows the host names of every AWS partition.
        self._namer = _client(session, endpoint_url, path_style=path_style, signature_version=UNSIGNED)
        self._conditional = ConditionalPuts(conditional, self._put_health)
        self._check = PacedCheck(self._write_and_read)

    def put(self, picture: Picture) -> Stored:
        """Upload the picture unless it is stored already. Raises StorageUnavailable."""
        key, digest = permanent_key(picture)
        return self._put_once(key, digest, picture, CACHE_FOREVER)

    def put_for_job(self, picture: Picture, job_id: str) -> str:
        """Upload the picture of a job, and replace that of an earlier attempt. Raises StorageUnavailable."""
        key = job_key(picture, job_id)
        with traces.span("storage.put", "client"), _translated():
            self._put_object(key, picture, CacheControl=CACHE_A_DAY)
        return key

    def put_for_site(self, picture: Picture, site_id: int) -> Stored:
        """Upload the picture of a site unless it is stored already. Raises StorageUnavailable."""
        key, digest = site_key(picture, site_id)
        return self._put_once(key, digest, picture, CACHE_A_DAY)

    def remove(self, key: str) -> None:
        """Remove the picture of a site. S3 answers the same if there is none."""
        require_key_of_site(key)
        with _translated():
            self._remove(key)

    def _put_once(self, key: str, digest: str, picture: Picture, cache_control: str) -> Stored:
        with traces.span("storage.put", "client"), _translated():
            created = not self._exists(key) and self._upload(key, picture, cache_control)
        return Stored(key, self.url(key), digest, created)

    def read(self, key: str) -> tuple[bytes, str]:
        """Download `key`. Raises NotFound for an unknown or malformed key, or StorageUnavailable."""
        content_type = content_type_of(key)
        try:
            with traces.span("storage.read", "client"):
                return self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read(), content_type
        except (BotoCoreError, ClientError) as err:
            if isinstance(err, ClientError) and _status(err) in _MISSING:
                raise no_such_picture() from err
            raise _unavailable(err) from err

    def keys(self) -> Iterator[str]:
        """Yield the keys of all pictures but those of jobs. Raises StorageUnavailable."""
        for prefix in ("thumbs/", "sites/"):
            with _translated():
                for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix):
                    yield from (each["Key"] for each in page.get("Contents", []) if is_key(each["Key"]))

    def presign(self, key: str, seconds: int) -> str:
        """Sign a URL for `seconds`. It expires earlier if the credentials that sign it do."""
        parameters = {"Bucket": self._bucket, "Key": key}
        return self._client.generate_presigned_url("get_object", Params=parameters, ExpiresIn=seconds)

    def prune(self, seconds: int) -> int:
        """Remove pictures of jobs older than `seconds`, one per call: not every server can remove many by one call."""
        limit, count = datetime.now(UTC) - timedelta(seconds=seconds), 0
        with _translated(), ThreadPoolExecutor(PRUNERS) as pool:
            for keys in self._older(limit):
                count += len(list(pool.map(self._remove, keys)))
        return count

    def _older(self, limit: datetime) -> Iterator[list[str]]:
        """List the keys of jobs' pictures that are older than `limit`, one page at a time."""
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix="jobs/"):
            found = page.get("Contents", [])
            yield [each["Key"] for each in found if each["LastModified"] < limit and is_key(each["Key"])]

    def _remove(self, key: str) -> None:
        self._client.delete_object(Bucket=self._bucket, Key=key)

    def url(self, key: str) -> str:
        """Return the permanent URL of `key`: below S3_PUBLIC_URL if it is set, else below the bucket's own URL."""
        if self._public_url:
            return f"{self._public_url}/{key}"
        return self._namer.generate_presigned_url("get_object", Params={"Bucket": self._bucket, "Key": key})

    def require_writable(self) -> None:
        """Raise StorageUnavailable unless an object could be written and read within the last minute."""
        try:
            self._check.require()
        except TimeoutError as err:
            raise _unavailable(err) from err

    def _write_and_read(self) -> None:
        with _translated():
            self._put_health()
            self._client.get_object(Bucket=self._bucket, Key=HEALTH)["Body"].read()

    def _put_health(self, **more: Any) -> None:
        self._client.put_object(Bucket=self._bucket, Key=HEALTH, Body=b"ok", ContentType="text/plain", **more)

    def _exists(self, key: str) -> bool:
        try:
            self._client.head_object(Bucket=self._bucket, Key=key)
        except ClientError as err:
            if _status(err) in _MISSING:
                return False
            raise
        return True

    def _put_object(self, key: str, picture: Picture, **more: Any) -> None:
        self._client.put_object(
            Bucket=self._bucket, Key=key, Body=picture.body, ContentType=picture.content_type, **more
        )

    def _upload(self, key: str, picture: Picture, cache_control: str) -> bool:
        """Upload a picture whose key had none a moment ago. False if another process was faster.

        Without the condition, two processes may both upload it. They write the same bytes, so nothing is lost.
        """
        put = partial(self._put_object, key, picture, CacheControl=cache_control)
        if not self._conditional.wanted():
            put()
            return True
        try:
            put(IfNoneMatch="*")
        except ClientError as err:
            if _status(err) in TAKEN:
                return False
            if not self._conditional.may_be_lacking(err):
                raise
            put()
            self._conditional.note_lacking(err)
        return True


class S3Originals:
    """Originals in a bucket, which all machines share. A lifecycle rule removes them."""

    takes_pixels = False  # pixels would double what every reading fetches

    def __init__(self, bucket: str, *, region: str | None, endpoint_url: str | None) -> None:
        self._bucket = bucket
        self.place = f"s3:{bucket}"
        session = boto3.session.Session(region_name=region)
        path_style = endpoint_url is not None or "." in bucket
        brief: dict[str, Any] = {"connect_timeout": 1, "read_timeout": 3, "retries": {"total_max_attempts": 1}}
        self._client = _client(session, endpoint_url, path_style=path_style, signature_version="s3v4", **brief)
        _keep_from_asking_for_the_region(self._client)
        self._paused_until = 0.0
        self._check = PacedCheck(self._write_and_read)

    def get(self, name: str) -> memoryview | None:
        with traces.span("originals.get", "client"):
            sealed = self._call(lambda: self._download(name))
        try:
            value = unseal(sealed) if sealed else None
        except BrokenSeal as err:
            _log.warning("original_damaged", name=name, reason=str(err), effect="it is removed")
            value = None
        if sealed and value is None:
            self.discard(name)
        return value

    def peek(self, name: str, head: int) -> KeptBeginning | None:
        beginning = self._call(lambda: self._beginning(ORIGINALS + name, head))
        return KeptBeginning(beginning, None) if beginning else None

    def put(self, name: str, value: bytes, seconds: int) -> bool:
        sealed = seal(value, time.time() + seconds)
        put = partial(self._client.put_object, Bucket=self._bucket, Key=ORIGINALS + name, Body=sealed)
        with traces.span("originals.put", "client"):
            return self._call(put) is not None

    def discard(self, name: str) -> None:
        self._call(lambda: self._client.delete_object(Bucket=self._bucket, Key=ORIGINALS + name))

    def discard_where(self, is_gone: Callable[[bytes], bool], head: int) -> int:
        gone = 0
        try:
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=ORIGINALS):
                for key in [entry["Key"] for entry in page.get("Contents", ())]:
                    if self._is_gone(key, is_gone, head):
                        self._client.delete_object(Bucket=self._bucket, Key=key)
                        gone += 1
        except (BotoCoreError, ClientError) as err:
            raise OSError(code_of(err) or type(err).__name__) from err
        return gone

    def _is_gone(self, key: str, is_gone: Callable[[bytes], bool], head: int) -> bool:
        try:
            try:
                return is_gone(self._read_object(key, f"bytes=0-{head - 1}"))
            except ValueError:
                return is_gone(self._read_object(key, "bytes=0-"))
        except ClientError as err:
            if _status(err) in _MISSING:  # removed by its lifecycle rule meanwhile
                return False
            raise

    def _beginning(self, key: str, head: int) -> bytes:
        """Read the first bytes of an object, b"" if there is none."""
        try:
            return self._read_object(key, f"bytes=0-{head - 1}")
        except ClientError as err:
            if _status(err) in _MISSING:
                return b""
            raise

    def _read_object(self, key: str, bytes_: str) -> bytes:
        return self._client.get_object(Bucket=self._bucket, Key=key, Range=bytes_)["Body"].read()

    def works(self) -> bool:
        """Return whether an object could be written and read within the last minute."""
        try:
            self._check.require()
        except (OSError, TimeoutError):
            return False
        return True

    def _write_and_read(self) -> None:
        put = partial(self._client.put_object, Bucket=self._bucket, Key=ORIGINALS + "health", Body=b"ok")
        if self._call(put) is None or not self._call(lambda: self._download("health")):
            raise OSError("the bucket does not keep originals")

    def _download(self, name: str) -> bytes:
        """Return the object, or b"" if there is none."""
        try:
            return self._client.get_object(Bucket=self._bucket, Key=ORIGINALS + name)["Body"].read()
        except ClientError as err:
            if _status(err) in _MISSING:
                return b""
            raise

    def _call(self, command: Callable[[], T]) -> T | None:
        """Return the bucket's answer; None after an error, and for some seconds after it."""
        if time.monotonic() < self._paused_until:
            return None
        try:
            return command()
        except (BotoCoreError, ClientError, OSError) as err:
            self._paused_until = time.monotonic() + PAUSE_SECONDS
            metrics.STORAGE_ERRORS.add("originals")
            _log.error(
                "originals_unavailable",
                setting="S3_BUCKET",
                reason=code_of(err) or type(err).__name__,
                action=hint_for(err),
                pause_seconds=PAUSE_SECONDS,
                effect="pages are captured again for each new size",
            )
            return None


def _client(session: boto3.session.Session, endpoint_url: str | None, *, path_style: bool, **more: Any) -> "S3Client":
    limits: dict[str, Any] = {
        "connect_timeout": 2,
        "read_timeout": 8,
        "retries": {"mode": "standard", "max_attempts": 2},
    }
    config = Config(
        # Other servers than AWS reject the newer checksums, and often a bucket as part of the host name.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path" if path_style else "virtual"},
        **limits | more,
    )
    return session.client("s3", endpoint_url=endpoint_url, config=config)


def _keep_from_asking_for_the_region(client: "S3Client") -> None:
    """Answer the HEAD of the bucket that the SDK sends after a redirect, since its answer may be a redirect again.

    The SDK would then send it once more, and so on until Python's recursion ends. A server that knows the region of the
    bucket names it in the first answer.
    """
    headers: Any = {}
    unknown = AWSResponse("", 200, headers, None), {"ResponseMetadata": {"HTTPHeaders": headers}}
    answer: Any = lambda **_: unknown  # noqa: E731 - the stubs know only handlers that return nothing
    client.meta.events.register("before-call.s3.HeadBucket", answer)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as err:
        raise _unavailable(err) from err


def _unavailable(err: Exception) -> StorageUnavailable:
    return storage_unavailable(err, "S3_BUCKET", code_of(err), hint_for(err))
