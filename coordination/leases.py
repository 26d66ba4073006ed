"""Leases decide which process works on a subject. Leases in Redis hold for all processes, `LocalLeases` for none.

The holder renews its lease. A dead holder's lease expires within LEASE_MS, and another process takes over. The holder
wakes waiters by a stream when it is done.
"""

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import redis
import structlog

from coordination import keys
from coordination.redis_breaker import RedisBreaker

T = TypeVar("T")
Values = tuple[bytes | None, ...]

LEASE_MS = 2500
HEARTBEAT_SECONDS = 0.7
DONE_SECONDS = 30  # how long late waiters still find the stream
_log = structlog.get_logger()

# One call takes the lease and reads the values that the holder needs. Repeated with one token, it returns the same.
_TAKE = """
local holder = redis.call('get', KEYS[1])
if not holder or holder == ARGV[1] then
  redis.call('set', KEYS[1], ARGV[1], 'px', ARGV[2])
  holder = ARGV[1]
end
local found = {holder}
for i = 2, #KEYS do found[i] = redis.call('get', KEYS[i]) end
return found
"""
# A lease that expired while Redis was silent, or that Redis lost, is taken again. A released one is not.
_RENEW = """
local holder = redis.call('get', KEYS[1])
if holder == ARGV[1] or (not holder and redis.call('exists', KEYS[2]) == 0) then
  redis.call('set', KEYS[1], ARGV[1], 'px', ARGV[2])
end
"""
_RELEASE = """
if redis.call('get', KEYS[1]) == ARGV[1] then redis.call('del', KEYS[1]) end
redis.call('xadd', KEYS[2], '*', 'done', '1')
return redis.call('expire', KEYS[2], ARGV[2])
"""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on `subject`, held by the owner of `token`.

    `shared` says that other processes know of it. `values` was read when the lease was taken; () if Redis did not answer.
    """

    subject: str
    token: str
    ours: bool
    shared: bool = True
    values: Values = ()

    @property
    def name(self) -> str:
        return keys.lease(self.subject)

    @property
    def done(self) -> str:
        return keys.lease_done(self.subject, self.token)


class LeaseSource(Protocol):
    """A source of leases: `Leases` or `LocalLeases`."""

    def acquire(self, subject: str, reading: Sequence[str] = ()) -> Lease:
        """Take the lease, or learn who holds it; read the Redis keys `reading` in the same step."""

    def is_held(self, subject: str) -> bool: ...

    def release(self, lease: Lease) -> None: ...

    def wait(self, lease: Lease, deadline: float) -> None:
        """Block until the holder is done, its lease may have expired, or `deadline` (monotonic) has passed."""


class LocalLeases:
    """No leases: for work that each process does for itself."""

    def acquire(self, subject: str, reading: Sequence[str] = ()) -> Lease:  # noqa: ARG002 - nothing is read
        return Lease(subject, "", ours=True, shared=False)

    def is_held(self, subject: str) -> bool:  # noqa: ARG002 - no other process matters
        return False

    def release(self, lease: Lease) -> None:
        pass

    def wait(self, lease: Lease, deadline: float) -> None:
        pass


class Leases:
    """Leases in Redis. One thread per process renews the leases that the process holds."""

    def __init__(
        self,
        client: "redis.Redis",
        blocking: "redis.Redis",
        breaker: RedisBreaker,
        *,
        lease_ms: int = LEASE_MS,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        """`blocking` is a client whose sockets may be silent for a lease's life and a second more.

        A lease lives for `lease_ms` and is renewed every `heartbeat_seconds`.
        """
        self._lease_ms = lease_ms
        self._heartbeat = heartbeat_seconds
        self._client = client
        self._blocking = blocking
        self._breaker = breaker
        self._take: Any = client.register_script(_TAKE)
        self._renew = client.register_script(_RENEW)
        self._release = client.register_script(_RELEASE)
        self._held: dict[str, Lease] = {}
        self._renewer: threading.Thread | None = None
        self._lock = threading.Lock()

    def acquire(self, subject: str, reading: Sequence[str] = ()) -> Lease:
        """Take the lease, or learn who holds it. Without Redis it is ours, for this process alone."""
        token = secrets.token_hex(8)
        answer, reachable = self._call(
            lambda: self._take(keys=[keys.lease(subject), *reading], args=[token, self._lease_ms])
        )
        if not reachable or not answer:
            return Lease(subject, token, ours=True, shared=False)
        holder, *values = answer
        if holder.decode() != token:
            return Lease(subject, holder.decode(), ours=False, values=tuple(values))
        lease = Lease(subject, token, ours=True, values=tuple(values))
        self._keep(lease)
        return lease

    def is_held(self, subject: str) -> bool:
        return bool(self._call(lambda: self._client.exists(keys.lease(subject)))[0])

    def release(self, lease: Lease) -> None:
        """End the lease and wake all waiters."""
        with self._lock:
            self._held.pop(lease.name, None)
        if lease.shared:
            self._call(lambda: self._release(keys=[lease.name, lease.done], args=[lease.token, DONE_SECONDS]))

    def wait(self, lease: Lease, deadline: float) -> None:
        left = int((deadline - time.monotonic()) * 1000)
        life, _ = self._call(lambda: self._client.pttl(lease.name))
        life = life if isinstance(life, int) and 0 < life <= self._lease_ms else 0
        block = max(min(left, life + 20), 1)
        if not self._call(lambda: self._blocking.xread({lease.done: "0"}, block=block))[1]:
            time.sleep(0.2)  # without Redis this would be a busy loop

    def _keep(self, lease: Lease) -> None:
        with self._lock:
            self._held[lease.name] = lease
            if self._renewer is None:
                renewer = threading.Thread(target=self._renew_until_none, name="lease-renewer", daemon=True)
                renewer.start()
                self._renewer = renewer

    def _renew_until_none(self) -> None:
        """Renew the held leases until there are none. Bypasses the breaker: a short outage of Redis must cost no lease."""
        pause = self._heartbeat
        while True:
            time.sleep(pause)
            with self._lock:
                held = list(self._held.values())
                if not held:
                    self._renewer = None
                    return
            pause = self._heartbeat if self._renew_all(held) else self._heartbeat / 7

    def _renew_all(self, held: list[Lease]) -> bool:
        try:
            for lease in held:
                self._renew(keys=[lease.name, lease.done], args=[lease.token, self._lease_ms])
        except redis.RedisError as err:
            _log.warning("leases_unreachable", error=type(err).__name__)
            return False
        return True

    def _call(self, command: Callable[[], T]) -> tuple[T | None, bool]:
        return self._breaker.call("leases_unreachable", command)
