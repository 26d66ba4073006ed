"""Idempotency keys: a repeated request gets the stored response of the first one, and its work is not repeated.

After draft-ietf-httpapi-idempotency-key-header. A key belongs to one caller and one endpoint for a day. Only successes
are kept: a failure or a crash leaves the key free for the next attempt. Without Redis the work is done each time. Work
that continues after its response derives ids from the key's `seed`, so that a second attempt finds what the first one
made.

Records have no expiry in Redis, where `volatile-lru` would evict them with the pictures. Each new record removes those
that have expired.
"""

import hashlib
import json
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self, TypeVar

import redis
import structlog

from coordination import keys
from coordination.leases import Leases
from errors import IdempotencyConflict, IdempotencyInProgress, InvalidOption

T = TypeVar("T")

KEEP_SECONDS = 86400
_INDEX = f"{keys.IDEMPOTENCY}index"  # of all records, by the time at which they expire
# Expired records go first: a full Redis accepts writes only from a script that has removed something.
_FORGET = """
local now = tonumber(redis.call('time')[1])
for _, old in ipairs(redis.call('zrange', KEYS[2], '-inf', now, 'byscore', 'limit', 0, 100)) do
  redis.call('del', old)
  redis.call('zrem', KEYS[2], old)
end
"""
_REMEMBER = """
redis.call('set', KEYS[1], ARGV[1])
redis.call('zadd', KEYS[2], now + tonumber(ARGV[2]), KEYS[1])
"""
# A seed that is older than a day is replaced, since the key is then new again.
_SEED = """
local known, till = redis.call('get', KEYS[1]), redis.call('zscore', KEYS[2], KEYS[1])
if known and till and tonumber(till) > now then return known end
redis.call('set', KEYS[1], ARGV[1])
redis.call('zadd', KEYS[2], now + tonumber(ARGV[2]), KEYS[1])
return ARGV[1]
"""
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
    def __init__(self, client: "redis.Redis", leases: Leases) -> None:
        self._client = client
        self._leases = leases
        self._save: Any = client.register_script(_FORGET + _REMEMBER)
        self._seed: Any = client.register_script(_FORGET + _SEED)  # its types are of the asynchronous client too

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
            self._leases.release(lease)
        return response

    def seed(self, attempt: Attempt | None) -> str:
        """Return 128 random bits in hex: the same for each attempt with one key, new ones without a key."""
        fresh = secrets.token_hex(16)
        if attempt is None:
            return fresh
        names = [f"{_name(attempt)}:seed:{attempt.fingerprint}", _INDEX]
        try:
            return str(self._seed(keys=names, args=[fresh, KEEP_SECONDS]).decode())
        except redis.RedisError as err:
            _log.warning("idempotency_unreachable", error=type(err).__name__)
            return fresh

    def _load(self, attempt: Attempt) -> StoredResponse | None:
        try:
            value = self._client.get(_name(attempt))
        except redis.RedisError as err:
            _log.warning("idempotency_unreachable", error=type(err).__name__)
            return None
        if not isinstance(value, bytes):
            return None
        record = json.loads(value)
        if record["until"] < time.time():
            return None
        if record["fingerprint"] != attempt.fingerprint:
            raise IdempotencyConflict(
                "was used with another body; use a new key for a new request", field="Idempotency-Key"
            )
        return StoredResponse(**record["answer"])

    def _store(self, attempt: Attempt, response: StoredResponse) -> None:
        if not 200 <= response.status < 300:
            return
        until = time.time() + KEEP_SECONDS
        record = {"fingerprint": attempt.fingerprint, "until": until, "answer": asdict(response)}
        try:
            self._save(keys=[_name(attempt), _INDEX], args=[json.dumps(record), KEEP_SECONDS])
        except redis.RedisError as err:
            _log.warning("idempotency_unreachable", error=type(err).__name__)


def _name(attempt: Attempt) -> str:
    return f"{keys.IDEMPOTENCY}{attempt.name}"


def _hash(value: object) -> str:
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
