"""Leases decide which process works on a subject. Those in Redis hold across all processes; `LocalLeases` do not.

The holder renews its lease. A dead holder's lease expires within LEASE_MS, and another process takes over. The holder
wakes waiters by a stream when it is done.
"""

import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import redis
import structlog

from coordination.connections import StateRedis
from coordination.redis_breaker import count_error

T = TypeVar("T")

LEASE_MS = 2500
HEARTBEAT_SECONDS = 0.7
_HOLDER = re.compile(r"([0-9A-Za-z.-]{1,64})/([0-9]{1,10})/([0-9]{1,14})/[0-9a-f]+")
DONE_SECONDS = 30  # how long late waiters still find the stream
_log = structlog.get_logger()

# Returns the holder's token. Repeated with one token, it returns the same.
_TAKE = """
local holder = redis.call('get', KEYS[1])
if holder and holder ~= ARGV[1] then return holder end
redis.call('set', KEYS[1], ARGV[1], 'px', ARGV[2])
return ARGV[1]
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
    """The right to work on `subject`, held by the owner of `token`. `shared` says that other processes know of it."""

    subject: str
    token: str
    ours: bool
    shared: bool = True


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds a lease: the name of its machine, its id there, and since when (Unix seconds)."""

    machine: str
    process: int
    since: float

    @classmethod
    def read(cls, token: str) -> "Holder | None":
        """Read the token of a lease. None if another version has made it."""
        found = _HOLDER.fullmatch(token)
        return cls(found[1], int(found[2]), int(found[3]) / 1000) if found else None


def _new_token() -> str:
    """Make a token that tells operators who holds the lease."""
    machine = re.sub(r"[^0-9A-Za-z.-]", "-", socket.gethostname())[:64] or "unknown"
    return f"{machine}/{os.getpid()}/{time.time() * 1000:.0f}/{secrets.token_hex(8)}"


class LeaseSource(Protocol):
    """A source of leases: `Leases` or `LocalLeases`."""

    def acquire(self, subject: str) -> Lease:
        """Take the lease, or learn who holds it."""

    def is_held(self, subject: str) -> bool: ...

    def holder(self, subject: str) -> "Holder | None":
        """Tell who holds the lease, as far as that is known."""

    def release(self, lease: Lease) -> None: ...

    def wait(self, lease: Lease, deadline: float) -> None:
        """Block until the holder is done, its lease may have expired, or `deadline` (monotonic) has passed."""


class LocalLeases:
    """No leases: for work that each process does for itself."""

    def acquire(self, subject: str) -> Lease:
        return Lease(subject, "", ours=True, shared=False)

    def is_held(self, subject: str) -> bool:  # noqa: ARG002 - no other process matters
        return False

    def holder(self, subject: str) -> Holder | None:  # noqa: ARG002
        return None

    def release(self, lease: Lease) -> None:
        pass

    def wait(self, lease: Lease, deadline: float) -> None:
        pass


class Leases:
    """Leases in Redis. One thread per process renews the leases that the process holds."""

    def __init__(
        self,
        state: StateRedis,
        *,
        lease_ms: int = LEASE_MS,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        """A lease lives for `lease_ms`, which a blocking read must outlast, and is renewed every `heartbeat_seconds`."""
        self._lease_ms = lease_ms
        self._heartbeat = heartbeat_seconds
        self._state = state
        self._take: Any = state.client.register_script(_TAKE)
        self._renew = state.client.register_script(_RENEW)
        self._release = state.client.register_script(_RELEASE)
        self._held: dict[str, Lease] = {}
        self._renewer: threading.Thread | None = None
        self._lock = threading.Lock()

    def acquire(self, subject: str) -> Lease:
        """Take the lease, or learn who holds it. Without Redis it is ours, for this process alone."""
        token, name = _new_token(), self._state.keys.lease(subject)
        holder, _ = self._call(lambda: self._take(keys=[name], args=[token, self._lease_ms]))
        if not holder:
            return Lease(subject, token, ours=True, shared=False)
        lease = Lease(subject, holder.decode(), ours=holder.decode() == token)
        if lease.ours:
            self._keep(lease)
        return lease

    def is_held(self, subject: str) -> bool:
        return bool(self._call(lambda: self._state.client.exists(self._state.keys.lease(subject)))[0])

    def holder(self, subject: str) -> Holder | None:
        token, _ = self._call(lambda: self._state.client.get(self._state.keys.lease(subject)))
        return Holder.read(token.decode(errors="replace")) if isinstance(token, bytes) else None

    def release(self, lease: Lease, done_seconds: int = DONE_SECONDS) -> None:
        """End the lease and wake all waiters. Late ones find it ended for `done_seconds`."""
        with self._lock:
            self._held.pop(lease.subject, None)
        if lease.shared:
            self._call(lambda: self._release(keys=self._names(lease), args=[lease.token, done_seconds]))

    def wait(self, lease: Lease, deadline: float) -> None:
        left = int((deadline - time.monotonic()) * 1000)
        name, done = self._names(lease)
        life, _ = self._call(lambda: self._state.client.pttl(name))
        life = life if isinstance(life, int) and 0 < life <= self._lease_ms else 0
        block = max(min(left, life + 20), 1)
        if not self._call(lambda: self._state.blocking.xread({done: "0"}, block=block))[1]:
            time.sleep(0.2)  # without Redis this would be a busy loop

    def _names(self, lease: Lease) -> list[str]:
        """Name the lease's key, and that of the stream which tells that its holder is done."""
        return [self._state.keys.lease(lease.subject), self._state.keys.lease_done(lease.subject, lease.token)]

    def _keep(self, lease: Lease) -> None:
        with self._lock:
            self._held[lease.subject] = lease
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
                self._renew(keys=self._names(lease), args=[lease.token, self._lease_ms])
        except redis.RedisError as err:
            count_error("state", err)
            _log.warning("leases_unreachable", redis="state", error=type(err).__name__)
            return False
        return True

    def _call(self, command: Callable[[], T]) -> tuple[T | None, bool]:
        return self._state.breaker.call("leases_unreachable", command)
