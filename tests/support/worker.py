"""The worker as it runs: Celery from its command line, with a pool of processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import leaks
from tests.support.processes import wait_until
from tests.support.web import ROOT


@contextmanager
def running_worker(log: Path, **settings: object) -> Iterator[subprocess.Popen]:
    """Run a worker with `settings` alone, ready when it says so; the leader of a process group of its own."""
    leaks.FILES.append(log)
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "VIRTUAL_ENV") if name in os.environ}
    given = {
        name.upper(): ",".join(value) if isinstance(value, tuple) else str(value) for name, value in settings.items()
    }
    env = kept | {"LOG_FORMAT": "json", "PYTHONPATH": str(ROOT)} | given
    command = [sys.executable, "-m", "celery", "--app", "worker", "--quiet", "worker", "--loglevel", "INFO"]
    said = len(log.read_bytes()) if log.exists() else 0
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, env=env, cwd=log.parent, stderr=output, stdout=output, start_new_session=True
        )
    try:
        wait_until(lambda: process.poll() is not None or b"ready." in log.read_bytes()[said:], "the worker's start")
        assert process.poll() is None, log.read_text()
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # a warm shutdown takes seconds, and has a test of its own
        process.wait()


def children_of(process: subprocess.Popen) -> list[int]:
    """Give the ids of the pool's processes."""
    text = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [int(pid) for pid in text.split()]
