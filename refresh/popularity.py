"""Counts page views, so that `refresh` can recapture popular pages: per process, added to Redis every few seconds.

Counting happens on every hit, so it costs a dictionary entry and no call to Redis. Both sides are bounded. A killed
process or an unreachable Redis loses some views and causes no error.
"""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self, cast

import redis
import structlog

from coordination import StateRedis, count_error
from errors import QueueUnavailable
from model import ThumbnailRequest
from options import CaptureOptions, Delivery, chosen
from urls import read_capture

FLUSH_SECONDS = 5.0
MAX_LOCAL = 4096  # captures counted in a process between two flushes
MIN_KEPT = 10_000  # captures counted in Redis, at some 300 bytes each; a larger budget keeps more
_READ_BATCH = 500
_DAYS_KEPT = 60
_FLUSH_BATCH = 100  # captures per exchange with Redis; between two, other greenlets run
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
_log = structlog.get_logger()

# Several beats may run, so one script grants what is left of the day's budget. A new day resets the count.
_RESERVE = """
local found = redis.call('hmget', KEYS[1], 'day', 'spent')
local spent = found[1] == ARGV[1] and tonumber(found[2]) or 0
local granted = math.max(math.min(tonumber(ARGV[2]), tonumber(ARGV[3]) - spent), 0)
redis.call('hset', KEYS[1], 'day', ARGV[1], 'spent', spent + granted)
redis.call('expire', KEYS[1], 2 * 86400)
return granted
"""


@dataclass(frozen=True, slots=True)
class ViewedPage:
    """A capture that was viewed; `ttl` in seconds as the caller gave it, None for the setting's."""

    capture: CaptureOptions
    ttl: int | None
    captured_at: datetime

    @property
    def request(self) -> ThumbnailRequest:
        """The request for a recapture in the background."""
        return ThumbnailRequest(self.capture, delivery=Delivery(background=True))

    def pack(self) -> str:
        """Encode the page as one word without blanks. Equal pages have equal words. Defaults are left out."""
        record = {"at": self.captured_at.timestamp(), "ttl": self.ttl, "capture": chosen(self.capture)}
        return _ENCODER.encode(record).replace(" ", "\\u0020")

    @classmethod
    def unpack(cls, text: str | bytes) -> Self | None:
        """Read what `pack` wrote; None if another version wrote it."""
        try:
            record = json.loads(text)
            at = datetime.fromtimestamp(record["at"], UTC)
            page = cls(read_capture(record["capture"]), record["ttl"], at)
        except (ValueError, KeyError, TypeError, OverflowError):
            return None
        # The word is the member's name in Redis: an entry with another one could never be removed.
        return page if page.pack().encode() == (text.encode() if isinstance(text, str) else text) else None


_Key = tuple[str, int | None, datetime]
_Count = tuple[CaptureOptions, int]


class Popularity:
    """How often each capture was viewed. A newer capture of the same page starts at zero.

    All but `count_view` and `flush` raise QueueUnavailable when Redis is unreachable.
    """

    def __init__(self, state: StateRedis, budget: int) -> None:
        """`budget` is the number of refreshes a day; with 0, no view is counted."""
        self._client = state.client
        self._keys = state.keys
        self._counting = budget > 0
        self._most = max(MIN_KEPT, budget)
        self._reserve = state.client.register_script(_RESERVE)
        self._lock = threading.Lock()
        self._local: dict[_Key, _Count] = {}
        self._flusher: threading.Thread | None = None

    def count_view(self, request: ThumbnailRequest, captured_at: datetime) -> None:
        """Count a view of the capture made at `captured_at`. Called on every hit: must stay cheap."""
        if not self._counting or request.private:  # a recapture would need the caller's secrets, kept for weeks
            return
        if request.target.is_document:  # it does not change
            return
        key = (request.capture_key.digest, request.delivery.ttl, captured_at)
        with self._lock:
            capture, views = self._local.get(key, (request.capture, 0))
            if views or len(self._local) < MAX_LOCAL:
                self._local[key] = (capture, views + 1)
            if self._flusher is not None:
                return
            self._flusher = threading.Thread(target=self._flush_repeatedly, name="popularity", daemon=True)
        try:
            self._flusher.start()
        except RuntimeError:  # the machine has no thread left; the next view retries
            self._flusher = None

    def flush(self) -> None:
        """Add this process's counts to those in Redis; the least viewed captures are dropped if there are too many."""
        with self._lock:
            counted, self._local = self._local, {}
        pictures = list(counted.items())
        try:
            for start in range(0, len(pictures), _FLUSH_BATCH):
                self._add(pictures[start : start + _FLUSH_BATCH])
        except redis.RedisError as err:
            count_error("state", err)
            _log.warning("popularity_lost", redis="state", error=type(err).__name__, pictures=len(counted))

    def _add(self, counted: "Sequence[tuple[_Key, _Count]]") -> None:
        pipeline, name = self._client.pipeline(transaction=False), self._keys.popularity()
        for (_, ttl, captured_at), (capture, views) in counted:
            pipeline.zincrby(name, views, ViewedPage(capture, ttl, captured_at).pack())
        pipeline.zremrangebyrank(name, 0, -self._most - 1)
        pipeline.expire(name, _DAYS_KEPT * 86400)
        pipeline.execute()

    def _flush_repeatedly(self) -> None:
        """Flush every few seconds; end when no view was counted since."""
        while True:
            time.sleep(FLUSH_SECONDS)
            with self._lock:
                if not self._local:
                    self._flusher = None
                    return
            self.flush()

    def most_viewed(self) -> Iterator[ViewedPage]:
        """Iterate over the viewed captures, the most viewed first."""
        name = self._keys.popularity()
        for start in range(0, self._most, _READ_BATCH):
            with _redis_errors_translated():
                found = cast("list[bytes]", self._client.zrevrange(name, start, start + _READ_BATCH - 1))
            yield from filter(None, map(ViewedPage.unpack, found))
            if len(found) < _READ_BATCH:
                return

    def remove(self, pages: Sequence[ViewedPage]) -> None:
        if pages:
            with _redis_errors_translated():
                self._client.zrem(self._keys.popularity(), *(page.pack() for page in pages))

    def claim(self, page: ViewedPage, seconds: int) -> bool:
        """Claim a page for a recapture; false if it was claimed within the last `seconds`."""
        with _redis_errors_translated():
            return bool(self._client.set(self._claim_key(page), b"1", nx=True, ex=max(seconds, 1)))

    def release(self, pages: Sequence[ViewedPage]) -> None:
        """Undo claims of pages that are not recaptured after all."""
        if pages:
            with _redis_errors_translated():
                self._client.delete(*map(self._claim_key, pages))

    def reserve_budget(self, wanted: int, allowed: int, now: datetime) -> int:
        """Reserve up to `wanted` captures and return the number; `allowed` of the day's budget may be spent by now."""
        with _redis_errors_translated():
            granted = self._reserve(keys=[self._keys.refresh_budget()], args=[f"{now:%Y-%m-%d}", wanted, allowed])
        return int(cast("int", granted))

    def _claim_key(self, page: ViewedPage) -> str:
        return self._keys.refreshed(page.request.capture_key.digest)


@contextmanager
def _redis_errors_translated() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as err:
        count_error("state", err)
        _log.warning("popularity_unreachable", redis="state", error=type(err).__name__)
        raise QueueUnavailable("the popularity of pages is unavailable; try again later") from err
