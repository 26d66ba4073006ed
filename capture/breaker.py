"""The circuit breaker on a screenshot API: while the API is down, no caller waits for it and none is charged.

Written here, since one library holds a lock during each call, and the other requires an old Redis client.
Processes share the state in Redis. While Redis cannot be reached, each process has its own.
"""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import structlog

from coordination import StateRedis
from errors import CaptureError, ThumbnailError, UpstreamQuota, UpstreamUnavailable
from telemetry import metrics

THRESHOLD = 5  # failures of the API in a row
OPEN_SECONDS = 5  # a probe is one call, and an API that was restarted is to be used within ten seconds
LONGEST_OPEN = 3600
PROBE_SECONDS = 60  # for so long, one probe keeps other callers from probing
LOOK_SECONDS = 15  # metrics show an open breaker for this much longer, or a scrape every ten seconds might miss it
TRUST_SECONDS = 3.0

T = TypeVar("T")
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class BreakerState:
    """Whether the breaker is `closed`, `open` for some `seconds`, or `probing`, so that one caller at a time is let through.

    `failures` were counted in a row; `code` is of the failure that has opened it.
    """

    state: str
    failures: int
    code: str = ""
    seconds: int = 0


class CircuitBreaker:
    def __init__(self, state: StateRedis, api: str, clock: Callable[[], float] = time.time) -> None:
        """`api` names the screenshot API; `clock` gives Unix seconds."""
        self._api = api
        self._client = state.client
        self._keys = state.keys
        self._redis_breaker = state.breaker
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._open: dict[str, Any] | None = None
        self._read_at = 0.0
        self._counted = True  # false if the failures of this process are not in Redis
        self._shared = True  # false where Redis was full or read-only, so that other processes do not know the state

    def require_closed(self, *, reload: bool = True) -> None:
        """Raise UpstreamUnavailable or UpstreamQuota if the breaker is open. Claims no probe.

        Without `reload`, the state that this process knows counts. This costs no call to Redis while the breaker is
        closed, and one every few seconds while it is open.
        """
        state = self._open
        if reload or (state is not None and time.monotonic() - self._read_at > TRUST_SECONDS):
            state = self._state()
        if state is not None and state["until"] > self._clock():
            raise self._refusal(state)

    def is_open(self) -> bool:
        """Return whether callers are kept from the API, or were within the last LOOK_SECONDS.

        Once the open time has passed, it is not open, even if no call comes: the next caller is let through.
        """
        state = self._state()
        if state is None:
            return False
        if state["until"] > self._clock() - LOOK_SECONDS:
            return True
        probe = self._keys.breaker_probe(self._api)
        return bool(self._call(lambda: self._client.exists(probe))[0])

    def describe(self) -> BreakerState:
        """Tell operators the state. Claims no probe."""
        state = self._state()
        if state is None:
            return BreakerState("closed", self._failures)
        left = state["until"] - self._clock()
        return BreakerState("open" if left > 0 else "probing", self._failures, state["code"], max(int(left), 0))

    def admit(self) -> None:
        """Let one capture through, or raise UpstreamUnavailable or UpstreamQuota at once.

        When the open time has passed, one caller is let through as the probe.
        """
        state = self._state()
        if state is not None and (state["until"] > self._clock() or not self._may_probe()):
            raise self._refusal(state)

    def cancel(self) -> None:
        """Let another caller probe: the one that was admitted does not capture after all."""
        if self._open is not None:
            self._call(lambda: self._client.delete(self._keys.breaker_probe(self._api)))

    def record(self, err: ThumbnailError | None) -> None:
        """Record how a capture ended: None, or its error. An error of the page says nothing about the API."""
        if isinstance(err, UpstreamQuota):
            self._trip(err)
        elif isinstance(err, CaptureError) and err.upstream:
            if self._count() >= THRESHOLD or self._open is not None:
                self._trip(err)
        else:
            self._reset()

    def _refusal(self, state: dict[str, Any]) -> ThumbnailError:
        kind = UpstreamQuota if state["code"] == UpstreamQuota.code else UpstreamUnavailable
        return kind(
            "the screenshot API is not available; try again later",
            retry_after=max(int(state["until"] - self._clock()), 1),
            upstream=True,
            lasting=state.get("lasting", False),
            tried=False,
        )

    def _state(self) -> dict[str, Any] | None:
        """Read the open state that all processes share, and whether there are failures to forget at the next success."""
        names = [self._keys.breaker_open(self._api), self._keys.breaker_failures(self._api)]
        values, _ = self._call(lambda: cast("list[bytes | None]", self._client.mget(names)))
        if values is not None:
            shared = dict(json.loads(values[0])) if values[0] else None
            with self._lock:
                # A Redis that is full or read-only has not taken what this process knows: the later state holds.
                if shared is None:
                    self._open = None if self._shared else self._open
                elif self._open is None or shared["until"] >= self._open["until"]:
                    self._open = shared
                if self._counted:
                    self._failures = int(values[1] or 0)
        self._read_at = time.monotonic()
        return self._open

    def _may_probe(self) -> bool:
        won, reachable = self._call(
            lambda: self._client.set(self._keys.breaker_probe(self._api), "1", nx=True, ex=PROBE_SECONDS)
        )
        if reachable:
            return bool(won)
        with self._lock:  # the first caller of this process delays the next probe
            if self._open is not None and self._open["until"] <= self._clock():
                self._open["until"] = self._clock() + PROBE_SECONDS
                return True
        return False

    def _count(self) -> int:
        with self._lock:
            self._failures += 1
        with self._client.pipeline() as pipe:
            pipe.incr(self._keys.breaker_failures(self._api))
            pipe.expire(self._keys.breaker_failures(self._api), LONGEST_OPEN)
            answers, self._counted = self._call(pipe.execute)
        return int(answers[0]) if answers else self._failures

    def _trip(self, err: CaptureError) -> None:
        seconds = min(max(err.retry_after or 0, OPEN_SECONDS), LONGEST_OPEN)
        state = {"code": err.code, "lasting": err.lasting, "until": self._clock() + seconds}
        self._open = state
        metrics.BREAKER_TRIPS.add(self._api)
        _log.error("breaker_open", api=self._api, reason=err.code, seconds=seconds)
        # The state is kept after `until`, so that only probes are admitted until one of them succeeds.
        with self._client.pipeline() as pipe:
            pipe.set(self._keys.breaker_open(self._api), json.dumps(state), ex=2 * LONGEST_OPEN)
            pipe.delete(self._keys.breaker_probe(self._api))
            self._shared = self._call(pipe.execute)[1]

    def _reset(self) -> None:
        """Forget failures. Those that another process counted during this capture stay until the next success."""
        with self._lock:
            known, self._failures, self._open, self._shared = self._failures or self._open, 0, None, True
        if known:
            names = (
                self._keys.breaker_failures(self._api),
                self._keys.breaker_open(self._api),
                self._keys.breaker_probe(self._api),
            )
            if self._call(lambda: self._client.delete(*names))[0]:
                _log.info("breaker_closed", api=self._api)

    def _call(self, command: Callable[[], T]) -> tuple[T | None, bool]:
        return self._redis_breaker.call("breaker_unreachable", command)
