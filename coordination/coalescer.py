"""One leader a key, across threads, processes and machines: many ask, one works, all get its result.

Inside a process a flight runs in a thread of its own and everybody waits for its future, each as long as they like.
Between processes a lease in Redis says who works; its holder renews it, and when it dies another takes over within
the lease's short life. Waiters are woken by a stream that the holder writes when it is done. Without Redis,
coalescing still works inside each process.
"""

import contextvars
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import redis
import structlog

from coordination.redis_breaker import Fuse
from errors import OverCapacity, ThumbnailError

T = TypeVar("T")

LEASE_MS = 2500  # a dead leader is succeeded after this long
HEARTBEAT_SECONDS = 0.7
DONE_SECONDS = 30  # for how long a late waiter still learns that the work is done
_log = structlog.get_logger()

# What has run out while Redis was silent, or was lost with it, is taken again; what was released is not.
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
class Flight(Generic[T]):
    """A piece of work under way. `leading` tells whether this caller started it."""

    future: "Future[T]"
    leading: bool


class Coalescer:
    """Runs work once for everybody who wants it at the same time."""

    def __init__(self, leases: "Leases | Alone", capacity: int = 64) -> None:
        """`capacity` bounds the flights of this process, those included that wait for another process."""
        self._leases = leases
        self._capacity = capacity
        self._flights: dict[str, Future[Any]] = {}
        self._threads: set[threading.Thread] = set()
        self._lock = threading.Lock()

    def join(self, key: str, work: Callable[[], T], recall: Callable[[], T | None], patience: float) -> Flight[T]:
        """Join the flight of `key`, or start one that ends within `patience` seconds or fails with TimeoutError.

        Raises OverCapacity. `work` makes the result; `recall` fetches what another process made meanwhile, or None, or
        raises its error.
        """
        with self._lock:
            under_way = self._flights.get(key)
            if under_way is not None:
                return Flight(under_way, leading=False)
            if len(self._flights) >= self._capacity:
                raise OverCapacity("too much is under way; try again in a few seconds")
            future: Future[T] = Future()
            self._flights[key] = future
        self._start(key, future, work, recall, patience)
        return Flight(future, leading=True)

    def under_way(self, key: str) -> bool:
        """Tell whether anybody works on `key`, here or in another process."""
        with self._lock:
            here = key in self._flights
        return here or self._leases.held(key)

    def _start(
        self, key: str, future: "Future[T]", work: Callable[[], T], recall: Callable[[], T | None], patience: float
    ) -> None:
        run = contextvars.copy_context().run
        arguments = (self._fly, key, future, work, recall, patience)
        thread = threading.Thread(target=run, args=arguments, name=f"flight-{key[:8]}", daemon=True)
        try:
            with self._lock:  # `drain` can wait for none that has not begun
                thread.start()
                self._threads.add(thread)
        except RuntimeError:  # the machine gives no more threads
            self._land(key)
            future.set_exception(OverCapacity("too much is under way; try again in a few seconds"))

    def drain(self, seconds: float) -> None:
        """Wait for what is under way and what its landing sets off, at most `seconds`: a process that ends throws
        nothing away.
        """
        end = time.monotonic() + seconds
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join(max(end - time.monotonic(), 0))

    def _fly(
        self, key: str, future: "Future[T]", work: Callable[[], T], recall: Callable[[], T | None], patience: float
    ) -> None:
        try:
            result = self._lead_or_follow(key, work, recall, time.monotonic() + patience)
        except BaseException as err:  # noqa: BLE001 - it is raised where somebody waits for it
            if not isinstance(err, (ThumbnailError, TimeoutError)):
                _log.exception("unexpected_error", error=type(err).__name__)  # perhaps nobody waits
            self._land(key)
            future.set_exception(err)
        else:
            self._land(key)
            future.set_result(result)
        with self._lock:
            self._threads.discard(threading.current_thread())

    def _land(self, key: str) -> None:
        with self._lock:
            del self._flights[key]

    def _lead_or_follow(self, key: str, work: Callable[[], T], recall: Callable[[], T | None], deadline: float) -> T:
        while True:
            lease = self._leases.take(key)
            if lease.ours:
                try:
                    return work()
                finally:
                    self._leases.release(lease)
            self._leases.wait(lease, deadline)
            result = recall()
            if result is not None:
                return result
            if time.monotonic() >= deadline:
                raise TimeoutError


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on `key`, held by whoever knows `token`; `shared` says that other processes know of it."""

    key: str
    token: str
    ours: bool
    shared: bool = True

    @property
    def name(self) -> str:
        return f"thumb:lease:{{{self.key}}}"  # the braces keep both names in one slot of a cluster

    @property
    def done(self) -> str:
        return f"thumb:done:{{{self.key}}}:{self.token}"


class Alone:
    """No leases: for work that each process does for itself."""

    def take(self, key: str) -> Lease:
        return Lease(key, "", ours=True, shared=False)

    def held(self, key: str) -> bool:  # noqa: ARG002 - the others' concern
        return False

    def release(self, lease: Lease) -> None:
        pass

    def wait(self, lease: Lease, deadline: float) -> None:
        pass


class Leases:
    """Leases in Redis, renewed by one thread a process for as long as they are held."""

    def __init__(self, client: "redis.Redis", waiting: "redis.Redis", fuse: Fuse) -> None:
        """`waiting` is a client whose sockets may be silent for as long as a lease lives, and a second more."""
        self._client = client
        self._waiting = waiting
        self._fuse = fuse
        self._renew = client.register_script(_RENEW)
        self._release = client.register_script(_RELEASE)
        self._held: dict[str, Lease] = {}
        self._heart: threading.Thread | None = None
        self._lock = threading.Lock()

    def take(self, key: str) -> Lease:
        """Take the lease, or learn who holds it. Without Redis it is ours, for this process alone."""
        lease = Lease(key, secrets.token_hex(8), ours=True)
        # NX together with GET is understood since Redis 7.0.
        holder, reachable = self._ask(lambda: self._client.set(lease.name, lease.token, nx=True, px=LEASE_MS, get=True))
        if not reachable:
            return Lease(key, lease.token, ours=True, shared=False)
        # Our own token: the first reply was lost, and the question was asked again.
        if isinstance(holder, bytes) and holder.decode() != lease.token:
            return Lease(key, holder.decode(), ours=False)
        self._keep(lease)
        return lease

    def held(self, key: str) -> bool:
        """Tell whether somebody holds the lease."""
        return bool(self._ask(lambda: self._client.exists(Lease(key, "", ours=False).name))[0])

    def release(self, lease: Lease) -> None:
        """Give the lease back and wake everybody who waits for it."""
        with self._lock:
            self._held.pop(lease.name, None)
        if lease.shared:
            self._ask(lambda: self._release(keys=[lease.name, lease.done], args=[lease.token, DONE_SECONDS]))

    def wait(self, lease: Lease, deadline: float) -> None:
        """Sleep until the holder is done, or its lease may have run out, or `deadline` has come."""
        left = int((deadline - time.monotonic()) * 1000)
        life, _ = self._ask(lambda: self._client.pttl(lease.name))
        life = life if isinstance(life, int) and 0 < life <= LEASE_MS else 0
        block = max(min(left, life + 20), 1)
        if not self._ask(lambda: self._waiting.xread({lease.done: "0"}, block=block))[1]:
            time.sleep(0.2)  # Redis will be asked again: not in a busy loop

    def _keep(self, lease: Lease) -> None:
        with self._lock:
            self._held[lease.name] = lease
            if self._heart is None:
                heart = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
                heart.start()
                self._heart = heart

    def _beat(self) -> None:
        """Renew what is held; end when nothing is. Past the fuse: a short silence must not cost what is held."""
        pause = HEARTBEAT_SECONDS
        while True:
            time.sleep(pause)
            with self._lock:
                held = list(self._held.values())
                if not held:
                    self._heart = None
                    return
            pause = HEARTBEAT_SECONDS if self._renew_all(held) else HEARTBEAT_SECONDS / 7

    def _renew_all(self, held: list[Lease]) -> bool:
        try:
            for lease in held:
                self._renew(keys=[lease.name, lease.done], args=[lease.token, LEASE_MS])
        except redis.RedisError as err:
            _log.warning("leases_unreachable", error=type(err).__name__)
            return False
        return True

    def _ask(self, question: Callable[[], T]) -> tuple[T | None, bool]:
        return self._fuse.ask("leases_unreachable", question)
