"""Purges that a cache in front has not confirmed. A list in the state's Redis, which the worker works off."""

import json
import time
from collections.abc import Callable
from typing import Any, cast

import structlog

from coordination import StateRedis
from purge.order import PurgeOrder

MOST_PENDING = 1000
GIVE_UP_SECONDS = 86400
_log = structlog.get_logger()


class PendingPurges:
    def __init__(self, state: StateRedis) -> None:
        self._client = state.client
        self._breaker = state.breaker
        self._key = state.keys.purges_pending()

    def add(self, cache: str, order: PurgeOrder) -> None:
        record = {"cache": cache, "tags": order.tags, "before": order.before, "since": time.time()}

        def write() -> None:
            with self._client.pipeline() as both:
                both.rpush(self._key, json.dumps(record))
                both.ltrim(self._key, -MOST_PENDING, -1)
                both.expire(self._key, GIVE_UP_SECONDS)
                both.execute()

        self._breaker.call("purges_unreachable", write)

    def work_off(self, tell: Callable[[str, PurgeOrder], bool]) -> int:
        """Call `tell` for each, with the cache's name, and keep those for which it is false. Return their count.

        After a day, one is given up, and logged.
        """
        left = []
        for record in self._take():
            order = PurgeOrder("again", (), tuple(record["tags"]), record["before"])
            if tell(record["cache"], order):
                continue
            if time.time() - record["since"] > GIVE_UP_SECONDS:
                action = "purge that cache by hand"
                _log.error("purge_given_up", cache=record["cache"], tags=order.tags[:10], action=action)
                continue
            left.append(json.dumps(record))
        if left:
            self._breaker.call("purges_unreachable", lambda: self._client.rpush(self._key, *left))
        return len(left)

    def _take(self) -> list[dict[str, Any]]:
        """Take all out of the list. What a killed worker has taken is lost after all: pictures expire in any case."""

        def take() -> list[bytes]:
            with self._client.pipeline() as both:
                both.lrange(self._key, 0, -1)
                both.delete(self._key)
                return cast("list[bytes]", both.execute()[0])

        found, _ = self._breaker.call("purges_unreachable", take)
        return [json.loads(text) for text in found or ()]
