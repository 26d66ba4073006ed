"""The cache: pictures, when their pages were captured, and failures. In Redis, behind a small tier in memory.

One value holds header and picture together. The header holds the canonical options, which are compared on reading: a
value under the wrong key is a miss. While Redis cannot be reached, every look-up is a miss, and none is an error.
"""

import json
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Self, TypeVar, cast

import orjson
from cachetools import TTLCache

import errors
from coordination import CacheRedis
from errors import ThumbnailError
from model import Key, Picture, ThumbnailRequest
from options import Notes

T = TypeVar("T")

TRUST_SECONDS = 3.0  # how long an entry in memory is used without asking Redis
_OVERHEAD = 1024  # bytes of an entry in memory besides its picture
_SUSPECT, _ERROR = b"suspect ", b"error "

# Stores an original and its time, and deletes earlier failures, in one call.
_PUT_ORIGINAL = """
redis.call('set', KEYS[1], ARGV[1], 'ex', ARGV[2])
redis.call('set', KEYS[2], ARGV[3], 'ex', ARGV[4])
if ARGV[5] == '1' then redis.call('del', KEYS[3]) end
"""


@dataclass(frozen=True, slots=True)
class OriginalInfo:
    """When a page was last captured. The original itself may have expired."""

    captured_at: datetime
    suspect: bool = False
    shows_error: bool = False

    @classmethod
    def of(cls, picture: Picture) -> Self:
        return cls(picture.captured_at, picture.suspect, picture.notes.shows_error)

    @property
    def good(self) -> bool:
        """Whether no blank picture, and none of an error page, may replace it."""
        return not self.suspect and not self.shows_error


@dataclass(frozen=True, slots=True)
class RememberedFailure:
    """The error of a capture, with the seconds left as its `retry_after`, and when it happened (Unix seconds)."""

    error: ThumbnailError
    at: float


@dataclass(frozen=True, slots=True)
class Known:
    """The state of a request in the cache. Not `complete` if it is from memory, which knows the rendition alone."""

    rendition: Picture | None = None
    original: OriginalInfo | None = None
    failure: RememberedFailure | None = None
    reachable: bool = True
    complete: bool = True
    original_gone: bool = False  # it was looked for and not found

    @property
    def outdated(self) -> bool:
        """Whether the page was captured again after the rendition was made."""
        latest, made = self.original, self.rendition
        return bool(latest and made and not latest.suspect and latest.captured_at > made.captured_at)

    def with_original(self, original: Picture | None) -> "Known":
        """Add what a look-up of the original found: Redis may have evicted it, or the note of when it was captured."""
        if original is None:
            return replace(self, original_gone=True)
        return replace(self, original=self.original or OriginalInfo.of(original))


