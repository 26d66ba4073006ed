"""Purges that a cache in front has not confirmed. A list in the state's Redis, which the worker works off."""

import json
import time
from collections.abc import Callable, Collection, Mapping
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

        self._push([json.dumps(record)])

    def work_off(self, tell: Callable[[str, Mapping[str, float]], Collection[str]]) -> int:
        """Call `tell` once for each cache, with its name and the moment of each tag, and keep the tags that it returns.

        Return the count of purges of which some are left. After a day, one is given up, and logged.
        """
        by_cache: dict[str, list[dict[str, Any]]] = {}
        for record in self._take():
            by_cache.setdefault(record["cache"], []).append(record)
        count = 0
        while by_cache:
            cache, records = next(iter(by_cache.items()))
            try:
                left = set(tell(cache, _moments(records)))
            except BaseException:  # the worker ends, or its time is over: nothing is forgotten
                self._push([json.dumps(record) for some in by_cache.values() for record in some])
                raise
            del by_cache[cache]
            remaining = [record | {"tags": some} for record in records if (some := _among(record["tags"], left))]
            waiting = [record for record in remaining if not _is_given_up(record)]
            self._push([json.dumps(record) for record in waiting])
            count += len(waiting)
        return count

    def _push(self, records: list[str]) -> None:
        def write() -> None:
            with self._client.pipeline() as both:
                both.rpush(self._key, *records)
                both.ltrim(self._key, -MOST_PENDING, -1)
                both.expire(self._key, GIVE_UP_SECONDS)
                both.execute()

        if records:
            self._breaker.call("purges_unreachable", write)

    def _take(self) -> list[dict[str, Any]]:
        """Take all out of the list. What a killed worker has taken is lost after all: pictures expire in any case."""

        def take() -> list[bytes]:
            with self._client.pipeline() as both:
                both.lrange(self._key, 0, -1)
                both.delete(self._key)
                return cast("list[bytes]", both.execute()[0])

        found, _ = self._breaker.call("purges_unreachable", take)
        return [json.loads(text) for text in found or ()]


def _moments(records: list[dict[str, Any]]) -> dict[str, float]:
    moments: dict[str, float] = {}
    for record in records:
        for tag in record["tags"]:
            moments[tag] = max(moments.get(tag, 0.0), record["before"])
    return moments


def _among(tags: list[str], wanted: Collection[str]) -> list[str]:
    return [tag for tag in tags if tag in wanted]


def _is_given_up(record: dict[str, Any]) -> bool:
    if time.time() - record["since"] <= GIVE_UP_SECONDS:
        return False
    action = "purge that cache by hand"
    _log.error("purge_given_up", cache=record["cache"], tags=record["tags"][:10], action=action)
    return True
