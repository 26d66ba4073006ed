"""Whether a worker and beat run. Each worker says so in Redis. Without one, a new job would never run."""

import time

import structlog

from coordination import StateRedis
from errors import QueueUnavailable
from jobs.scripts import script

MISSING_SECONDS = 60  # a restart takes less
BEAT_MISSING_SECONDS = 180  # it sends a message each minute, which may wait for a worker
_ANNOUNCE_SECONDS = 10
SEEN_AT, BEAT_SEEN_AT = "worker", "beat"  # fields beside the counters of jobs
_log = structlog.get_logger()

# The first write needs no memory, so a full Redis accepts the second one too.
_ANNOUNCE = """
redis.call('zrem', due, '')
redis.call('hset', counts, ARGV[1], now)
"""

_SEEN = """
local seen = redis.call('hget', counts, ARGV[1])
return seen and math.floor(now - seen) or -1
"""

# Where none was ever seen, the minute begins with the first question.
_SECONDS_SINCE = """
local seen = redis.call('hget', counts, ARGV[1])
if seen then return math.floor(now - seen) end
redis.call('zrem', due, '')
redis.call('hset', counts, ARGV[1], now)
return 0
"""


class Workers:
    """Says that this worker runs, and asks whether any does. Raises QueueUnavailable when Redis is unreachable."""

    def __init__(self, state: StateRedis) -> None:
        self._announce = script(state, _ANNOUNCE)
        self._seconds_since = script(state, _SECONDS_SINCE)
        self._seen = script(state, _SEEN)
        self._announced_at: float | None = None

    def announce(self) -> None:
        """Say that a worker runs, unless this process has said so in the last ten seconds."""
        now = time.monotonic()
        if self._announced_at is None or now - self._announced_at >= _ANNOUNCE_SECONDS:
            self._announce(SEEN_AT)
            self._announced_at = now

    def note_beat(self) -> None:
        """Say that a message of beat has arrived."""
        self._announce(BEAT_SEEN_AT)

    def seen_ago(self) -> int | None:
        """Return for how many seconds no worker was seen; None if none ever was."""
        return self._seconds_of(SEEN_AT)

    def beat_seen_ago(self) -> int | None:
        """Return for how many seconds no message of beat has arrived; None if none ever has."""
        return self._seconds_of(BEAT_SEEN_AT)

    def _seconds_of(self, field: str) -> int | None:
        seconds = self._seen(field)
        return None if seconds < 0 else int(seconds)

    def require_one(self) -> None:
        """Raise QueueUnavailable if no worker has been seen for a minute."""
        seconds = self._seconds_since(SEEN_AT)
        if seconds > MISSING_SECONDS:
            _log.error("worker_missing", seconds=seconds)
            raise QueueUnavailable("no worker is running, so jobs are not taken; try again later")
