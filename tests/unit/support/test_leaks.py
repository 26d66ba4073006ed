"""A secret in any log fails the test run. These tests start runs that log one on purpose."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from access import sign

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
LOGGED = r"""
import json, logging, os, subprocess, sys
import structlog
from structlog.testing import capture_logs
from tests.support import leaks

def test_printed():
    print("sk_live_test")

def test_taken_by_capsys(capsys):
    print("sk_live_test", file=sys.stderr)
    capsys.readouterr()

def test_taken_by_capfd(capfd):
    os.write(1, b"sk_live_test")
    capfd.readouterr()

def test_taken_by_capfdbinary(capfdbinary):
    os.write(2, b"\xff sk_live_test")
    capfdbinary.readouterr()

def test_left_in_capsys(capsys):
    print("sk_live_test")

def test_logged_and_cleared(caplog):
    logging.getLogger("some.library").warning("sk_live_test")
    caplog.clear()

def test_taken_from_structlog():
    with capture_logs():
        structlog.get_logger().info("event", error=ValueError("sk_live_test"))

def test_written_to_a_file(tmp_path):
    log = tmp_path / "planted.log"
    with leaks.watched(tmp_path / "never-written.log", log):
        log.write_text("sk_live_test")
    log.unlink()

def test_read_from_a_process():
    leaks.search("sk_live_test")
"""
KEYS = ("a-signing-key-for-fuzz", "a-signing-key-of-the-docs", "a-signing-key-of-tests", "an-s3-key-of-the-tests")
CHECKED = sign("a-key", [("url", "https://example.com/")])
OF_KINDS = f"""
from contextlib import suppress
import pytest
from access import signatures
from errors import BadSignature

def test_a_signature_that_was_made():
    print("sig=" + signatures.sign("another-key", [("url", "https://example.com/")]))

def test_a_signature_that_was_checked():
    with suppress(BadSignature):
        signatures.require_signature(("a-key",), b"url=https://example.com/", None)
    print("{CHECKED}")
""" + "".join(f"\ndef test_key_{number}():\n    print('{key}')\n" for number, key in enumerate(KEYS))
PLANTED = LOGGED + OF_KINDS
NAMES = [line.removeprefix("def ").partition("(")[0] for line in PLANTED.splitlines() if line.startswith("def ")]


def run(folder, source, *how):
    (folder / "test_planted.py").write_text(source)
    command = [sys.executable, "-m", "pytest", "-p", "tests.support.leaks", "-c", "/dev/null", "--rootdir", str(folder)]
    env = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # they take longer to load than these tests to run
    return subprocess.run([*command, *how, str(folder)], check=False, cwd=ROOT, env=env, capture_output=True, text=True)


@pytest.fixture(scope="module", params=[(), ("-p", "xdist", "-n", "1")], ids=["one process", "two processes"])
def planted(request, tmp_path_factory):
    return run(tmp_path_factory.mktemp("planted"), PLANTED, *request.param)


@pytest.mark.parametrize("name", NAMES)
def test_a_planted_secret_is_found(planted, name):
    told = [line for line in planted.stdout.splitlines() if line.startswith("SECRET IN A LOG")]
    assert [line for line in told if f"::{name} (" in line]


def test_a_run_that_logs_a_secret_fails_although_its_tests_pass(planted):
    assert f"{len(NAMES)} passed" in planted.stdout
    assert planted.returncode == pytest.ExitCode.TESTS_FAILED


def test_a_run_that_logs_no_secret_passes(tmp_path):
    done = run(tmp_path, LOGGED.replace("sk_live_test", f"nothing {CHECKED}"))
    assert (done.returncode, "SECRET" in done.stdout) == (pytest.ExitCode.OK, False)
