"""Runs the real engine as a process, stops it by its pid, and asserts that it left nothing behind."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import requests

from engine.browser.members import listed_members
from scripts.headless_shell import chromium
from tests.support import leaks
from tests.support.preloaded import Fork, production_environ, start_python

START_SECONDS = 30


def eventually(condition: Callable[[], Any], seconds: float = 15) -> Any:
    """Wait until `condition` holds and return its value."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"the condition was not met within {seconds} s"
        time.sleep(0.02)
    return value


def group_members(*pgids: int) -> list[int]:
    """List all processes, including zombies, whose process group is one of `pgids`."""
    if sys.platform != "linux":
        return [member.pid for group in pgids for member in listed_members(group)]
    members = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            with suppress(ProcessLookupError):  # it has ended meanwhile
                if os.getpgid(int(path.name)) in pgids:
                    members.append(int(path.name))
    return members


class Engine:
    """A running `python -m engine`. `events` is its log so far, each line decoded."""

    def __init__(self, process: subprocess.Popen[str] | Fork, tmp: Path) -> None:
        self.process = process
        self.tmp = tmp
        self.events: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self._http = requests.Session()
        self._http.trust_env = False
        self.url = ""

    def wait_until_ready(self) -> None:
        ready = eventually(lambda: self.logged("ready") or self.process.poll() is not None, START_SECONDS)
        assert ready is not True, f"the engine did not start: {self.events}"
        host, port = ready[0]["address"][:2]
        self.url = f"http://{host}:{port}"

    def logged(self, event: str) -> list[dict[str, Any]]:
        return [entry for entry in self.events if entry.get("event") == event]

    @property
    def browser_pids(self) -> list[int]:
        """The pids of all browsers so far, newest last. Each pid is also a process group."""
        return [entry["pid"] for entry in self.logged("browser started")]

    def get(self, path: str, *, timeout: float = 25, **options: Any) -> requests.Response:
        return self._http.get(self.url + path, timeout=timeout, **options)

    def post(self, path: str, *, timeout: float = 25, **options: Any) -> requests.Response:
        return self._http.post(self.url + path, timeout=timeout, **options)

    def capture(self, url: str, *, timeout: float = 25, **params: Any) -> requests.Response:
        return self.get("/v1/screenshot", params={"url": url} | params, timeout=timeout)

    def seconds(self, answer: requests.Response) -> float:
        """Return how long a capture took by the engine's own measure, which its log has soon after the answer."""
        request_id = answer.headers["X-Request-ID"]
        entry = eventually(lambda: [each for each in self.logged("capture") if each["request_id"] == request_id])
        return float(entry[0]["seconds"])

    def health(self) -> dict[str, Any]:
        return self.get("/health").json()

    def stop(self) -> int:
        """Stop the engine by SIGTERM, as an init system does, and return its exit status."""
        self._http.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self._reader.join()
        self.process.stderr.close()
        return status

    def assert_nothing_left(self) -> None:
        assert group_members(*self.browser_pids) == []
        assert list(self.tmp.iterdir()) == []

    def _read(self) -> None:
        for line in self.process.stderr:
            leaks.search(line)
            self.events.append(json.loads(line) if line.startswith("{") else {"event": line.rstrip()})


def start_engine(
    tmp: Path, settings: Mapping[str, Any], prefix: Sequence[str] = (), module: str = "engine"
) -> subprocess.Popen[str] | Fork:
    """Start the engine with only `settings`, without the environment and the `.env` of the test run."""
    ours = {"ENGINE_PORT": "0", "TMPDIR": str(tmp), "ENGINE_CHROMIUM": str(chromium())}
    return start_python(
        module,
        env=production_environ() | ours | {name: str(value) for name, value in settings.items()},
        prefix=prefix,
        warn=["RuntimeWarning"],
        cwd="/",
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def running_engine(module: str = "engine", prefix: Sequence[str] = (), **settings: Any) -> Iterator[Engine]:
    """Run an engine on a free port, stop it, and assert that it left nothing behind.

    `settings` are environment variables in upper case. `prefix` is a command that runs the engine's command.
    """
    with tempfile.TemporaryDirectory() as name:
        tmp = Path(name)
        tmp.chmod(0o711)  # the browser runs as another user
        engine = Engine(start_engine(tmp, settings, prefix, module), tmp)
        try:
            engine.wait_until_ready()
            yield engine
        finally:
            engine.stop()
        engine.assert_nothing_left()
