"""Ends a benchmark through every `with`, so that all that it has started ends too."""

import signal
import sys

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def exit_at_signals() -> None:
    """Exit at Ctrl-C, SIGTERM or SIGHUP, once: whatever comes after the first does not interrupt the tidying up."""
    for number in ENDING:
        signal.signal(number, _exit)


def _exit(number: int, _frame: object) -> None:
    for each in ENDING:
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)
