"""A check that runs once in a while, and whose callers wait for a bounded time."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotDone

LONGEST_SECONDS = 2.5
GOOD_SECONDS = 60.0
BAD_SECONDS = 5.0  # a storage that works again is seen soon


class PacedCheck:
    """Runs `check` at most once in GOOD_SECONDS, or in BAD_SECONDS after it failed; each time in a thread of its own."""

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check
        self._lock = threading.Lock()
        self._last: Future[None] | None = None
        self._began = 0.0

    def require(self) -> None:
        """Raise what the last check raised, or TimeoutError if it has not ended after LONGEST_SECONDS."""
        with self._lock:
            if self._last is None or self._is_due(self._last):
                self._last, self._began = _start(self._check), time.monotonic()
            last, left = self._last, self._began + LONGEST_SECONDS - time.monotonic()
        try:
            last.result(max(left, 0))
        except NotDone:
            raise TimeoutError from None

    def _is_due(self, last: "Future[None]") -> bool:
        if not last.done():
            return False
        return time.monotonic() - self._began >= (BAD_SECONDS if last.exception() else GOOD_SECONDS)


def _start(check: Callable[[], None]) -> "Future[None]":
    """Run `check` in a thread that keeps no process from ending."""
    future: Future[None] = Future()

    def run() -> None:
        try:
            check()
        except Exception as err:  # noqa: BLE001 - raised by `result`
            future.set_exception(err)
        else:
            future.set_result(None)

    threading.Thread(target=run, name="storage check", daemon=True).start()
    return future
