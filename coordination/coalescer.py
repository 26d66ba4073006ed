"""Coalescing: of all callers that want the same result at a time, one leads and does the work, and all get its result.

Inside a process the work runs in a separate thread, a flight, and each caller waits for its future as long as it wants.
Between processes, a lease decides which one leads.
"""

import contextvars
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog

from coordination.leases import Holder, LeaseSource
from errors import OverCapacity, ThumbnailError
from telemetry import metrics

T = TypeVar("T")
_FULL = "too much work is in progress; try again in a few seconds"
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Flight(Generic[T]):
    """Work in progress. `leading` is true for the caller that started it."""

    future: "Future[T]"
    leading: bool


@dataclass(frozen=True, slots=True)
class Work(Generic[T]):
    """How to get a result: `lead` makes it; `follow` fetches another process's result (None if there is none), or raises."""

    lead: Callable[[], T]
    follow: Callable[[], T | None]
    before_waiting: Callable[[], object] = lambda: None  # for another process


@dataclass(frozen=True, slots=True)
class FlightState:
    """Whether work is in progress: `here`, in this process, or `elsewhere`. `holder` leads it, None if that is not known."""

    here: bool
    elsewhere: bool
    holder: Holder | None


class Coalescer:
    """Does work once for all callers that want it at the same time."""

    def __init__(self, leases: LeaseSource, capacity: int = 64, work: str = "capture") -> None:
        """`capacity` bounds the flights of this process, those that wait for another process included.

        `work` says what is done, for the metrics.
        """
        self._work = work
        self._leases = leases
        self._capacity = capacity
        self._flights: dict[str, Future[Any]] = {}
        self._threads: set[threading.Thread] = set()
        self._lock = threading.Lock()

    def join(self, key: str, work: Work[T], timeout: float) -> Flight[T]:
        """Join the flight of `key`, or start one. It ends within `timeout` seconds or fails with TimeoutError.

        Raises OverCapacity.
        """
        with self._lock:
            in_progress = self._flights.get(key)
            if in_progress is not None:
                metrics.COALESCED.add(self._work, "here")
                return Flight(in_progress, leading=False)
            if len(self._flights) >= self._capacity:
                raise OverCapacity(_FULL)
            future: Future[T] = Future()
            self._flights[key] = future
        context = contextvars.copy_context()
        arguments = (self._fly, key, future, work, timeout)
        thread = threading.Thread(target=context.run, args=arguments, name=f"flight-{key[:8]}", daemon=True)
        try:
            with self._lock:  # `drain` cannot join a thread that has not started
                thread.start()
                self._threads.add(thread)
        except RuntimeError:  # the machine has no more threads
            self._remove(key)
            future.set_exception(OverCapacity(_FULL))
        return Flight(future, leading=True)

    def is_in_progress(self, key: str) -> bool:
        """Return whether this or another process works on `key`."""
        with self._lock:
            here = key in self._flights
        return here or self._leases.is_held(key)

    def describe(self, key: str) -> FlightState:
        """Tell who works on `key`. Joins nothing."""
        with self._lock:
            here = key in self._flights
        return FlightState(here, not here and self._leases.is_held(key), self._leases.holder(key))

    def drain(self, seconds: float) -> None:
        """Wait at most `seconds` for all flights and their callbacks, so that a process that ends loses no work."""
        end = time.monotonic() + seconds
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join(max(end - time.monotonic(), 0))

    def _fly(self, key: str, future: "Future[T]", work: Work[T], timeout: float) -> None:
        try:
            result = self._lead_or_follow(key, work, time.monotonic() + timeout)
        except BaseException as err:  # noqa: BLE001 - the future raises it for every caller that waits
            if not isinstance(err, (ThumbnailError, TimeoutError)):
                _log.exception("unexpected_error", error=type(err).__name__)  # there may be no caller left
            self._remove(key)
            future.set_exception(err)
        else:
            self._remove(key)
            future.set_result(result)
        with self._lock:
            self._threads.discard(threading.current_thread())

    def _lead_or_follow(self, key: str, work: Work[T], deadline: float) -> T:
        while True:
            lease = self._leases.acquire(key)
            if lease.ours:
                try:
                    return work.lead()
                finally:
                    self._leases.release(lease)
            metrics.COALESCED.add(self._work, "elsewhere")
            work.before_waiting()
            self._leases.wait(lease, deadline)
            result = work.follow()
            if result is not None:
                return result
            if time.monotonic() >= deadline:
                raise TimeoutError

    def _remove(self, key: str) -> None:
        with self._lock:
            del self._flights[key]
