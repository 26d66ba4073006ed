"""What the safety of the service rests on has every line and every branch tested."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GUARDS = [
    "netguard/guard.py",
    "urls.py",
    "engine/egress/proxy.py",
    "engine/egress/gate.py",
    "engine/egress/listeners.py",
    "engine/egress/lookups.py",
    "engine/outlet/server.py",
    "engine/egress/relay.py",
    "engine/egress/socks.py",
    "engine/egress/upstream.py",
]
TESTS = [
    "tests/unit/netguard/test_netguard.py",
    "tests/unit/urls/test_url_guard.py",
    "tests/engine/egress/test_egress.py",
    "tests/engine/outlet/test_outlet.py",
]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Run the tests of the guards alone, in a process of their own that measures; give coverage's report by file."""
    data, report = (tmp_path_factory.mktemp("coverage") / name for name in ("data", "report.json"))
    coverage = [sys.executable, "-m", "coverage"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE_", "PYTEST_"))}

    def run(*command: str) -> None:
        done = subprocess.run([*coverage, *command], check=False, cwd=ROOT, env=environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]

    run("run", f"--data-file={data}", "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS)
    run("json", f"--data-file={data}", "-o", str(report), f"--include={','.join(GUARDS)}")
    return json.loads(report.read_text())["files"]


def missed(measured):
    """Lines and branches without a test, and lines that were left out on purpose."""
    return [line for kind in ("missing_lines", "missing_branches", "excluded_lines") for line in measured[kind]]


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("module", GUARDS)
def test_every_branch_of_a_guard_is_tested(measured, module):
    assert missed(measured[module]) == []
