"""Several engines as one: each capture goes to the least busy one, and to another one if that fails or is full.

An engine that does not answer, or is about to stop, is left alone for a while. Each process finds out for itself. A page
that seems to take engines down is given up, before it has taken all.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from capture.call import NO_CALLER, CaptureCall
from capture.client import LEAST_TRY, TRIES, AddressState, CaptureClient, full_jitter, pause_before
from capture.outcomes import CRASHER, LATE, CallFailure
from capture.responses import Screenshot
from errors import CostLimited, OverCapacity, RateLimited, UpstreamUnavailable
from options import CaptureOptions
from telemetry import metrics

AWAY_SECONDS = 5.0  # for so long an engine is left alone, before it is looked at again
MOST_CRASHES = 2  # engines that one page may take down
_LEFT_TO_OTHERS = 1 / 3  # of the time, by an engine that does not answer
_log = structlog.get_logger()


class Engine:
    """One engine as this process knows it."""

    def __init__(self, client: CaptureClient) -> None:
        self.client = client
        self.away_until: float | None = None  # monotonic; None while it works
        self.used_at = 0.0


class Engines:
    """Has the interface of a `CaptureClient`. The threads of a process share one instance."""

    def __init__(
        self,
        clients: Sequence[CaptureClient],
        *,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[float], float] = full_jitter,
        away_seconds: float = AWAY_SECONDS,
    ) -> None:
        self._engines = [Engine(client) for client in clients]
        self._one = clients[0]
        self._sleep = sleep
        self._jitter = jitter
        self._away_seconds = away_seconds
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self._one.name

    @property
    def is_ours(self) -> bool:
        return self._one.is_ours

    @property
    def reads_pages(self) -> bool:
        return self._one.reads_pages

    def require_expressible(self, options: CaptureOptions) -> None:
        """Raise `InvalidOption` if engines cannot express the options. No I/O."""
        self._one.require_expressible(options)

    def capture(self, options: CaptureOptions, *, timeout: float, call: CaptureCall = NO_CALLER) -> Screenshot:
        """Take the picture within `timeout` seconds, by one engine after the other, in up to three rounds.

        Raises as `CaptureClient.capture`. An error is the engines' fault only if all of them have failed.
        """
        deadline = time.monotonic() + timeout
        self.require_expressible(options)
        call.count()
        failure = CallFailure(LATE)
        for attempt in range(1, TRIES + 1):
            answer = self._ask_each(options, deadline, call, attempt)
            if isinstance(answer, Screenshot):
                return answer
            failure = answer
            if call.hands_over and failure.outcome.hands_over:
                break
            pause = pause_before(failure, attempt + 1, self._jitter)
            if attempt == TRIES or pause is None or pause + LEAST_TRY > deadline - time.monotonic():
                break
            self._sleep(pause)
            try:
                call.count()
            except (RateLimited, CostLimited):
                break
        raise failure.to_error()

    def describe(self) -> tuple[AddressState, ...]:
        """Tell operators what this process knows of each engine. No call."""
        with self._lock:
            return tuple(
                replace(state, away=each.away_until is not None)
                for each in self._engines
                for state in each.client.describe()
            )

    def ping(self) -> bool:
        """Return whether one of the engines responds."""
        return any(each.client.ping() for each in self._engines)

    def close(self) -> None:
        for each in self._engines:
            each.client.close()

    def _ask_each(
        self, options: CaptureOptions, deadline: float, call: CaptureCall, attempt: int
    ) -> Screenshot | CallFailure:
        """Ask the engines until one has an answer about the page. Each try but the first is counted.

        The failure is that of a full engine if there is one: its retry may help sooner than one of those that are away.
        """
        failures: list[CallFailure] = []
        untried, crashes = list(self._engines), 0
        while untried:
            left = deadline - time.monotonic()
            engine = self._choose(untried)
            full = [each for each in failures if each.outcome.error is OverCapacity]
            if (failures and left < LEAST_TRY) or (full and engine.away_until is not None):
                break  # an engine that is away may not answer at all: only for want of any other is it asked
            untried.remove(engine)
            if failures:
                try:
                    call.count()
                except (RateLimited, CostLimited):
                    break
            until = left * (1 - _LEFT_TO_OTHERS) if untried else left
            answer = engine.client.try_once(options, until, call, attempt)
            if isinstance(answer, CallFailure):
                answer = engine.client.judge(answer)
            if isinstance(answer, Screenshot) or not answer.outcome.hands_over:
                self._welcome(engine)
                return answer
            failures.append(answer)
            self._avoid_if_broken(engine, answer)
            crashes += answer.lost and not engine.client.ping()
            if crashes == MOST_CRASHES:
                return CallFailure(CRASHER)
        return next((each for each in failures if each.outcome.error is OverCapacity), failures[-1])

    def _choose(self, engines: Sequence[Engine]) -> Engine:
        """Return the least busy engine that works, or else the one that may be back first."""
        now = time.monotonic()
        with self._lock:
            for each in engines:
                if each.away_until is not None and each.away_until <= now:
                    each.away_until = now + self._away_seconds
                    threading.Thread(target=self._look, args=(each,), name="engine-look", daemon=True).start()
            chosen = min(engines, key=lambda each: (each.away_until or 0, each.client.busyness, each.used_at))
            chosen.used_at = now
            return chosen

    def _look(self, engine: Engine) -> None:
        """Take an engine back if it responds. No caller waits for this."""
        if engine.client.ping():
            self._welcome(engine)

    def _welcome(self, engine: Engine) -> None:
        with self._lock:
            was_away, engine.away_until = engine.away_until is not None, None
        if was_away:
            _log.info("engine_back", address=engine.client.address)

    def _avoid_if_broken(self, engine: Engine, failure: CallFailure) -> None:
        """Leave an engine alone for a while if the next capture would fail there too."""
        if failure.outcome is not LATE and not issubclass(failure.outcome.error, UpstreamUnavailable):
            return
        with self._lock:
            was_here, engine.away_until = engine.away_until is None, time.monotonic() + self._away_seconds
        if was_here:
            metrics.ENGINES_LEFT.add()
            _log.warning(
                "engine_away",
                address=engine.client.address,
                reason=failure.code or failure.text or failure.outcome.error.code,
            )
