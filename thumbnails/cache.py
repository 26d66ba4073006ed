"""What is known: pictures by key, and failures, in Redis with a small in-process tier before it.

One value a key holds header and bytes together, and the header holds the canonical options, compared on reading:
a value planted or misplaced under another key is a miss. An outage is a miss that says so, never an error.
"""

import json
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar, cast

import orjson
import redis
from cachetools import TTLCache

import errors
from coordination.redis_breaker import Fuse
from errors import ThumbnailError
from model import Key, Picture

T = TypeVar("T")

TRUST_SECONDS = 3.0  # for how long the in-process tier answers without asking Redis
_PICTURE, _FAILURE, _GOOD = "thumb:picture:", "thumb:failure:", "thumb:good:"


@dataclass(frozen=True, slots=True)
class Found:
    """What the cache said: a picture or none, and whether it could be reached at all.

    `outdated` tells that its page was captured anew since the picture was made.
    """

    picture: Picture | None
    reachable: bool = True
    outdated: bool = False


class PictureCache:
    """Pictures and failures by key. Freshness is the caller's to judge."""

    def __init__(self, client: "redis.Redis", fuse: Fuse, memory_bytes: int = 0) -> None:
        """`memory_bytes` bounds the in-process tier; 0 is none."""
        self._client = client
        self._fuse = fuse
        self._memory: TTLCache[str, tuple[str, Picture]] = TTLCache(
            memory_bytes, TRUST_SECONDS, getsizeof=lambda entry: len(entry[1].body) + 1024
        )
        self._failures: TTLCache[str, str] = TTLCache(4096, TRUST_SECONDS)
        self._resting: TTLCache[tuple[str, str], bool] = TTLCache(4096, TRUST_SECONDS)
        self._lock = threading.Lock()

    def get(self, key: Key, *, master: Key | None = None, anew: bool = False) -> Found:
        """Look `key` up, in this process first, or `anew` where another process may just have changed it.

        `master` is the key of the capture that the picture is made from, if it is not one itself.
        """
        known = None if anew else self._recall(key)
        if known is not None:
            return Found(known)
        names = [_PICTURE + key.digest] + ([_GOOD + master.digest] if master else [])
        values, reachable = self._ask(lambda: cast("list[bytes | None]", self._client.mget(names)))
        picture, *captured = values or (None,)
        found = _unpack(picture, key) if isinstance(picture, bytes) else None
        if found is None:
            return Found(None, reachable)
        latest = captured[0] if captured else None
        if latest is not None and float(latest) > found.captured_at.timestamp():
            return Found(found, reachable, outdated=True)
        self._remember(key, found)
        return Found(found, reachable)

    def knows(self, *keys: Key) -> bool:
        """Tell whether there is a picture or a failure of any of `keys`; true where that cannot be told."""
        with self._lock:
            failed = any(key.digest in self._failures for key in keys)
        if failed or any(map(self._recall, keys)):
            return True
        names = [kind + key.digest for key in keys for kind in (_PICTURE, _FAILURE)]
        found, reachable = self._ask(lambda: self._client.exists(*names))
        return bool(found) or not reachable

    def trust(self, key: Key, picture: Picture) -> None:
        """Take `picture` for what is known of `key`, here and for seconds."""
        self._remember(key, picture)

    def put(self, key: Key, picture: Picture, keep: int) -> None:
        """Keep `picture` for `keep` seconds, if the cache can be reached."""
        self._remember(key, picture)
        self._ask(lambda: self._client.set(_PICTURE + key.digest, _pack(picture, key), ex=max(keep, 1)))

    def failure(self, key: Key, since: float = 0) -> ThumbnailError | None:
        """Give the failure that is remembered for `key`, with the seconds left as its `retry_after`.

        None if that was before `since` (Unix seconds).
        """
        failure = self._failure(key)
        return failure.error if failure and failure.at >= since else None

    def _failure(self, key: Key) -> "_Failure | None":
        value, _ = self._ask(lambda: self._client.get(_FAILURE + key.digest))
        with self._lock:
            text = value.decode() if isinstance(value, bytes) else self._failures.get(key.digest)
        return _unpack_failure(text) if text else None

    def fail(self, key: Key, err: ThumbnailError, seconds: int) -> None:
        """Remember for `seconds` that `key` failed; in this process alone, and briefly, while Redis is away."""
        text = json.dumps(errors.to_record(err) | {"at": time.time(), "until": time.time() + seconds})
        with self._lock:
            self._failures[key.digest] = text
        self._ask(lambda: self._client.set(_FAILURE + key.digest, text, ex=seconds))

    def forgive(self, key: Key, then: float = math.inf) -> None:
        """Forget that `key` failed, unless that was after `then` (Unix seconds)."""
        if then < math.inf and (failure := self._failure(key)) and failure.at > then:
            return
        with self._lock:
            self._failures.pop(key.digest, None)
        self._ask(lambda: self._client.delete(_FAILURE + key.digest))

    def rest(self, key: Key, client: str = "") -> None:
        """Note, for seconds and in this process alone, that it is of no use now to capture `key` anew for `client`.

        Without one, for anybody.
        """
        with self._lock:
            self._resting[key.digest, client] = True

    def rests(self, key: Key, client: str) -> bool:
        with self._lock:
            return (key.digest, "") in self._resting or (key.digest, client) in self._resting

    def recover(self, key: Key, captured_at: datetime, keep: int) -> None:
        """Note for `keep` seconds when `key` was last captured well, and forget that it ever failed."""
        self.forgive(key)
        self._ask(lambda: self._client.set(_GOOD + key.digest, captured_at.timestamp(), ex=max(keep, 1)))

    def last_good(self, key: Key) -> datetime | None:
        """Tell when `key` was last captured well; None where no such picture is shown any more."""
        value, _ = self._ask(lambda: self._client.get(_GOOD + key.digest))
        return datetime.fromtimestamp(float(value), UTC) if isinstance(value, bytes) else None

    def _recall(self, key: Key) -> Picture | None:
        with self._lock:
            try:
                canonical, picture = self._memory[key.digest]
            except KeyError:
                return None
        return picture if canonical == key.canonical else None

    def _remember(self, key: Key, picture: Picture) -> None:
        if len(picture.body) + 1024 <= self._memory.maxsize:
            with self._lock:
                self._memory[key.digest] = (key.canonical, picture)

    def _ask(self, question: Callable[[], T]) -> tuple[T | None, bool]:
        return self._fuse.ask("cache_unreachable", question)


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
        )
    except (ValueError, KeyError, TypeError):
        return None


@dataclass(frozen=True, slots=True)
class _Failure:
    error: ThumbnailError
    at: float


def _unpack_failure(text: str) -> _Failure | None:
    try:
        record = json.loads(text)
        left = record["until"] - time.time()
        err = errors.from_record(record, retry_after=max(int(left), 1)) if left > 0 else None
        return _Failure(err, record["at"]) if err else None
    except (ValueError, KeyError, TypeError):
        return None
