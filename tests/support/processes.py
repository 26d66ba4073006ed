"""Runs real servers as child processes: started on a free port, awaited by a condition, stopped by pid."""

import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.support.preloaded import ROOT, Fork, production_environ

# For servers that need a port number in advance. These ports are outside the kernel's ephemeral range, so no other
# socket gets one by chance before the server starts. Each test process starts at another port.
_PORTS = range(12_000, 32_000)
_turns = itertools.count(os.getpid() * 12361)


def output_of(code: str, *arguments: str) -> str:
    """Run Python `code` with nothing but `arguments` in a new process, in the project's folder. Return what it writes."""
    command, env = [sys.executable, "-c", code, *arguments], production_environ()
    return subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def free_port() -> int:
    for turn in _turns:
        port = _PORTS[turn % len(_PORTS)]
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("itertools.count ended")


def wait_until(condition: Callable[[], bool], what: str, timeout: float = 30, pause: float | None = None) -> None:
    """Look every `pause` seconds whether `condition` holds; fail with `what` when it never does.

    Without a `pause`, look the less often the longer the wait has been, so that looking takes no time from what is awaited.
    """
    began = time.monotonic()
    while not condition():
        waited = time.monotonic() - began
        if waited > timeout:
            raise AssertionError(f"{what} did not happen within {timeout} s")
        time.sleep(min(max(waited / 10, 0.01), 0.2) if pause is None else pause)


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
    except OSError:
        return False
    return True


@contextmanager
def running(command: list[str], port: int, **options) -> Iterator[subprocess.Popen]:
    """Run `command` in a new process group until the block ends. The block starts when `port` accepts connections."""
    with accepting(subprocess.Popen(command, start_new_session=True, **options), port) as process:
        yield process


@contextmanager
def accepting(process: subprocess.Popen | Fork, port: int) -> Iterator[subprocess.Popen | Fork]:
    """Wait until `process`, which leads a process group, accepts connections on `port`. Stop it when the block ends."""
    try:
        wait_until(lambda: process.poll() is not None or accepts(port), f"{process.args[0]} on port {port}")
        assert process.poll() is None, f"{process.args[0]} ended with {process.returncode}"
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen | Fork, grace: float = 10) -> None:
    if process.poll() is None:
        os.kill(process.pid, signal.SIGCONT)  # a stopped process would not handle SIGTERM
        process.terminate()
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
