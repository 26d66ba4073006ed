"""PictureCache: pictures by key in Redis. An outage is a miss that says so, never an error.

One value a key holds header and bytes together, and the header holds the canonical options, compared on reading:
a value planted or misplaced under another key is a miss.
"""

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import redis
import structlog

from model import Key, Picture

_PREFIX = "thumb:picture:"
_PAUSE_SECONDS = 2.0  # after a fault, ask no more for this long: a black-holed Redis must not slow every request
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Found:
    """What the cache said: a picture or none, and whether it could be reached at all."""

    picture: Picture | None
    reachable: bool = True


_UNREACHABLE = Found(None, reachable=False)


class PictureCache:
    def __init__(self, client: "redis.Redis") -> None:
        self._client = client
        self._paused_until = 0.0

    def get(self, key: Key) -> Found:
        """Look `key` up; freshness is the caller's to judge."""
        if time.monotonic() < self._paused_until:
            return _UNREACHABLE
        try:
            value = self._client.get(_PREFIX + key.digest)
        except redis.RedisError as err:
            return self._pause(err)
        return Found(_unpack(value, key) if isinstance(value, bytes) else None)

    def put(self, key: Key, picture: Picture, keep: int) -> None:
        """Keep `picture` for `keep` seconds, if the cache can be reached."""
        if time.monotonic() < self._paused_until:
            return
        try:
            self._client.set(_PREFIX + key.digest, _pack(picture, key), ex=max(keep, 1))
        except redis.RedisError as err:
            self._pause(err)

    def _pause(self, err: Exception) -> Found:
        self._paused_until = time.monotonic() + _PAUSE_SECONDS
        _log.warning("cache_unreachable", error=type(err).__name__, pause_seconds=_PAUSE_SECONDS)
        return _UNREACHABLE


def _pack(picture: Picture, key: Key) -> bytes:
    header = {
        "key": key.canonical,
        "type": picture.content_type,
        "width": picture.width,
        "height": picture.height,
        "captured_at": picture.captured_at.timestamp(),
        "bytes": len(picture.body),
    }
    return json.dumps(header).encode() + b"\n" + picture.body


def _unpack(value: bytes, key: Key) -> Picture | None:
    head, _, body = value.partition(b"\n")
    try:
        header = json.loads(head)
        if header["key"] != key.canonical or header["bytes"] != len(body):
            return None
        captured_at = datetime.fromtimestamp(header["captured_at"], UTC)
        return Picture(body, header["type"], header["width"], header["height"], captured_at)
    except (ValueError, KeyError, TypeError):
        return None
