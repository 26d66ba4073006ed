"""A line or a branch of a guard that its tests leave out fails the run. Shown by runs over a guard of ten lines."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
CONFTEST = """
from pathlib import Path
from tests.support.guard_coverage import GuardCoverage

MEASURED = GuardCoverage(Path(__file__).parent, ["door.py"], ["test_door.py"])

def pytest_configure(config):
    config.pluginmanager.register(MEASURED)
"""
DOOR = """
def admitted(age):
    if age < 18:
        return False
    if age > 120:
        age = 120
    return True

def unused(): pass  # pragma: no cover
"""
TESTS = """
from door import admitted

def test_a_child_is_not_admitted():
    assert not admitted(17)

def test_an_adult_is_admitted():
    assert admitted(18)
"""
REST = """
def test_a_mummy_is_admitted():
    assert admitted(3000)
"""
BRANCH, LINE, EXCLUDED = "door.py:5, a branch", "door.py:6, a line", "door.py:9, an excluded line"


@pytest.fixture
def run(tmp_path):
    """Run pytest on files of a project; return its exit status and the lines that it reports as untested."""

    def run_(*how, door=DOOR, tests=TESTS, **others):
        for name, text in {"conftest": CONFTEST, "door": door, "test_door": tests, **others}.items():
            (tmp_path / f"{name}.py").write_text(text)
        command = [sys.executable, "-m", "pytest", "-p", "xdist", "-p", "no:cacheprovider", "-c", "/dev/null", *how]
        env = os.environ | {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        done = subprocess.run(command, check=False, cwd=tmp_path, env=env, capture_output=True, text=True)
        told = [line.removeprefix("NOT TESTED: ") for line in done.stdout.splitlines() if line.startswith("NOT TESTED")]
        return done.returncode, told

    return run_


@pytest.mark.parametrize("processes", ["0", "2"])
def test_untested_lines_fail_the_run_and_are_listed(run, processes):
    assert run("-n", processes) == (pytest.ExitCode.TESTS_FAILED, [LINE, BRANCH, EXCLUDED])


def test_a_guard_that_is_tested_whole_passes(run):
    assert run(door=DOOR.partition("def unused")[0], tests=TESTS + REST) == (pytest.ExitCode.OK, [])


def test_lines_that_only_other_tests_run_count_as_untested(run):
    elsewhere = TESTS.partition("def")[0] + REST
    assert run(test_elsewhere=elsewhere) == (pytest.ExitCode.TESTS_FAILED, [LINE, BRANCH, EXCLUDED])


@pytest.mark.parametrize(
    "how", [("-k", "child"), ("test_door.py::test_an_adult_is_admitted",), ("test_elsewhere.py",)], ids=str
)
def test_a_run_of_some_tests_is_not_judged(run, how):
    assert run(*how, test_elsewhere=TESTS) == (pytest.ExitCode.OK, [])


def test_a_run_that_failed_is_not_judged(run):
    assert run(tests=TESTS + REST.replace("assert", "assert not")) == (pytest.ExitCode.TESTS_FAILED, [])
