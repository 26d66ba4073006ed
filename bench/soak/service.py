"""The service that a soak runs: the commands of `make run` under its supervisor, in a folder of the soak's own.

`python -m bench.soak.service` is the supervisor; it ends with the soak. What a soak kills is found below it, by pid. There
are two engines and two workers, so that one of each lives as long as the soak: a life that a crash ends after some minutes
shows no slow leak.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from scripts import run
from scripts.supervisor import descendants, healthy, parent_links, supervise
from tests.support.preloaded import ROOT
from tests.support.processes import free_port, wait_until

PR_SET_PDEATHSIG = 1  # prctl(2)
START_SECONDS, STOP_SECONDS, ORPHAN_SECONDS = 120, 60, 5
KEY = "a-key-of-the-soak-alone"
MIB = 1 << 20
# As `make run` has it, but small enough for caches to be full after the warm-up; and clients are addresses in
# X-Forwarded-For, each with its own budget.
SETTINGS = {
    "TRUSTED_PROXIES": "1",
    "WEB_CONCURRENCY": "2",
    "MEMORY_CACHE_BYTES": str(4 * MIB),
    "ORIGINALS_MAX_BYTES": str(96 * MIB),
    "ADMIN_KEY": KEY,
    "LOG_FORMAT": "json",
}
# What starts a process of the browser, and what that process is then. Only the first lives as long as the browser.
ABOVE_BROWSER = {"engine": "browser", "browser": "browser, parts", "browser, parts": "browser, parts"}
# What the second one has for itself: a port for captures and one for metrics, or a name and a port.
SECOND = {
    "engine": (
        "METRICS_PORT=$PROMETHEUS_PORT_ENGINE",
        "ENGINE_PORT=$ENGINE_2_PORT METRICS_PORT=$PROMETHEUS_PORT_ENGINE_2",
    ),
    "worker": (
        "METRICS_PORT=$PROMETHEUS_PORT_WORKER exec celery --app worker --quiet worker",
        "METRICS_PORT=$PROMETHEUS_PORT_WORKER_2 exec celery --app worker --quiet worker --hostname second@%h",
    ),
}
REDIS_MEMORY = ("--maxmemory 256mb --maxmemory-policy allkeys-lru", "--maxmemory 32mb --maxmemory-policy allkeys-lru")


@dataclass(frozen=True)
class Member:
    """A process of the service. `kind` is what it is to an operator."""

    pid: int
    kind: str
    began: int  # in the kernel's ticks, by which it differs from a later process with its pid


@dataclass(frozen=True)
class Installation:
    """The running service. `ports` are those of Redis and of the metrics, by the variable that tells them."""

    process: subprocess.Popen
    folder: Path
    env: Mapping[str, str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.env['PORT']}"

    @property
    def pages(self) -> str:
        return f"http://127.0.0.1:{self.env['DEMO_PORT']}"

    def members(self) -> list[Member]:
        """List the processes below the supervisor, each with its kind."""
        parents = dict(parent_links())
        words = {pid: _words(pid) for pid in descendants(self.process.pid)}
        kinds: dict[int, str] = {}
        for pid in words:
            self._name(pid, words, parents, kinds)
        return [Member(pid, kind, began) for pid, kind in kinds.items() if (began := _began(pid)) is not None]

    def of_kind(self, kind: str) -> list[Member]:
        """Return the members of a kind, the oldest first."""
        return sorted((each for each in self.members() if each.kind == kind), key=lambda each: each.began)

    def _name(self, pid: int, words: Mapping[int, str], parents: Mapping[int, int], kinds: dict[int, str]) -> str:
        if pid not in words:
            return ""
        if pid not in kinds:
            above = self._name(parents.get(pid, 0), words, parents, kinds)
            kinds[pid] = self._kind(words[pid], above)
        return kinds[pid]

    def _kind(self, words: str, above: str) -> str:
        for mark, kind, inner in (
            (f"127.0.0.1:{self.env['REDIS_PORT']}", "Redis (cache)", ""),
            (f"127.0.0.1:{self.env['STATE_REDIS_PORT']}", "Redis (state)", ""),
            (" -m engine", "engine", ""),
            ("gunicorn", "web, main", "web, worker"),
            ("celery --app worker --quiet beat", "beat", ""),
            ("celery --app worker --quiet worker", "worker, main", "worker, pool"),
            (" -m demo", "demo", ""),
        ):
            if mark in words and above not in ABOVE_BROWSER:
                return inner if above in (kind, inner) and inner else kind
        return ABOVE_BROWSER.get(above, "supervisor")


@contextmanager
def running_service(work: Path) -> Iterator[Installation]:
    """Run the service in the folder `work`; stop it, and see that none of its processes is left."""
    (work / "deploy").symlink_to(ROOT / "deploy")
    for name in ("redis", "state", "data", "tmp"):
        (work / name).mkdir()
    work.chmod(0o711)
    (work / "tmp").chmod(0o711)  # the browser runs as another user
    env = _environment(work)
    with (work / "service.log").open("ab") as log:
        command = [sys.executable, "-m", "bench.soak.service"]
        process = subprocess.Popen(command, env=env, cwd=work, stdout=log, stderr=log, start_new_session=True)
    installation = Installation(process, work, env)
    try:
        _wait_until_healthy(installation)
        yield installation
    finally:
        _stop(process)


def _environment(work: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "VIRTUAL_ENV") if name in os.environ}
    ports = ("PORT", "DEMO_PORT", "REDIS_PORT", "STATE_REDIS_PORT", "ENGINE_PORT", "ENGINE_2_PORT")
    own = {
        "PYTHONPATH": str(ROOT),
        "TMPDIR": str(work / "tmp"),
        "REDIS_FOLDER": str(work / "redis"),
        "STATE_REDIS_FOLDER": str(work / "state"),
        "DATABASE_URL": f"sqlite:///{work}/data/thumbnails.db",
        "ORIGINALS_DIR": str(work / "originals"),
        "PERSIST_DIR": str(work / "media"),
        "BEAT_SCHEDULE": str(work / "beat-schedule"),
        "DEMO_CLOCK": str(work / "demo-clock"),
    }
    settings = kept | SETTINGS | own | {name: str(free_port()) for name in ports}
    env = run.process_environment(settings, run.commands_to_run(settings))
    env["CAPTURE_URL"] += f",http://127.0.0.1:{env['ENGINE_2_PORT']}"
    measured = (*run.MEASURED, *(f"{name.upper()}_2" for name in SECOND))
    return env | {f"PROMETHEUS_PORT_{name}": str(free_port()) for name in measured}


def _wait_until_healthy(installation: Installation) -> None:
    checks = run.health_checks(installation.env, {"engine": ""})

    def ready() -> bool:
        return installation.process.poll() is not None or all(map(healthy, checks))

    wait_until(ready, "the service's start", START_SECONDS, pause=0.5)
    if installation.process.poll() is not None:
        raise RuntimeError((installation.folder / "service.log").read_text(encoding="utf-8")[-4000:])


def _stop(process: subprocess.Popen) -> None:
    """Stop the supervisor, and kill what was below it and outlives it, as a migration does that runs before it begins."""
    below = set(descendants(process.pid))
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        below |= set(descendants(process.pid))
        process.kill()
        process.wait()
    end = time.monotonic() + ORPHAN_SECONDS
    while (alive := [pid for pid in below if Path(f"/proc/{pid}").exists()]) and time.monotonic() < end:
        time.sleep(0.1)
    for pid in alive:
        print(f"outlived the service: {_words(pid)}", flush=True)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _words(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


def _began(pid: int) -> int | None:
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
    return None


def main() -> int:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)  # even a soak that is killed leaves nothing behind
    env = dict(os.environ)
    commands = run.commands_to_run(env | {"REDIS_URL": "", "STATE_REDIS_URL": "", "CAPTURE_URL": ""})
    shipped, ours = REDIS_MEMORY
    if shipped not in commands["redis"]:
        raise RuntimeError(f"{shipped} is not in the Procfile")
    commands["redis"] = commands["redis"].replace(shipped, ours)
    for name, (first, second) in SECOND.items():
        if first not in commands[name]:
            raise RuntimeError(f"{first} is not in the Procfile")
        commands[f"{name}2"] = commands[name].replace(first, second)
    run.migrate(env)
    return supervise(commands, env, run.health_checks(env, commands), "all healthy", run.stop_groups(commands))


if __name__ == "__main__":
    sys.exit(main())
