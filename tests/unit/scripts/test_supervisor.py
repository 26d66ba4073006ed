"""`make run` restarts what ends, ends what does not stay up, and leaves nothing behind. Commands of the shell stand in."""

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.preloaded import ROOT
from tests.support.processes import wait_until

SUPERVISE = (
    "import json, os, sys; from scripts.supervisor import supervise; commands, groups = json.loads(sys.argv[1]); "
)
SUPERVISE += "sys.exit(supervise(commands, dict(os.environ), [], 'all are up', groups))"
STEADY = "echo steady; exec sleep 300"


@contextmanager
def supervised(groups=(), **commands):
    """Supervise commands of the shell, and yield the supervisor's process, whose output is a pipe."""
    command = [sys.executable, "-c", SUPERVISE, json.dumps([commands, groups])]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "start_new_session": True}
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PYTHONUNBUFFERED": "1"}, **options) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()


def read_until(process, text):
    seen = ""
    for line in process.stdout:
        seen += line
        if text in line:
            return seen
    raise AssertionError(f"never printed {text}, but:\n{seen}")


def ended(process):
    output = process.stdout.read()
    return process.wait(30), output


def runs(pid):
    return Path(f"/proc/{pid}").exists()


def test_what_ends_is_restarted_and_the_others_go_on(tmp_path):
    mark = tmp_path / "second"
    once = f"if [ -e {mark} ]; then echo again; exec sleep 300; fi; touch {mark}; exit 5"
    with supervised(steady=STEADY, once=once) as process:
        seen = read_until(process, "again")
        process.terminate()
        status, rest = ended(process)
    assert "once ended (rc=5) by itself; restart 1 of 3 a minute" in seen
    assert "steady stopped" not in seen
    assert (status, "everything was stopped" in rest) == (0, False)


@pytest.mark.slow
def test_what_does_not_stay_up_is_given_up_after_three_restarts_and_all_stop():
    with supervised(steady=STEADY, broken="echo trying; exit 7") as process:
        status, output = ended(process)
    assert status == 7
    assert output.count("trying") == 4
    last = output.splitlines()[-1]
    assert last == "broken stopped (rc=7) by itself, for the 4th time within a minute, so everything was stopped."
    assert not runs(re.search(r"steady started \(pid=(\d+)\)", output)[1])


def test_invalid_settings_stop_everything_at_once():
    with supervised(steady=STEADY, broken="echo trying; exit 78") as process:
        status, output = ended(process)
    assert (status, output.count("trying")) == (78, 1)
    last = output.splitlines()[-1]
    assert last == "broken stopped (rc=78) by itself, because of its settings, so everything was stopped."


@pytest.mark.parametrize("leave", ["sleep 301 &", "setsid sleep 301 &"])
def test_a_restart_leaves_no_process_of_the_one_that_ended(leave):
    left = f"{leave} echo left=$!; sleep 0.1; kill -9 $$"
    with supervised(left=left) as process:
        seen = read_until(process, "restart 1 of 3")
        pid = re.search(r"left=(\d+)", seen)[1]
        wait_until(lambda: not runs(pid), "the end of what was left")
        process.terminate()
        ended(process)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_a_pause_stops_everything(tmp_path, number):
    mark = tmp_path / "steady"
    broken = f"until [ -s {mark} ]; do sleep 0.05; done; exit 7"
    with supervised(steady=f"echo $$ > {mark}; {STEADY}", broken=broken) as process:
        read_until(process, "restart 1 of 3")
        os.killpg(process.pid, number)
        status, _ = ended(process)
    assert status == 0
    assert not runs(mark.read_text().strip())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_all_have_started_stops_everything(number):
    steady = {f"steady{each}": STEADY for each in range(6)}
    with supervised([(0, ["steady0"]), (4, [*steady][1:])], **steady) as process:
        read_until(process, "started (pid=")
        os.killpg(process.pid, number)
        status, output = ended(process)
    assert (status, "Traceback" in output) == (0, False)


def test_what_others_need_is_stopped_when_they_have_ended(tmp_path):
    mark = tmp_path / "served"
    needed = f"trap 'echo needed no more; exit 0' TERM; echo begun; while :; do touch {mark}; sleep 0.05; done"
    works = f"trap 'rm -f {mark}; until [ -e {mark} ]; do sleep 0.05; done; echo work ended; exit 0' TERM; "
    works += "echo begun; while :; do sleep 0.05; done"
    with supervised([(0, ["works"]), (60, ["needed"])], needed=needed, works=works) as process:
        read_until(process, "begun")
        read_until(process, "begun")
        process.terminate()
        status, output = ended(process)
    order = ["sending SIGTERM to works", "work ended", "works stopped", "sending SIGTERM to needed", "needed no more"]
    assert sorted(order, key=output.index) == order
    assert (status, "SIGKILL" in output) == (0, False)


def test_what_does_not_end_is_killed_before_what_it_needs_is_stopped():
    hangs = "trap 'echo told' TERM; echo begun; while :; do sleep 0.05; done"
    groups = [(0, ["hangs"]), (0.2, ["middle"]), (3, ["needed"])]
    steady = STEADY.replace("steady", "begun")
    with supervised(groups, needed=steady, middle=steady, hangs=hangs) as process:
        for _ in range(3):
            read_until(process, "begun")
        process.terminate()
        status, output = ended(process)
    order = ["sending SIGTERM to hangs", "sending SIGTERM to middle", "SIGKILL to hangs", "sending SIGTERM to needed"]
    assert sorted(order, key=output.index) == order
    assert (status, output.count("told")) == (0, 1)


@pytest.mark.slow
def test_what_is_told_last_and_does_not_end_is_killed_too():
    hangs = "trap '' TERM; echo begun; while :; do sleep 0.05; done"
    steady = STEADY.replace("steady", "begun")
    with supervised([(0, ["steady"]), (4.5, ["hangs"])], steady=steady, hangs=hangs) as process:
        for _ in range(2):
            read_until(process, "begun")
        process.terminate()
        status, output = ended(process)
    assert (status, "sending SIGKILL to hangs" in output) == (0, True)


def test_a_process_that_is_stopped_may_end_the_work_of_its_own(tmp_path):
    """As a worker does whose pool is in the midst of a job."""
    mark = tmp_path / "stopping"
    pool = f"(echo begun; until [ -e {mark} ]; do sleep 0.05; done; echo job ended)"
    with supervised(worker=f"trap 'touch {mark}' TERM; {pool} & wait; wait") as process:
        read_until(process, "begun")
        process.terminate()
        status, output = ended(process)
    assert (status, "job ended" in output) == (0, True)
