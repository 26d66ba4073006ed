"""The circuit breaker on the screenshot API: while it is down, nobody waits for it and nobody is charged.

Our own, since of the libraries one holds a lock during the call (one capture at a time) and the other is bound to an
old Redis client. The state is shared in Redis; where that cannot be reached, each process has its own.
"""

import json
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import redis
import structlog

from coordination.redis_breaker import Fuse
from errors import CaptureError, ThumbnailError, UpstreamQuota, UpstreamUnavailable

THRESHOLD = 5  # failures of the API in a row
OPEN_SECONDS = 30
LONGEST_OPEN = 3600
PROBE_SECONDS = 60  # for how long one probe keeps others from probing too

_FAILURES, _OPEN, _PROBE = "thumb:breaker:failures", "thumb:breaker:open", "thumb:breaker:probe"
T = TypeVar("T")
_log = structlog.get_logger()


class Breaker:
    def __init__(self, client: "redis.Redis", fuse: Fuse, clock: Any = time.time) -> None:
        self._client = client
        self._fuse = fuse
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._open: dict[str, Any] | None = None
        self._shared = True  # false where others could not be told: a Redis that is full or read-only

    def require_open(self) -> None:
        """Raise UpstreamUnavailable or UpstreamQuota while nobody is let through; take nobody's turn."""
        state = self._state()
        if state is not None and state["until"] > self._clock():
            raise self._refusal(state)

    def check(self) -> None:
        """Let a capture through, or raise UpstreamUnavailable or UpstreamQuota at once.

        When the time is up, one caller is let through as the probe.
        """
        state = self._state()
        if state is not None and (state["until"] > self._clock() or not self._may_probe()):
            raise self._refusal(state)

    def _refusal(self, state: dict[str, Any]) -> ThumbnailError:
        kind = UpstreamQuota if state["code"] == UpstreamQuota.code else UpstreamUnavailable
        left = max(int(state["until"] - self._clock()), 1)
        return kind(
            "the screenshot API is not available at the moment",
            retry_after=left,
            upstream=True,
            lasting=state.get("lasting", False),
            tried=False,
        )

    def let_go(self) -> None:
        """Give the probe's turn to another: this caller will not capture after all."""
        self._ask(lambda: self._client.delete(_PROBE))

    def note(self, err: ThumbnailError | None) -> None:
        """Learn how a capture ended: None, or its error. A page's own fault says nothing of the API."""
        if isinstance(err, UpstreamQuota):
            self._trip(err)
        elif isinstance(err, CaptureError) and err.upstream:
            if self._count() >= THRESHOLD or self._state() is not None:
                self._trip(err)
        else:
            self._reset()

    def _state(self) -> dict[str, Any] | None:
        value, reachable = self._ask(lambda: self._client.get(_OPEN))
        if isinstance(value, bytes):
            return dict(json.loads(value))
        return None if reachable and self._shared else self._open

    def _may_probe(self) -> bool:
        won, reachable = self._ask(lambda: self._client.set(_PROBE, "1", nx=True, ex=PROBE_SECONDS))
        if reachable:
            return bool(won)
        with self._lock:  # the first to come pushes the others' turn into the future
            if self._open is not None and self._open["until"] <= self._clock():
                self._open["until"] = self._clock() + PROBE_SECONDS
                return True
        return False

    def _count(self) -> int:
        with self._lock:
            self._failures += 1
        with self._client.pipeline() as pipe:
            pipe.incr(_FAILURES)
            pipe.expire(_FAILURES, LONGEST_OPEN)
            answers, _ = self._ask(pipe.execute)
        return int(answers[0]) if answers else self._failures

    def _trip(self, err: CaptureError) -> None:
        seconds = min(max(err.retry_after or 0, OPEN_SECONDS), LONGEST_OPEN)
        state = {"code": err.code, "lasting": err.lasting, "until": self._clock() + seconds}
        self._open = state
        _log.error("breaker_open", reason=err.code, seconds=seconds)
        # The state outlives its time: until a probe succeeds, only probes go through.
        with self._client.pipeline() as pipe:
            pipe.set(_OPEN, json.dumps(state), ex=2 * LONGEST_OPEN)
            pipe.delete(_PROBE)
            self._shared = self._ask(pipe.execute)[1]

    def _reset(self) -> None:
        with self._lock:
            known, self._failures, self._open, self._shared = self._failures or self._open, 0, None, True
        deleted, _ = self._ask(lambda: self._client.delete(_FAILURES, _OPEN, _PROBE))
        if deleted and known:
            _log.info("breaker_closed")

    def _ask(self, question: Callable[[], T]) -> tuple[T | None, bool]:
        return self._fuse.ask("breaker_unreachable", question)
