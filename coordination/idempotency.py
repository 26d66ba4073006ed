"""Idempotency keys: a repeated request gets the stored response of the first one, and its work is not repeated.

After draft-ietf-httpapi-idempotency-key-header. A key belongs to one caller and one endpoint for a day. Only successes
are kept: a failure or a crash leaves the key free for the next attempt. Without Redis the work is done each time. Work
that continues after its response derives ids from the key's `seed`, so that a second attempt finds what the first one
made.

At most MOST_RECORDS are kept. Beyond that, and in a Redis that is nearly full, each new one replaces the oldest.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self, TypeVar

import redis
import structlog

from coordination.connections import StateRedis
from coordination.leases import Leases
from coordination.memory import NEARLY_FULL
from coordination.redis_breaker import count_error
from errors import IdempotencyConflict, IdempotencyInProgress, InvalidOption

T = TypeVar("T")

KEEP_SECONDS = 86400
MOST_RECORDS = 50_000  # of all callers, at about a kilobyte each
# The index holds the names of all records by the time at which they expire. Expired ones go first: a full Redis accepts
# writes only from a script that has removed something.
_KEEP = """
local t, keep, most = redis.call('time'), tonumber(ARGV[2]), tonumber(ARGV[3])
local now = tonumber(t[1]) + tonumber(t[2]) / 1e6
local function forget(names)
  for _, name in ipairs(names) do
    redis.call('zrem', KEYS[2], name)
    redis.call('del', name)
  end
end
local function remember(value)
  redis.call('set', KEYS[1], value, 'ex', keep)
  redis.call('zadd', KEYS[2], now + keep, KEYS[1])
  redis.call('expire', KEYS[2], keep)
  forget(redis.call('zrange', KEYS[2], 0, nearly_full() and 0 or -most - 1))
end
forget(redis.call('zrange', KEYS[2], '-inf', now, 'byscore', 'limit', 0, 100))
"""
_REMEMBER = "remember(ARGV[1])"
_SEED = """
local known = redis.call('get', KEYS[1])
if known then return known end
remember(ARGV[1])
return ARGV[1]
"""
_NONE_WAITS = 4  # seconds: longer than a renewal of the lease may be late
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at a request: the `name` of its key in Redis and the `fingerprint` of its body. Both are hashes."""

    name: str
    fingerprint: str

    @classmethod
    def of(cls, key: str, scope: tuple[str, str], body: object) -> Self:
        """Identify an attempt by its header `key` and `scope` (endpoint and caller); `body` is decoded JSON.

        Raises InvalidOption.
        """
        if not _KEY.fullmatch(key):
            raise InvalidOption("must be 1 to 255 visible ASCII characters", field="Idempotency-Key")
        return cls(_hash([*scope, key]), _hash(body))


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """The parts of an HTTP response that are sent again."""

    status: int
    headers: Mapping[str, str]
    body: str


class IdempotencyStore:
    def __init__(self, state: StateRedis, leases: Leases, most: int = MOST_RECORDS) -> None:
        self._client = state.client
        self._keys = state.keys
        self._leases = leases
        self._most = most
        self._save: Any = state.client.register_script(NEARLY_FULL + _KEEP + _REMEMBER)
        self._seed: Any = state.client.register_script(
            NEARLY_FULL + _KEEP + _SEED
        )  # its types are of the asynchronous client too

    def run_once(
        self, attempt: Attempt, work: Callable[[], T], strip: Callable[[T], StoredResponse]
    ) -> T | StoredResponse:
        """Do `work` and store its response as `strip` reduces it, or return the stored response.

        Raises IdempotencyConflict for another body under the key, IdempotencyInProgress while an earlier attempt is
        in progress, and what `work` raises.
        """
        stored = self._load(attempt)
        if stored is not None:
            return stored
        lease = self._leases.acquire(f"idempotency:{attempt.name}")
        if not lease.ours:
            raise IdempotencyInProgress(
                "a request with this key is in progress; retry in a few seconds", field="Idempotency-Key"
            )
        try:
            stored = self._load(attempt)  # of an attempt that ended a moment ago
            if stored is not None:
                return stored
            response = work()
            self._store(attempt, strip(response))
        finally:
            self._leases.release(lease, _NONE_WAITS)
        return response

    def seed(self, attempt: Attempt | None) -> str:
        """Return 128 random bits in hex: the same for each attempt with one key, new ones without a key.

        They are kept for a day, so the caller must have been judged and charged before.
        """
        fresh = secrets.token_hex(16)
        if attempt is None:
            return fresh
        names = [self._keys.idempotency_seed(attempt.name, attempt.fingerprint), self._keys.idempotency_index()]
        try:
            return str(self._seed(keys=names, args=[fresh, KEEP_SECONDS, self._most]).decode())
        except redis.RedisError as err:
            _warn(err)
            return fresh

    def forget_seed(self, attempt: Attempt | None) -> None:
        """Forget the seed of an attempt that made nothing."""
        if attempt is None:
            return
        name = self._keys.idempotency_seed(attempt.name, attempt.fingerprint)
        try:
            with self._client.pipeline() as pipe:
                pipe.delete(name)
                pipe.zrem(self._keys.idempotency_index(), name)
                pipe.execute()
        except redis.RedisError as err:
            _warn(err)

    def _load(self, attempt: Attempt) -> StoredResponse | None:
        try:
            value = self._client.get(self._keys.idempotency(attempt.name))
        except redis.RedisError as err:
            _warn(err)
            return None
        if not isinstance(value, bytes):
            return None
        record = json.loads(value)
        if record["fingerprint"] != attempt.fingerprint:
            raise IdempotencyConflict(
                "was used with another body; use a new key for a new request", field="Idempotency-Key"
            )
        return StoredResponse(**record["answer"])

    def _store(self, attempt: Attempt, response: StoredResponse) -> None:
        if not 200 <= response.status < 300:
            return
        record = {"fingerprint": attempt.fingerprint, "answer": asdict(response)}
        names = [self._keys.idempotency(attempt.name), self._keys.idempotency_index()]
        try:
            self._save(keys=names, args=[json.dumps(record), KEEP_SECONDS, self._most])
        except redis.RedisError as err:
            _warn(err)


def _warn(err: redis.RedisError) -> None:
    count_error("state", err)
    _log.warning("idempotency_unreachable", redis="state", error=type(err).__name__)


def _hash(value: object) -> str:
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
