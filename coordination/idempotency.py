"""Idempotency keys: what was answered well is answered the same way again, without its work.

After draft-ietf-httpapi-idempotency-key-header. The key belongs to one caller and one endpoint for a day. Only answers
of success are remembered: a try that failed, or whose process died, leaves the key free for the next. Without Redis
the work is done each time. Work that goes on behind its answer names what it makes after the key's `seed`, and so finds
what an earlier try of it had made before its process died.

Records carry no expiry in Redis, whose `volatile-lru` would evict them with the pictures; each new one removes old ones.
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

from coordination.coalescer import Leases
from errors import IdempotencyConflict, IdempotencyUnderWay, InvalidOption

T = TypeVar("T")

KEEP_SECONDS = 86400
_PREFIX = "thumb:{idempotency}:"  # the braces keep all names in one slot of a cluster
# What is old goes before anything new is kept: a full Redis takes nothing more, but for a script that has removed something.
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
# What is older than a day is replaced: the key is new again.
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
    """One try of a request: the `name` that its key has here, and the `fingerprint` of its body. Both are hashes."""

    name: str
    fingerprint: str

    @classmethod
    def of(cls, key: str, scope: tuple[str, str], body: object) -> Self:
        """Name a try by its header `key` and `scope` (endpoint and caller); `body` is decoded JSON.

        Raises InvalidOption.
        """
        if not _KEY.fullmatch(key):
            raise InvalidOption("must be 1 to 255 visible ASCII characters", field="Idempotency-Key")
        return cls(_hash([*scope, key]), _hash(body))


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer as far as a replay repeats it."""

    status: int
    headers: Mapping[str, str]
    body: str


class Idempotency:
    def __init__(self, client: "redis.Redis", leases: Leases) -> None:
        self._client = client
        self._leases = leases
        self._keep = client.register_script(_FORGET + _REMEMBER)
        self._seed: Any = client.register_script(_FORGET + _SEED)  # its types are of the asynchronous client too

    def once(self, attempt: Attempt, work: Callable[[], T], strip: Callable[[T], Answer]) -> T | Answer:
        """Do `work` and remember what `strip` keeps of its answer, or give what is remembered.

        Raises IdempotencyConflict for another body under the key, IdempotencyUnderWay while an earlier try is at
        work, and what `work` raises.
        """
        remembered = self._recall(attempt)
        if remembered is not None:
            return remembered
        lease = self._leases.take(f"idempotency:{attempt.name}")
        if not lease.ours:
            raise IdempotencyUnderWay(
                "a request with this key is under way; send it again shortly", field="Idempotency-Key"
            )
        try:
            remembered = self._recall(attempt)  # of a try that ended a moment ago
            if remembered is not None:
                return remembered
            answer = work()
            self._remember(attempt, strip(answer))
        finally:
            self._leases.release(lease)
        return answer

    def seed(self, attempt: Attempt | None) -> str:
        """Give 128 random bits in hex, the same for each try of a request; new ones where there is no key."""
        fresh = secrets.token_hex(16)
        if attempt is None:
            return fresh
        names = [f"{_slot(attempt)}:seed:{attempt.fingerprint}", f"{_PREFIX}index"]
        try:
            return str(self._seed(keys=names, args=[fresh, KEEP_SECONDS]).decode())
        except redis.RedisError as err:
            _log.warning("idempotency_unreachable", error=type(err).__name__)
            return fresh

    def _recall(self, attempt: Attempt) -> Answer | None:
        try:
            value = self._client.get(_slot(attempt))
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
        return Answer(**record["answer"])

    def _remember(self, attempt: Attempt, answer: Answer) -> None:
        if not 200 <= answer.status < 300:
            return
        until = time.time() + KEEP_SECONDS
        record = {"fingerprint": attempt.fingerprint, "until": until, "answer": asdict(answer)}
        try:
            self._keep(keys=[_slot(attempt), f"{_PREFIX}index"], args=[json.dumps(record), KEEP_SECONDS])
        except redis.RedisError as err:
            _log.warning("idempotency_unreachable", error=type(err).__name__)


def _slot(attempt: Attempt) -> str:
    return f"{_PREFIX}{attempt.name}"


def _hash(value: object) -> str:
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
