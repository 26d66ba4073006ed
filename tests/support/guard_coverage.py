"""A pytest plugin: the tests of the guards must run every line and branch of them, or the test run fails.

It measures coverage during these tests, in every process, and judges only if all of them ran and passed.
"""

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

import coverage
import pytest


class GuardCoverage:
    """Measures the guards. Must be created before any other import of them, since import-time lines run only once."""

    def __init__(self, root: Path, guards: Iterable[str], tests: Iterable[str]) -> None:
        self._guards = {str(root / guard): guard for guard in guards}
        self._tests = {root / test for test in tests}
        self._coverage = coverage.Coverage(data_file=None, config_file=False, branch=True, include=[*self._guards])
        self._whole = False
        self._deselected = False
        self.missed: list[str] = []
        self._coverage.start()
        for guard in self._guards.values():
            import_module(guard.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
        self._coverage.stop()

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        self._deselected |= any(item.path in self._tests for item in items)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        parts = any("::" in arg for arg in session.config.args) or session.config.getoption("collectonly")
        self._whole = self._tests <= {item.path for item in session.items} and not parts and not self._deselected

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        if item.path not in self._tests:
            return (yield)
        self._coverage.start()
        try:
            return (yield)
        finally:
            self._coverage.stop()

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        output = getattr(session.config, "workeroutput", None)
        if output is not None:  # a worker of pytest-xdist, whose controller judges
            data = self._coverage.get_data()
            output["guards"] = self._whole, {guard: data.arcs(guard) or [] for guard in self._guards}
        elif self._whole and session.exitstatus == pytest.ExitCode.OK:
            self.missed = [line for guard in self._guards for line in self._missed_of(guard)]
            if self.missed:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self._whole, arcs = getattr(node, "workeroutput", {}).get("guards", (False, {}))
        self._coverage.get_data().add_arcs(arcs)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in self.missed:
            terminalreporter.write_line(f"NOT TESTED: {line}", red=True)

    def _missed_of(self, guard: str) -> Iterable[str]:
        _, _, excluded, missing, _ = self._coverage.analysis2(guard)
        branches = [line for line, (all_, taken) in self._coverage.branch_stats(guard).items() if taken < all_]
        for what, lines in (("a line", missing), ("a branch", branches), ("an excluded line", excluded)):
            yield from (f"{self._guards[guard]}:{line}, {what}" for line in lines)