class PictureCache:
    """Pictures and failures by key. Freshness is judged elsewhere."""

    def __init__(self, shared: CacheRedis, memory_bytes: int = 0, trust_seconds: float = TRUST_SECONDS) -> None:
        """`memory_bytes` bounds the tier in memory; with 0 there is none."""
        self._client = shared.client
        self._breaker = shared.breaker
        self._keys = shared.keys
        self._put_original: Any = shared.client.register_script(_PUT_ORIGINAL)
        self._memory: TTLCache[str, tuple[str, Picture]] = TTLCache(
            memory_bytes, trust_seconds, getsizeof=lambda entry: len(entry[1].body) + _OVERHEAD
        )
        self._failures: TTLCache[str, str] = TTLCache(4096, trust_seconds)
        self._backing_off: TTLCache[tuple[str, str], bool] = TTLCache(4096, trust_seconds)
        self._lock = threading.Lock()

    def look_up(self, request: ThumbnailRequest, *, reload: bool = False) -> Known:
        """Look `request` up: in memory unless `reload`, else by one call to Redis."""
        remembered = None if reload else self._recall(request.rendition_key)
        if remembered is not None:
            return Known(remembered, complete=False)
        names = [self._keys.picture(request.rendition_key.digest), *self._page_keys(request)]
        values, reachable = self._call(lambda: cast("list[bytes | None]", self._client.mget(names)))
        body, *state = values or (None,)
        rendition = _unpack(body, request.rendition_key) if body else None
        known = Known(rendition, *self._read_page(request, state), reachable)
        if rendition is not None and not known.outdated:
            self._remember(request.rendition_key, rendition)
        return known

    def page(self, request: ThumbnailRequest) -> tuple[OriginalInfo | None, RememberedFailure | None]:
        """Read when the page was last captured, and its failure."""
        values, _ = self._call(lambda: cast("list[bytes | None]", self._client.mget(self._page_keys(request))))
        return self._read_page(request, values or ())

    def original(self, request: ThumbnailRequest, *, reload: bool = False) -> Picture | None:
        """Return the original of `request`, which may be stale."""
        remembered = None if reload else self._recall(request.capture_key)
        if remembered is not None:
            return remembered
        value, _ = self._call(lambda: self._client.get(self._keys.picture(request.capture_key.digest)))
        return self._read_original(request.capture_key, value)

    def original_or_failure(self, request: ThumbnailRequest) -> tuple[Picture | None, RememberedFailure | None]:
        """Return the page's original or failure, which another process may have just stored."""
        digest = request.capture_key.digest
        names = [self._keys.picture(digest), self._keys.failure(digest)]
        values, _ = self._call(lambda: cast("list[bytes | None]", self._client.mget(names)))
        body, failure = values or (None, None)
        return self._read_original(request.capture_key, body), self._read_failure(request.capture_key, failure)

    def rendition(self, request: ThumbnailRequest) -> Picture | None:
        """Return the rendition of `request`, which may be stale."""
        return self.look_up(request).rendition

    def info(self, request: ThumbnailRequest) -> OriginalInfo | None:
        """Read when the page was last captured."""
        value, _ = self._call(lambda: self._client.get(self._keys.original(request.capture_key.digest)))
        return _unpack_info(value) if isinstance(value, bytes) else None

    def knows(self, request: ThumbnailRequest) -> bool:
        """Return whether the page has a picture or a failure. True while Redis is unreachable."""
        pair = request.rendition_key, request.capture_key
        with self._lock:
            failed = request.capture_key.digest in self._failures
        if failed or any(map(self._recall, pair)):
            return True
        names = [*(self._keys.picture(key.digest) for key in pair), self._keys.failure(request.capture_key.digest)]
        found, reachable = self._call(lambda: self._client.exists(*names))
        return bool(found) or not reachable

    def trust(self, request: ThumbnailRequest, rendition: Picture) -> None:
        """Answer with `rendition` from memory for some seconds, although its page was captured again."""
        self._remember(request.rendition_key, rendition)

    def put_rendition(self, request: ThumbnailRequest, picture: Picture, keep: int) -> None:
        """Keep `picture` for `keep` seconds, if Redis can be reached."""
        key = request.rendition_key
        self._remember(key, picture)
        self._call(lambda: self._client.set(self._keys.picture(key.digest), _pack(picture, key), ex=max(keep, 1)))

    def put_original(self, request: ThumbnailRequest, picture: Picture, keep: int, keep_info: int) -> None:
        """Keep `picture` for `keep` seconds and its time for `keep_info`. A good picture ends earlier failures."""
        key, good = request.capture_key, not picture.suspect
        self._remember(key, picture)
        if good:
            with self._lock:
                self._failures.pop(key.digest, None)
        info = _pack_info(picture)
        names = [self._keys.picture(key.digest), *self._page_keys(request)]
        values = [_pack(picture, key), max(keep, 1), info, max(keep_info, 1), int(good)]
        self._call(lambda: self._put_original(keys=names, args=values))

    def put_failure(self, request: ThumbnailRequest, err: ThumbnailError, seconds: int) -> None:
        """Keep a failure of the page for `seconds`; in this process alone, and briefly, while Redis cannot be reached."""
        key = request.capture_key
        text = json.dumps(errors.to_record(err) | {"at": time.time(), "until": time.time() + seconds})
        with self._lock:
            self._failures[key.digest] = text
        self._call(lambda: self._client.set(self._keys.failure(key.digest), text, ex=seconds))

    def forget_failure(self, request: ThumbnailRequest, before: float = math.inf) -> None:
        """Forget a failure of the page, unless it happened after `before` (Unix seconds)."""
        key = request.capture_key
        value, _ = self._call(lambda: self._client.get(self._keys.failure(key.digest)))
        failure = self._read_failure(key, value)
        if failure is None or failure.at > before:
            return
        with self._lock:
            self._failures.pop(key.digest, None)
        self._call(lambda: self._client.delete(self._keys.failure(key.digest)))

    def back_off(self, request: ThumbnailRequest, client: str = "") -> None:
        """Start no background capture of the page for some seconds, in this process: for `client`, or for all clients."""
        with self._lock:
            self._backing_off[request.capture_key.digest, client] = True

    def is_backing_off(self, request: ThumbnailRequest, client: str) -> bool:
        digest = request.capture_key.digest
        with self._lock:
            return (digest, "") in self._backing_off or (digest, client) in self._backing_off

    def _page_keys(self, request: ThumbnailRequest) -> list[str]:
        digest = request.capture_key.digest
        return [self._keys.original(digest), self._keys.failure(digest)]

    def _read_page(
        self, request: ThumbnailRequest, values: Sequence[bytes | None]
    ) -> tuple[OriginalInfo | None, RememberedFailure | None]:
        """Decode the values of `_page_keys`; none if Redis was unreachable."""
        info, failure = values or (None, None)
        known = _unpack_info(info) if info else None
        if known is None and (original := self._recall(request.capture_key)):
            known = OriginalInfo.of(original)
        return known, self._read_failure(request.capture_key, failure)

    def _read_original(self, key: Key, value: object) -> Picture | None:
        picture = _unpack(value, key) if isinstance(value, bytes) else None
        if picture is not None:
            self._remember(key, picture)
        return picture

    def _read_failure(self, key: Key, value: object) -> RememberedFailure | None:
        with self._lock:
            text = value.decode() if isinstance(value, bytes) else self._failures.get(key.digest)
        return _unpack_failure(text) if text else None

    def _recall(self, key: Key) -> Picture | None:
        with self._lock:
            try:
                canonical, picture = self._memory[key.digest]
            except KeyError:
                return None
        return picture if canonical == key.canonical else None

    def _remember(self, key: Key, picture: Picture) -> None:
        if len(picture.body) + _OVERHEAD <= self._memory.maxsize:
            with self._lock:
                self._memory[key.digest] = (key.canonical, picture)

    def _call(self, command: Callable[[], T]) -> tuple[T | None, bool]:
        return self._breaker.call("cache_unreachable", command)


