"""Real servers as child processes: started on a free port, awaited by condition, ended by id."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition: Callable[[], bool], what: str, timeout: float = 30) -> None:
    """Look every 20 ms whether `condition` holds; fail with `what` when it never does."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not happen within {timeout} s")
        time.sleep(0.02)


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
    except OSError:
        return False
    return True


@contextmanager
def running(command: list[str], port: int, **options) -> Iterator[subprocess.Popen]:
    """Run `command` in a process group of its own until the block ends; ready when `port` accepts."""
    process = subprocess.Popen(command, start_new_session=True, **options)
    try:
        wait_until(lambda: process.poll() is not None or accepts(port), f"{command[0]} on port {port}")
        assert process.poll() is None, f"{command[0]} ended with {process.returncode}"
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen, grace: float = 10) -> None:
    if process.poll() is None:
        os.kill(process.pid, signal.SIGCONT)  # a frozen process could not obey
        process.terminate()
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
