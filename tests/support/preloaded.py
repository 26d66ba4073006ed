"""Starts the Python programs of the service as forks of a process that has imported their modules: `fork_server`.

Where no server runs, or where a start is to differ from a fork, the program starts as any other.

`python -m tests.support.preloaded MODULE ARGUMENT...` does for scripts what `start_python` does for tests.
"""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from socket import AF_UNIX, SOCK_DGRAM, send_fds, socket
from typing import IO, Self

from tests.support.fork_server import PROGRAMS

ROOT = Path(__file__).parents[2]
# By the module. Those that are no program there begin as forks of the one that has imported most of what they need.
_PROGRAMS = {name: name for name in PROGRAMS} | {"engine.outlet": "engine"}
_PROGRAMS |= dict.fromkeys(("cli", "scripts.demo_data", "sites.migrate"), "flask")
FOLDER = "TESTS_FORK_SERVER"  # the processes of pytest-xdist share the server of their controller


def production_environ() -> dict[str, str]:
    """Return the environment of a process of ours: nothing of the test run's but what finds the programs."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "VIRTUAL_ENV") if name in os.environ}
    hidden = ROOT / "tests/support/production"
    return kept | {"LOG_FORMAT": "json", "PYTHONPATH": f"{hidden}:{ROOT}"}


@contextmanager
def fork_server() -> Iterator[None]:
    """Run the server for the processes that this one and its children start meanwhile. Elsewhere than on Linux, run none."""
    if sys.platform != "linux":
        yield
        return
    with tempfile.TemporaryDirectory(prefix="forks") as folder:
        command = [sys.executable, "-m", "tests.support.fork_server", folder]
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL}
        server = subprocess.Popen(command, env=production_environ(), cwd=ROOT, start_new_session=True, **streams)
        os.environ[FOLDER] = folder
        try:
            yield
        finally:
            del os.environ[FOLDER]
            server.stdin.close()
            server.wait()


def start_python(
    module: str,
    *arguments: str,
    env: Mapping[str, str],
    prefix: Sequence[str] = (),
    warn: Sequence[str] = (),
    **options,
) -> "subprocess.Popen | Fork":
    """Run `python -m module arguments`. `warn` names warnings that are errors there. `options` are those of Popen.

    `prefix` is a command that runs that command.
    """
    flags = [word for name in warn for word in ("-W", f"error::{name}")]
    program = _PROGRAMS.get(module)
    # sitecustomize.py on the path is a part of Python's start.
    usual = env.get("PYTHONPATH") == production_environ()["PYTHONPATH"] and not {"LOOP_WATCH", "HUB_WATCH"} & env.keys()
    if prefix or not usual or program is None or FOLDER not in os.environ:
        return subprocess.Popen([*prefix, sys.executable, *flags, "-m", module, *arguments], env=env, **options)
    return Fork(program, [module, *arguments], env, warn, **options)


def run_python(
    module: str, *arguments: str, env: Mapping[str, str], cwd: Path, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run `python -m module arguments` to its end, and return its status and what it has written."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = start_python(module, *arguments, env=env, cwd=cwd, stdout=out, stderr=err)
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        written = [(stream.seek(0), stream.read())[1] for stream in (out, err)]
    return subprocess.CompletedProcess([module, *arguments], status, *written)


class Fork:
    """A process that the server has forked, with what the tests use of `subprocess.Popen`."""

    def __init__(
        self,
        program: str,
        command: list[str],
        env: Mapping[str, str],
        warn: Sequence[str] = (),
        *,
        cwd: str | Path = ".",
        stdin: int | IO = subprocess.DEVNULL,
        stdout: int | IO = sys.__stdout__,
        stderr: int | IO = sys.__stderr__,
        start_new_session: bool = False,
        text: bool = False,
    ) -> None:
        self.args = command
        self.returncode: int | None = None
        self.stderr: IO | None = None
        request = {
            "command": command,
            "environ": dict(env),
            "folder": str(Path(cwd).resolve()),
            "session": start_new_session,
            "warn": list(warn),
        }
        with ExitStack() as stack, socket(AF_UNIX, SOCK_DGRAM) as server:
            null = stack.enter_context(Path(os.devnull).open("r+b"))
            told, tell = os.pipe()
            self._told = os.fdopen(told, "rb", buffering=0)
            stack.callback(os.close, tell)
            if stderr == subprocess.PIPE:
                source, sink = os.pipe()
                self.stderr = os.fdopen(source, "r" if text else "rb")
                stack.callback(os.close, sink)
            else:
                sink = null.fileno() if stderr == subprocess.DEVNULL else stderr.fileno()
            given = null.fileno() if stdin == subprocess.DEVNULL else stdin.fileno()
            out = null.fileno() if stdout == subprocess.DEVNULL else stdout.fileno()
            _connect(server, f"{os.environ[FOLDER]}/{program}")
            send_fds(server, [json.dumps(request).encode()], [tell, given, out, sink])
        self.pid = self._read()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wait()
        if self.stderr:
            self.stderr.close()

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self._told], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout)
            self.returncode = self._read()
            self._told.close()
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[None, str | bytes | None]:
        said = self.stderr.read() if self.stderr else None
        self.wait(timeout)
        return None, said

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _read(self) -> int:
        digits = b""
        while not digits.endswith(b"\n"):
            byte = self._told.read(1)
            assert byte, "the fork server has ended"
            digits += byte
        return int(digits)


def _connect(server: socket, path: str) -> None:
    """Connect to the fork server, which may be about to start."""
    end = time.monotonic() + 30
    while True:
        try:
            return server.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            if time.monotonic() > end:
                raise
            time.sleep(0.01)


if __name__ == "__main__":
    inherited = {"stdin": sys.stdin, "stdout": sys.stdout, "stderr": sys.stderr}
    sys.exit(start_python(*sys.argv[1:], env=os.environ, **inherited).wait())
