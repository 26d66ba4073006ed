"""What people look at, for `refresh` to capture it again: counted in each process, gathered in Redis every few seconds.

Counting is on the way of every hit and costs one entry of a dictionary, no call to Redis. Both sides are bounded, and
what is lost on the way (a process killed, Redis away) is a view less, never an error.
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

from coordination import keys
from errors import QueueUnavailable
from model import ThumbnailRequest
from options import CaptureOptions, Delivery, chosen
from urls import read_capture

FLUSH_SECONDS = 5.0
MOST_HERE = 4096  # pictures counted in a process between two flushes
LEAST_KEPT = 10_000  # pictures counted in Redis, at some 300 bytes each; more where the budget is larger
_PAGE = 500
_DAYS_KEPT = 60
_AT_ONCE = 100  # that are written to Redis in one exchange: whoever shares our thread gets a turn between two
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
_log = structlog.get_logger()

# Several beats may run: what is left of the day's budget is given away once. The count never expires, so that it is
# never evicted, and a new day begins it anew.
_RESERVE = """
local found = redis.call('hmget', KEYS[1], 'day', 'spent')
local spent = found[1] == ARGV[1] and tonumber(found[2]) or 0
local granted = math.max(math.min(tonumber(ARGV[2]), tonumber(ARGV[3]) - spent), 0)
redis.call('hset', KEYS[1], 'day', ARGV[1], 'spent', spent + granted)
return granted
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """One capture of a page that somebody looked at; `ttl` in seconds as they asked for it, None for the setting's."""

    capture: CaptureOptions
    ttl: int | None
    captured_at: datetime

    @property
    def request(self) -> ThumbnailRequest:
        """The wish to capture it again, which nobody waits for."""
        return ThumbnailRequest(self.capture, delivery=Delivery(background=True))

    def pack(self) -> str:
        """Write it as one word, the same for the same: options that have their default are left out."""
        record = {"at": self.captured_at.timestamp(), "ttl": self.ttl, "capture": chosen(self.capture)}
        return _ENCODER.encode(record).replace(" ", "\\u0020")

    @classmethod
    def unpack(cls, text: str | bytes) -> Self | None:
        """Read what `pack` wrote; None for what another version wrote."""
        try:
            record = json.loads(text)
            at = datetime.fromtimestamp(record["at"], UTC)
            return cls(read_capture(record["capture"]), record["ttl"], at)
        except (ValueError, KeyError, TypeError, OverflowError):
            return None


_Key = tuple[str, int | None, datetime]
_Count = tuple[CaptureOptions, int]


class Views:
    """Views of each capture, since that capture: a newer one of the same page is counted from nought.

    All but `note` and `flush` raise QueueUnavailable where Redis is away.
    """

    def __init__(self, client: "redis.Redis", budget: int) -> None:
        """`budget` is what a day's refreshes may cost; 0 counts nothing."""
        self._client = client
        self._counting = budget > 0
        self._most = max(LEAST_KEPT, budget)
        self._reserve = client.register_script(_RESERVE)
        self._lock = threading.Lock()
        self._here: dict[_Key, _Count] = {}
        self._flusher: threading.Thread | None = None

    def note(self, request: ThumbnailRequest, captured_at: datetime) -> None:
        """Count a look at what was captured then. Called for each hit: must stay cheap."""
        if not self._counting:
            return
        key = (request.capture_key.digest, request.delivery.ttl, captured_at)
        with self._lock:
            capture, views = self._here.get(key, (request.capture, 0))
            if views or len(self._here) < MOST_HERE:
                self._here[key] = (capture, views + 1)
            if self._flusher is not None:
                return
            self._flusher = threading.Thread(target=self._gather, name="views", daemon=True)
        try:
            self._flusher.start()
        except RuntimeError:  # the machine gives no more threads; the next look tries again
            self._flusher = None

    def flush(self) -> None:
        """Add what was counted here to what Redis knows; the least viewed make room."""
        with self._lock:
            counted, self._here = self._here, {}
        pictures = list(counted.items())
        try:
            for start in range(0, len(pictures), _AT_ONCE):
                self._add(pictures[start : start + _AT_ONCE])
        except redis.RedisError as err:
            _log.warning("views_lost", error=type(err).__name__, pictures=len(counted))

    def _add(self, counted: "Sequence[tuple[_Key, _Count]]") -> None:
        pipeline = self._client.pipeline(transaction=False)
        for (_, ttl, captured_at), (capture, views) in counted:
            pipeline.zincrby(keys.POPULARITY, views, Seen(capture, ttl, captured_at).pack())
        pipeline.zremrangebyrank(keys.POPULARITY, 0, -self._most - 1)
        pipeline.expire(keys.POPULARITY, _DAYS_KEPT * 86400)
        pipeline.execute()

    def _gather(self) -> None:
        """Flush every few seconds; end when nothing is looked at."""
        while True:
            time.sleep(FLUSH_SECONDS)
            with self._lock:
                if not self._here:
                    self._flusher = None
                    return
            self.flush()

    def most_viewed(self) -> Iterator[Seen]:
        """Go through what was looked at, the most viewed first."""
        for start in range(0, self._most, _PAGE):
            with _translated():
                page = cast("list[bytes]", self._client.zrevrange(keys.POPULARITY, start, start + _PAGE - 1))
            yield from filter(None, map(Seen.unpack, page))
            if len(page) < _PAGE:
                return

    def forget(self, seen: Sequence[Seen]) -> None:
        if seen:
            with _translated():
                self._client.zrem(keys.POPULARITY, *(each.pack() for each in seen))

    def claim(self, seen: Seen, seconds: int) -> bool:
        """Say that the page is about to be captured; false where that was said within `seconds`."""
        with _translated():
            return bool(self._client.set(_claim_on(seen), b"1", nx=True, ex=max(seconds, 1)))

    def release(self, seen: Sequence[Seen]) -> None:
        """Take back a claim of ours that comes to nothing."""
        if seen:
            with _translated():
                self._client.delete(*map(_claim_on, seen))

    def reserve(self, wanted: int, allowed: int, now: datetime) -> int:
        """Take up to `wanted` captures from the day's budget, of which `allowed` may be spent by now; give how many."""
        with _translated():
            granted = self._reserve(keys=[keys.REFRESH_BUDGET], args=[f"{now:%Y-%m-%d}", wanted, allowed])
        return int(cast("int", granted))


def _claim_on(seen: Seen) -> str:
    return f"{keys.REFRESHED}{seen.request.capture_key.digest}"


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as err:
        _log.warning("views_unreachable", error=type(err).__name__)
        raise QueueUnavailable("views cannot be reached at the moment") from err
