"""Originals in Redis, for installations whose machines share neither a folder nor a bucket."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from coordination import CacheRedis
from storage import KeptBeginning

T = TypeVar("T")


class RedisOriginals:
    """Originals in Redis, beside their renditions."""

    takes_pixels = False
    place = "redis"

    def __init__(self, shared: CacheRedis) -> None:
        self._client = shared.client
        self._breaker = shared.breaker
        self._keys = shared.keys

    def get(self, name: str) -> bytes | None:
        value, _ = self._call(lambda: self._client.get(self._keys.picture(name)))
        return value if isinstance(value, bytes) else None

    def peek(self, name: str, head: int) -> KeptBeginning | None:
        def read() -> list[Any]:
            with self._client.pipeline(transaction=False) as pipe:
                pipe.getrange(self._keys.picture(name), 0, head - 1)
                pipe.ttl(self._keys.picture(name))
                return pipe.execute()

        beginning, left = self._call(read)[0] or (b"", 0)
        return KeptBeginning(beginning, time.time() + left) if beginning else None

    def put(self, name: str, value: bytes, seconds: int) -> bool:
        return self._call(lambda: self._client.set(self._keys.picture(name), value, ex=seconds))[1]

    def discard(self, name: str) -> None:
        self._call(lambda: self._client.delete(self._keys.picture(name)))

    def discard_where(self, _is_gone: Callable[[bytes], bool], _head: int) -> int:
        return 0  # whoever removes the other pictures of Redis removes these

    def works(self) -> bool:
        return True  # `/ready` proves a write to Redis

    def _call(self, command: Callable[[], T]) -> tuple[T | None, bool]:
        return self._breaker.call("cache_unreachable", command)
