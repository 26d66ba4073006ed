"""The engine where Linux's own calls, /proc and namespaces are absent, as on macOS: `tests/support/darwin` stands for it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.browser.members import listed_members, members_of
from tests.engine.conftest import small_engine
from tests.engine.page.test_options import GREEN, body, colour
from tests.support.engine import Engine, eventually
from tests.support.preloaded import ROOT, production_environ
from tests.support.site import Site

DARWIN = f"{ROOT}/tests/support/darwin:{ROOT}"
# Elsewhere PID 1 reaps what a killed browser leaves. In a container of tests, this program does.
REAPER = "import ctypes, os, signal, subprocess, sys; ctypes.CDLL(None).prctl(36, 1); "
REAPER += "child = subprocess.Popen(sys.argv[1:]); "
REAPER += "signal.signal(signal.SIGTERM, lambda *_: child.terminate()); status = child.wait()\n"
REAPER += "try:\n while True: os.wait()\nexcept ChildProcessError: sys.exit(status)"


@pytest.fixture(scope="module")
def elsewhere(site: Site) -> Iterator[Engine]:
    with small_engine(site, prefix=(sys.executable, "-I", "-c", REAPER), PYTHONPATH=DARWIN) as engine:
        yield engine


def test_it_captures_a_page_and_says_in_one_line_what_isolates_the_browser(elsewhere: Engine, site: Site):
    assert colour(elsewhere.capture(site.add("/elsewhere", body("green")))) == GREEN
    assert elsewhere.health()["isolation"] == "flags"
    left = ["the flags that keep its traffic in the proxy"]
    left += ["Chromium's sandbox"] if elsewhere.health()["sandbox"] else []
    left += ["the account nobody"] if os.geteuid() == 0 else []
    warnings = [
        entry["event"] for entry in elsewhere.events if entry["level"] == "warning" and "isolated" in entry["event"]
    ]
    assert warnings == [f"no network namespace can be created: the browser is isolated by {', '.join(left)} alone"]


def test_it_never_tries_a_namespace_there(elsewhere: Engine):
    assert elsewhere.logged("the browser cannot be started") == []


def test_ps_lists_the_processes_and_the_memory_that_proc_does(elsewhere: Engine, site: Site):
    elsewhere.capture(site.add("/members", body("green")))
    group = elsewhere.browser_pids[-1]

    def agree() -> bool:  # processes come and go between the two looks
        listed, scanned = ({member.pid: member for member in look(group)} for look in (listed_members, members_of))
        kinds = [{pid: member.is_renderer for pid, member in each.items()} for each in (listed, scanned)]
        memory = [sum(member.memory for member in each.values()) for each in (listed, scanned)]
        return kinds[0] == kinds[1] and True in kinds[0].values() and memory[0] == pytest.approx(memory[1], rel=0.2)

    assert eventually(agree)


def launch(launch: str) -> subprocess.CompletedProcess[str]:
    """Run the launcher there, which otherwise loads no such stand-in."""
    code = f"import os; from engine.browser import launcher; launcher.main(launcher.Launch({launch}))"
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=production_environ() | {"PYTHONPATH": DARWIN},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_the_browser_runs_as_another_user_there(tmp_path: Path):
    script = "/bin/sh', '-c', 'id -u; id -ru; id -g; ulimit -n"
    done = launch(f"['{script}'], '/', 128, (65534, 65534)")
    assert (done.returncode, done.stderr.split()) == (0, ["65534", "65534", "65534", "128"])


def test_a_namespace_that_the_operator_requires_does_not_exist_there():
    done = launch("['/bin/true'], '/', 128, None, 2")
    assert done.returncode == 1
    reason = "no network namespace can be created (see ENGINE_ISOLATION): unshare: Function not implemented"
    assert done.stderr.splitlines()[0].startswith(f"the browser's launcher: {reason}"[:60])
