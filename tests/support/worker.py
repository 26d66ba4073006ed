"""Runs the real worker: Celery from its command line, with a pool of processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from scripts.supervisor import listed_links
from tests.support import leaks
from tests.support.preloaded import Fork, production_environ, start_python
from tests.support.processes import wait_until

FAST_CLOCK = "tests.support.fast_clock_worker"  # its rounds take a second
HUNG = "tests.support.hung_worker"  # its first job hangs
UNCLOSABLE = "tests.support.unclosable_worker"  # it fails to close a lost connection


@contextmanager
def running_worker(
    log: Path, app: str = "worker", said: bytes = b"ready.", prefix: Sequence[str] = (), **settings: object
) -> Iterator[subprocess.Popen | Fork]:
    """Run a worker with only `settings`, and yield its process, which leads a new process group, once it has `said` so.

    `prefix` is a command that runs the worker's command.
    """
    with leaks.watched(log), _running_celery(log, app, "worker", said, settings, prefix) as process:
        yield process


@contextmanager
def running_beat(log: Path, app: str = "worker", **settings: object) -> Iterator[subprocess.Popen | Fork]:
    """Run Celery's beat in the folder of `log`."""
    with leaks.watched(log), _running_celery(log, app, "beat", b"beat: Starting", settings) as process:
        yield process


@contextmanager
def _running_celery(
    log: Path, app: str, command: str, sign: bytes, settings: Mapping[str, object], prefix: Sequence[str] = ()
) -> Iterator[subprocess.Popen | Fork]:
    given = {
        name.upper(): ",".join(value) if isinstance(value, tuple) else str(value) for name, value in settings.items()
    }
    # On a loaded machine, a worker with a lower priority would slow the tests down.
    env = production_environ() | {"WORKER_NICENESS": "0"} | given
    words = ("celery", "--app", app, "--quiet", command, "--loglevel", "INFO")
    said = len(log.read_bytes()) if log.exists() else 0
    with log.open("ab") as output:
        streams = {"stdout": output, "stderr": output}
        process = start_python(*words, env=env, prefix=prefix, cwd=log.parent, start_new_session=True, **streams)
    try:
        wait_until(lambda: process.poll() is not None or sign in log.read_bytes()[said:], f"the {command}'s start")
        assert process.poll() is None, log.read_text()
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # a warm shutdown takes seconds, and another test covers it
        process.wait()


def children_of(process: subprocess.Popen | Fork) -> list[int]:
    """Return the process ids of the worker's pool."""
    if sys.platform != "linux":
        return [pid for pid, parent in listed_links() if parent == process.pid]
    text = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [int(pid) for pid in text.split()]
