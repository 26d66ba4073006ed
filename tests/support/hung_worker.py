"""The real worker, but its first job hangs and ignores the soft time limit."""

import time
from contextlib import suppress
from pathlib import Path

from billiard.exceptions import SoftTimeLimitExceeded

import tasks
import worker

app = worker.app
_attempt = tasks._attempt
_HUNG = Path("hung")  # in the worker's folder, beside its log


def _hang_once(services, run):
    if _HUNG.exists():
        return _attempt(services, run)
    _HUNG.touch()
    while True:
        with suppress(SoftTimeLimitExceeded):
            time.sleep(60)


tasks._attempt = _hang_once
