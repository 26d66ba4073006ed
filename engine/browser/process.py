"""One Chromium process group: start it as an ordinary user, look at its memory, kill all of it.

Speaks to the operating system alone; the DevTools pipe is handed on as two file descriptors.
"""

import asyncio
import contextlib
import ctypes
import fcntl
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from engine import descriptors
from engine.browser.launcher import LISTENERS_AT_ONCE, Launch

PIPE_SIZE = 1 << 20  # bytes: the most an ordinary user may ask for; a picture is then a few reads, not eighty
PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")
SMALL_SHM = 512 << 20  # bytes: a container's default /dev/shm of 64 MiB crashes renderers
PR_SET_CHILD_SUBREAPER = 36
DIRECTORY_PREFIX = "capture-engine-"

LAUNCHER = (sys.executable, "-I", "-S", str(Path(__file__).with_name("launcher.py")))
LAUNCH_SECONDS = 10

FEATURES_OFF = "Translate,OptimizationHints,MediaRouter,AcceptCHFrame,PaintHolding,HttpsUpgrades"
FLAGS = (
    "--headless",
    "--remote-debugging-pipe",
    "--hide-scrollbars",
    "--mute-audio",
    "--no-first-run",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-breakpad",
    "--no-pings",
    "--disable-field-trial-config",
    "--dns-prefetch-disable",
    "--force-color-profile=srgb",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    "--disable-hang-monitor",
    "--block-new-web-contents",
    f"--disable-features={FEATURES_OFF}",
    "--js-flags=--max-old-space-size=512",
)
# Nothing leaves but through the proxy of a capture's context. Each of these closes a way that the others leave open.
EGRESS_FLAGS = (
    "--proxy-server=socks5://nowhere.invalid:1",  # for what belongs to no context
    "--proxy-bypass-list=<-loopback>",  # a proxy is not asked about loopback unless it is said so
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--disable-quic",
    # headless-shell obeys the first of the two, full Chromium the second.
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
)


@dataclass(frozen=True, slots=True)
class Member:
    """A process of the group and its resident memory in bytes."""

    pid: int
    memory: int

    @property
    def is_renderer(self) -> bool:
        with contextlib.suppress(OSError):
            return b"--type=renderer" in Path(f"/proc/{self.pid}/cmdline").read_bytes()
        return False

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


