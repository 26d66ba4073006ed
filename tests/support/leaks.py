"""A pytest plugin that searches all logs of a test run for secrets. A secret in a log fails the run.

It searches the output that pytest captures, and the output that tests capture by `capsys`, `capfd` or structlog's
`capture_logs`. Tests that read a process's output call `search`. Log files of processes are `watched`.
"""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path

import pytest
from structlog.testing import LogCapture

import access
from access import signatures

# Keys and signatures of the tests, and words in the queries of targets. None may ever appear in a log.
SECRETS = (
    "sk_live_test",
    "sk_live_0123456789abcdef",
    "correct-horse",
    "battery-staple",
    "the-new-signing-key",
    "an-old-signing-key",
    "a-signing-key-for-fuzz",
    "a-signing-key-of-the-docs",
    "a-signing-key-of-tests",
    "an-s3-key-of-the-tests",
    "fuzz-me-not-please",
    "plainkey99",
    "hunter22",
    "s3cret",
    "whsec_",
    "&sig=",
    "X-Amz-Signature=",
)
SIGNATURE = re.compile("[0-9a-f]{64}")
_SIGNED: set[str] = set()  # all signatures that this process has made, to sign a URL or to check one
_FOUND: list[str] = []


def search(text: str, where: str = "") -> None:
    """Search `text`, a part of a log, for secrets. `where` is its source, by default the running test."""
    where = where or os.environ.get("PYTEST_CURRENT_TEST", "")
    _FOUND.extend(f"{where}: {secret}" for secret in SECRETS if secret in text)
    _FOUND.extend(f"{where}: a signature, {word}" for word in _SIGNED.intersection(SIGNATURE.findall(text)))


@contextmanager
def watched(*logs: Path) -> Iterator[None]:
    """Search the log files of a process when the block ends, since their folder may be removed soon after."""
    try:
        yield
    finally:
        for path in logs:
            search(path.read_text(errors="replace") if path.exists() else "")


def pytest_runtest_logreport(report):
    for name, text in report.sections:
        search(text, f"{report.nodeid} ({name})")


def pytest_sessionfinish(session):
    output = getattr(session.config, "workeroutput", None)
    if output is not None:  # a worker of pytest-xdist, whose controller reports
        output["secrets"] = _FOUND
    if _FOUND:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    _FOUND.extend(getattr(node, "workeroutput", {}).get("secrets", []))


def pytest_terminal_summary(terminalreporter):
    for found in dict.fromkeys(_FOUND):
        terminalreporter.write_line(f"SECRET IN A LOG: {found}", red=True)


def _searched_output(readouterr):
    @wraps(readouterr)
    def read(self):
        captured = readouterr(self)
        for stream in captured:
            search(stream if isinstance(stream, str) else stream.decode(errors="replace"))
        return captured

    return read


def _searched_event(capture):
    @wraps(capture)
    def keep(self, logger, method_name, event_dict):
        search(json.dumps(event_dict, default=repr, ensure_ascii=False))
        return capture(self, logger, method_name, event_dict)

    return keep


def _remembered(sign):
    @wraps(sign)
    def signed(key, options):
        made = sign(key, options)
        _SIGNED.add(made)
        return made

    return signed


def pytest_configure():
    access.sign = signatures.sign = _remembered(signatures.sign)  # before the tests import it
    pytest.CaptureFixture.readouterr = _searched_output(pytest.CaptureFixture.readouterr)
    LogCapture.__call__ = _searched_event(LogCapture.__call__)
