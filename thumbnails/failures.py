"""The last failures of each page, for an operator who asks why it has no picture. Nothing in the flow depends on them.

They are lists in the state's Redis: a few of each capture key, for a day, and of a limited number of pages.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from coordination import StateRedis
from errors import ThumbnailError
from model import Key

KEPT_SECONDS = 86_400
MOST_OF_A_PAGE = 5
MOST_PAGES = 2000  # a failure takes about a kilobyte
_NOTE = """
redis.call('lpush', KEYS[1], ARGV[1])
redis.call('ltrim', KEYS[1], 0, tonumber(ARGV[2]) - 1)
redis.call('expire', KEYS[1], ARGV[3])
redis.call('zadd', KEYS[2], ARGV[4], KEYS[1])
redis.call('zremrangebyscore', KEYS[2], '-inf', tonumber(ARGV[4]) - tonumber(ARGV[3]))
redis.call('expire', KEYS[2], ARGV[3])
local over = redis.call('zcard', KEYS[2]) - tonumber(ARGV[5])
for _, oldest in ipairs(over > 0 and redis.call('zrange', KEYS[2], 0, over - 1) or {}) do
  redis.call('del', oldest)
  redis.call('zrem', KEYS[2], oldest)
end
return 1
"""


@dataclass(frozen=True, slots=True)
class PastFailure:
    """A failure of a page. `api` is the screenshot API that was asked, "" if none was; it answered `api_status`, 0 if not.

    `event` is what our own engine logged, without the URL: `outcome`, `reason`, `seconds`, `parts` and other numbers.
    """

    at: datetime
    code: str
    reason: str
    request_id: str = ""
    api: str = ""
    api_status: int = 0
    api_code: str = ""
    event: Mapping[str, Any] = field(default_factory=dict)


class FailureHistory:
    def __init__(self, state: StateRedis, most_pages: int = MOST_PAGES) -> None:
        self._state = state
        self._most_pages = most_pages
        self._note: Any = state.client.register_script(_NOTE)

    def note(self, key: Key, err: ThumbnailError, request_id: str) -> None:
        """Add a failure of the page of the capture `key`. Without Redis, it is forgotten."""
        now = time.time()
        record = {"at": now, "code": err.code, "reason": err.detail, "request_id": request_id, **err.evidence}
        names = [self._state.keys.failures(key.digest), self._state.keys.failures_index()]
        args = [json.dumps(record), MOST_OF_A_PAGE, KEPT_SECONDS, now, self._most_pages]
        self._state.breaker.call("failures_unnoted", lambda: self._note(keys=names, args=args))

    def of(self, key: Key) -> tuple[PastFailure, ...]:
        """Return the last failures of the page of the capture `key`, the newest first."""
        name = self._state.keys.failures(key.digest)
        found, _ = self._state.breaker.call(
            "failures_unnoted", lambda: cast("list[bytes]", self._state.client.lrange(name, 0, -1))
        )
        return tuple(failure for text in found or () if (failure := _read(text)))


def _read(text: bytes) -> PastFailure | None:
    try:
        record = json.loads(text)
        return PastFailure(**record | {"at": datetime.fromtimestamp(record["at"], UTC)})
    except (ValueError, TypeError, KeyError):  # written by another version
        return None
