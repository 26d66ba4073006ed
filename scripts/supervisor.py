"""Run commands under honcho: announce when they are healthy, restart what ends, leave no process behind.

A command that ends too often, or because of its settings, stops all. A stop goes group by group.
"""

import contextlib
import ctypes
import http.client
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from honcho.manager import KILL_WAIT, SYSTEM_PRINTER_NAME, Manager
from honcho.printer import Message, Printer
from honcho.process import Popen, Process

from scripts.restarts import Restarts

PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
STOP_SIGNAL_STATUSES = (130, 143)  # honcho's return codes after SIGINT and SIGTERM

Address = tuple[str, int]
# A deadline, in seconds since the stop began, by which these commands get SIGTERM.
Group = tuple[float, Collection[str]]


class Log(Printer):  # type: ignore[misc] # honcho has no types
    """Prints honcho's lines, and keeps the line about the first process that stopped."""

    first_stop = ""

    def write(self, message: Message) -> None:
        super().write(message)
        if message.name == SYSTEM_PRINTER_NAME and " stopped " in message.data and not self.first_stop:
            self.first_stop = message.data.strip()


class Command(Process):  # type: ignore[misc] # honcho has no types
    """A command whose end is the end of all that it started, such as a browser or gunicorn's workers.

    They would keep its port, and its output open, for whose end honcho waits.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._child_ctor = self._start

    def _start(self, command: str, **options: Any) -> Popen:
        adopt_orphans()
        child = Popen(command, **options)
        threading.Thread(target=self._end_rest, args=(child,)).start()  # no daemon, so that it reaps what it kills
        return child

    @staticmethod
    def _end_rest(child: Popen) -> None:
        child.wait()
        if sys.platform != "linux":
            with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS refuses if all of them have ended
                os.killpg(child.pid, signal.SIGKILL)
        kill_descendants()


class CommandManager(Manager):  # type: ignore[misc] # honcho has no types
    """Stops its commands group by group: one as soon as those before it have ended, or when its time has come.

    Before the last group gets SIGTERM, commands of earlier groups that still run are killed: they would lose what they
    depend on. After KILL_WAIT seconds, everything is killed, as honcho does it.
    """

    def __init__(self, printer: Printer, groups: Sequence[Group]) -> None:
        super().__init__(printer)
        self._process_ctor = Command
        self._terminating = False  # honcho's, without a type there
        self._groups = groups
        self._told = 0  # groups
        self._stopping_since: float | None = None  # monotonic
        self._killed = False

    def terminate(self) -> None:
        """Begin to stop: `_all_stopped` goes on with it. Honcho calls this in a signal handler."""
        if not self._terminating:
            self._terminating = True
            self._stopping_since = time.monotonic()

    def _all_stopped(self) -> bool:
        """Honcho asks at each turn of its loop, ten times a second, once all commands have started."""
        if self._stopping_since is not None:
            self._go_on(time.monotonic() - self._stopping_since)
        return bool(super()._all_stopped())

    def _go_on(self, seconds: float) -> None:
        while self._told < len(self._groups):
            latest, names = self._groups[self._told]
            before = self._running(each for _, group in self._groups[: self._told] for each in group)
            if before and seconds < latest:
                break
            self._told += 1
            if self._told == len(self._groups):
                self._signal(before, "SIGKILL", self._procmgr.kill)
            self._signal(self._running(names), "SIGTERM", _terminate)
        if seconds > KILL_WAIT and not self._killed:
            self._killed = True
            self.kill()

    def _running(self, names: Iterable[str]) -> list[str]:
        return [name for name in names if "returncode" not in self._processes[name]]

    def _signal(self, names: Iterable[str], signame: str, send: Callable[[int], None]) -> None:
        for name in names:
            pid = self._processes[name]["pid"]
            self._system_print(f"sending {signame} to {name} (pid {pid})\n")
            send(pid)


def _terminate(pid: int) -> None:
    """Tell one process, which tells its own. Honcho tells its group, so a worker's pool would end in the midst of a job."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # it has ended, and waits for its restart
        os.kill(pid, signal.SIGTERM)


def supervise(
    commands: Mapping[str, str], env: dict[str, str], checks: list[Address], text: str, groups: Sequence[Group] = ()
) -> int:
    """Run until a command ends for good or a signal arrives. Print `text` once all `checks` are healthy.

    `groups` are stopped one after the other; without them, all commands at once.
    """
    adopt_orphans()
    multiprocessing.set_start_method("fork")  # honcho expects to fork its processes
    log = Log()
    manager = CommandManager(log, groups or [(0.0, list(commands))])
    processes = {name: manager.add_process(name, command, env=env) for name, command in commands.items()}
    restarts = Restarts(manager, processes)
    stop_on_hangup()
    multiprocessing.Process(target=announce, args=(checks, text), daemon=True).start()
    loop(manager)
    if manager.returncode in STOP_SIGNAL_STATUSES:
        return 0
    print(f"{log.first_stop} {restarts.reason}, so everything was stopped.")
    return manager.returncode or 1


def adopt_orphans() -> None:
    """Become the parent of processes below this one whose parents have ended, so that we find them.

    Only Linux can do that. Elsewhere, we find those of their parents' process groups.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def loop(manager: Manager) -> None:
    try:
        manager.loop()
    finally:
        kill_descendants()


def stop_on_hangup() -> None:
    """Treat a closed terminal (SIGHUP) like SIGTERM, which honcho handles. Under nohup, SIGHUP stays ignored."""
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))


def announce(checks: Iterable[Address], text: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # end without a traceback
    for address in checks:
        while not healthy(address):
            time.sleep(0.1)
    # At once: to a terminal, `print` writes the last line break by itself, and another process may write before it.
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def healthy(address: Address) -> bool:
    """Request /health directly, never through a proxy from the environment."""
    connection = http.client.HTTPConnection(*address, timeout=2)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def kill_descendants() -> None:
    """Kill and reap all processes that outlived their parents, such as the browser of a killed engine."""
    while remaining := list(descendants(os.getpid())):
        for pid in remaining:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-1, 0)


def descendants(ancestor: int) -> Iterator[int]:
    parents = dict(parent_links())
    for pid in parents:
        parent = pid
        while parent := parents.get(parent, 0):
            if parent == ancestor:
                yield pid


def parent_links() -> Iterator[tuple[int, int]]:
    """Yield (pid, parent's pid) of every process. In `stat`, the parent is the second field after the bracketed name."""
    if not Path("/proc/self/stat").exists():
        yield from listed_links()
        return
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            yield int(stat.parent.name), int(stat.read_text(encoding="utf-8").rpartition(")")[2].split()[1])


def listed_links() -> list[tuple[int, int]]:
    """Ask ps(1) for what `parent_links` yields, where there is no /proc."""
    with subprocess.Popen(["ps", "-A", "-o", "pid=,ppid="], stdout=subprocess.PIPE, text=True) as ps:
        lines = ps.communicate()[0].splitlines()
    links = [(int(pid), int(parent)) for pid, parent in map(str.split, lines)]
    return [link for link in links if link[0] != ps.pid]