class ProcessGroup:
    """A running Chromium with everything it forked, in a session and a temporary directory of its own."""

    def __init__(self, command: list[str], user: str | None, listeners: int) -> None:
        """Start `command`, as `user` where that is given, in a network namespace of its own if `listeners` is not 0.

        Raises OSError when nothing can be started, KeyError when there is no such user.
        """
        adopt_orphans()
        self._listeners = listeners
        self._reaped = False
        account = _account(user)
        with contextlib.ExitStack() as failed, contextlib.ExitStack() as handed_over:
            self._make_directory(account, failed)
            to_browser, self.write_fd = os.pipe()
            handed_over.callback(os.close, to_browser)
            failed.callback(os.close, self.write_fd)
            self.read_fd, from_browser = os.pipe()
            failed.callback(os.close, self.read_fd)
            handed_over.callback(os.close, from_browser)
            self._channel, channel = socket.socketpair()
            failed.enter_context(self._channel)
            handed_over.enter_context(channel)
            fcntl.fcntl(self.read_fd, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
            line, directory = [*command, *self._flags()], str(self._directory)
            launch = Launch(line, directory, descriptors.GIVEN, account, listeners, channel.fileno())
            self.pid = self._spawn(launch, to_browser, from_browser)
            failed.pop_all()

    async def listeners(self) -> list[socket.socket] | None:
        """The bound sockets of the browser's namespace; None where it has no namespace of its own. Raises OSError."""
        with self._channel:
            if not self._listeners:
                return None
            await _readable(self._channel)
            # Nothing comes from a launcher that failed: its last words tell why.
            _, handed_over, *_ = socket.recv_fds(self._channel, 1, LISTENERS_AT_ONCE)
            return [socket.socket(fileno=number) for number in handed_over]

    def last_words(self) -> str:
        """The end of what the browser wrote to stderr."""
        with contextlib.suppress(OSError):
            return (self._directory / "stderr").read_bytes()[-2000:].decode(errors="replace")
        return ""

    def members(self) -> list[Member]:
        """Every process of the group, by one look at /proc."""
        # Asked for its group first: to read what /proc says of every process of a machine takes 20 times as long.
        pids = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
        return [member for pid in pids if _group_of(pid) == self.pid and (member := _member(pid))]

    def kill(self) -> None:
        if not self._reaped:  # after that the number may belong to somebody else
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    async def end(self) -> None:
        """Kill the group, reap all of it, and remove its directory: also when the caller does not wait for that."""
        self.kill()
        self._channel.close()
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, self._clear_up))

    def _make_directory(self, account: tuple[int, int] | None, failed: contextlib.ExitStack) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix=DIRECTORY_PREFIX))
        failed.callback(shutil.rmtree, self._directory, ignore_errors=True)
        self._claim = os.open(self._directory, os.O_RDONLY)
        failed.callback(os.close, self._claim)
        fcntl.flock(self._claim, fcntl.LOCK_EX)
        if account:
            os.chown(self._directory, *account)

    def _spawn(self, launch: Launch, stdin: int, stdout: int) -> int:
        with (self._directory / "stderr").open("wb") as stderr:
            process = subprocess.Popen(  # noqa: S603 - the command is the operator's
                [*LAUNCHER, json.dumps(launch)],
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                cwd=self._directory,
                env=self._environment(),
                start_new_session=True,
                pass_fds=[launch.channel],
            )
        process.returncode = 0  # `_reap` waits for it; Popen must not, and must not warn that nobody did.
        return process.pid

    def _flags(self) -> list[str]:
        flags = [f"--user-data-dir={self._directory}/profile"]
        shm = os.statvfs("/dev/shm") if Path("/dev/shm").is_dir() else None  # noqa: S108 - looked at, not written to
        if shm is None or shm.f_bavail * shm.f_frsize < SMALL_SHM:
            flags.append("--disable-dev-shm-usage")
        return flags

    def _environment(self) -> dict[str, str]:
        """A hostile page that takes over the browser finds no key in its environment."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TZ") if name in os.environ}
        return kept | {"HOME": str(self._directory), "TMPDIR": str(self._directory)}

    def _clear_up(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                os.waitpid(-self.pid, 0)
        self._reaped = True
        shutil.rmtree(self._directory, ignore_errors=True)
        os.close(self._claim)


async def _readable(channel: socket.socket) -> None:
    """Wait until there is something to read, or nothing will come any more. Raises TimeoutError.

    In the loop, not in a thread: descriptors that a thread receives for a caller who has gone are nobody's.
    """
    loop, heard = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(channel, heard.set)
    try:
        async with asyncio.timeout(LAUNCH_SECONDS):
            await heard.wait()
    finally:
        loop.remove_reader(channel)


def _group_of(pid: int) -> int | None:
    with contextlib.suppress(OSError):
        return os.getpgid(pid)
    return None


def _member(pid: int) -> Member | None:
    with contextlib.suppress(OSError):
        stat = Path(f"/proc/{pid}/stat").read_text()
        fields = stat.rpartition(")")[2].split()  # the name, in brackets, may hold spaces
        return Member(pid, int(fields[21]) * PAGE_SIZE)
    return None


def _account(user: str | None) -> tuple[int, int] | None:
    """Whom to become; None for nobody else."""
    entry = pwd.getpwnam(user) if user else None
    return (entry.pw_uid, entry.pw_gid) if entry and entry.pw_uid != os.geteuid() else None


def sweep() -> None:
    """Remove the directories of engines that were killed: a lock that can be had has no owner."""
    for directory in Path(tempfile.gettempdir()).glob(f"{DIRECTORY_PREFIX}*"):
        with contextlib.suppress(OSError):
            claim = os.open(directory, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(directory)
            finally:
                os.close(claim)


def adopt_orphans() -> None:
    """Let the zygotes of a killed browser become children of this process, so that it can reap them.

    prctl(2): without it they fall to PID 1, which in a container without an init is nobody who waits.
    """
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