def _pack(picture: Picture, key: Key) -> bytes:
    header = {
        "key": key.canonical,
        "type": picture.content_type,
        "width": picture.width,
        "height": picture.height,
        "captured_at": picture.captured_at.timestamp(),
        "bytes": len(picture.body),
        "etag": picture.etag,
        "suspect": picture.suspect,
        "notes": str(picture.notes),
    }
    return json.dumps(header).encode() + b"\n" + picture.body


def _unpack(value: bytes, key: Key) -> Picture | None:
    head, _, body = value.partition(b"\n")
    try:
        header = orjson.loads(head)
        if header["key"] != key.canonical or header["bytes"] != len(body):
            return None
        return Picture(
            body,
            header["type"],
            header["width"],
            header["height"],
            datetime.fromtimestamp(header["captured_at"], UTC),
            header["etag"],
            suspect=header["suspect"],
            notes=Notes.read(header.get("notes", "")),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _pack_info(picture: Picture) -> bytes:
    mark = _SUSPECT if picture.suspect else _ERROR if picture.notes.shows_error else b""
    return mark + repr(picture.captured_at.timestamp()).encode()


def _unpack_info(value: bytes) -> OriginalInfo | None:
    try:
        captured_at = datetime.fromtimestamp(float(value.removeprefix(_SUSPECT).removeprefix(_ERROR)), UTC)
    except (ValueError, OverflowError):
        return None
    return OriginalInfo(captured_at, value.startswith(_SUSPECT), value.startswith(_ERROR))


def _unpack_failure(text: str) -> RememberedFailure | None:
    try:
        record = json.loads(text)
        left = record["until"] - time.time()
        err = errors.from_record(record, retry_after=max(int(left), 1)) if left > 0 else None
        return RememberedFailure(err, record["at"]) if err else None
    except (ValueError, KeyError, TypeError):
        return None
