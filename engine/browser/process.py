"""Starts one Chromium process group as an ordinary user, measures its memory and kills it.

Must not know the DevTools protocol: its pipe is two file descriptors here.
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
from pathlib import Path

from engine import descriptors
from engine.browser.launcher import MAX_LISTENERS, Launch
from engine.browser.members import Member, members_of

PIPE_SIZE = 1 << 20  # bytes, the most for an ordinary user: a picture then takes a few reads, not eighty
SMALL_SHM = 512 << 20  # bytes: with a container's default /dev/shm of 64 MiB, renderers crash
PR_SET_CHILD_SUBREAPER = 36
DIRECTORY_PREFIX = "capture-engine-"

LAUNCHER = (sys.executable, "-I", "-S", str(Path(__file__).with_name("launcher.py")))
LAUNCH_SECONDS = 10

FEATURES_OFF = "Translate,OptimizationHints,MediaRouter,AcceptCHFrame,PaintHolding,HttpsUpgrades"
# Cookies are for one port, as origins are. Elsewhere in the browser they are for all ports of a host, so those of a caller
# would reach whatever else runs there.
FEATURES_ON = "EnablePortBoundCookies"
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
    f"--enable-features={FEATURES_ON}",
    "--js-flags=--max-old-space-size=512",
)
# A frame that is asked for contains everything: no part of it is drawn later, by another thread. With the flag
# `--enable-begin-frame-control`, no page would draw by itself; without it, each page is created either way.
FRAME_FLAGS = (
    "--run-all-compositor-stages-before-draw",
    "--disable-new-content-rendering-timeout",
    "--disable-threaded-animation",
    "--disable-threaded-scrolling",
    "--disable-checker-imaging",
    "--disable-image-animation-resync",
)
# All traffic must pass through the proxy of the capture's context. Each flag closes a path that the others leave open.
EGRESS_FLAGS = (
    "--proxy-server=socks5://nowhere.invalid:1",  # for traffic outside every context
    "--proxy-bypass-list=<-loopback>",  # by default loopback bypasses the proxy
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--disable-quic",
    # headless-shell obeys the first of these two, full Chromium the second.
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
)


class ProcessGroup:
    """A running Chromium with all its child processes, in a session and a temporary directory of its own."""

    def __init__(self, command: list[str], user: str | None, listeners: int, user_agent: str = "") -> None:
        """Start `command` as `user`, if one is given, and in a network namespace of its own if `listeners` is not 0.

        In `user_agent`, the browser's major version replaces `{major}`.

        Raises OSError if the process cannot be started, KeyError for an unknown user.
        """
        become_subreaper()
        self._listeners = listeners
        self._reaped = False
        entry = pwd.getpwnam(user) if user else None
        account = (entry.pw_uid, entry.pw_gid) if entry and entry.pw_uid != os.geteuid() else None
        with contextlib.ExitStack() as on_failure, contextlib.ExitStack() as child_ends:
            self._make_directory(account, on_failure)
            to_browser, self.write_fd = os.pipe()
            child_ends.callback(os.close, to_browser)
            on_failure.callback(os.close, self.write_fd)
            self.read_fd, from_browser = os.pipe()
            on_failure.callback(os.close, self.read_fd)
            child_ends.callback(os.close, from_browser)
            self._channel, channel = socket.socketpair()
            on_failure.enter_context(self._channel)
            child_ends.enter_context(channel)
            if hasattr(fcntl, "F_SETPIPE_SZ"):  # on macOS, a pipe grows by itself
                fcntl.fcntl(self.read_fd, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
            command_line, directory = [*command, *self._flags()], str(self._directory)
            launch = Launch(
                command_line, directory, descriptors.INHERITED_LIMIT, account, listeners, channel.fileno(), user_agent
            )
            self.pid = self._spawn(launch, to_browser, from_browser)
            on_failure.pop_all()

    async def listeners(self) -> list[socket.socket] | None:
        """Receive the bound sockets of the browser's namespace, or None if it has none of its own. Raises OSError."""
        with self._channel:
            if not self._listeners:
                return None
            await _readable(self._channel)
            # A launcher that failed sends none, and writes the reason to stderr.
            _, received, *_ = socket.recv_fds(self._channel, 1, MAX_LISTENERS)
            return [socket.socket(fileno=number) for number in received]

    def stderr_tail(self) -> str:
        """Read the end of the browser's stderr."""
        with contextlib.suppress(OSError):
            return (self._directory / "stderr").read_bytes()[-2000:].decode(errors="replace")
        return ""

    def members(self) -> list[Member]:
        """List every process of the group."""
        return members_of(self.pid)

    def kill(self) -> None:
        if not self._reaped:  # after that, another process may have the same number
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    async def close(self) -> None:
        """Kill and reap the whole group, and remove its directory, even if the caller is cancelled meanwhile."""
        self.kill()
        self._channel.close()
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, self._reap))

    def _make_directory(self, account: tuple[int, int] | None, on_failure: contextlib.ExitStack) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix=DIRECTORY_PREFIX))
        on_failure.callback(shutil.rmtree, self._directory, ignore_errors=True)
        self._lock = os.open(self._directory, os.O_RDONLY)
        on_failure.callback(os.close, self._lock)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
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
        process.returncode = 0  # `_reap` waits for the process, so Popen must neither wait nor warn.
        return process.pid

    def _flags(self) -> list[str]:
        flags = [f"--user-data-dir={self._directory}/profile"]
        shm = os.statvfs("/dev/shm") if Path("/dev/shm").is_dir() else None  # noqa: S108 - only read
        if shm is None or shm.f_bavail * shm.f_frsize < SMALL_SHM:
            flags.append("--disable-dev-shm-usage")
        return flags

    def _environment(self) -> dict[str, str]:
        """Pass on no secrets: a hostile page may take over the browser."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TZ") if name in os.environ}
        return kept | {"HOME": str(self._directory), "TMPDIR": str(self._directory)}

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                os.waitpid(-self.pid, 0)
        self._reaped = True
        shutil.rmtree(self._directory, ignore_errors=True)
        os.close(self._lock)


async def _readable(channel: socket.socket) -> None:
    """Wait until data arrives or the other end is closed. Raises TimeoutError.

    In the loop, not in a thread: if the caller is cancelled, descriptors received by a thread would never be closed.
    """
    loop, readable = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(channel, readable.set)
    try:
        async with asyncio.timeout(LAUNCH_SECONDS):
            await readable.wait()
    finally:
        loop.remove_reader(channel)


def remove_stale_directories() -> None:
    """Remove the directories of killed engines. A directory without a lock has no running owner."""
    for directory in Path(tempfile.gettempdir()).glob(f"{DIRECTORY_PREFIX}*"):
        with contextlib.suppress(OSError):
            lock = os.open(directory, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(directory)
            finally:
                os.close(lock)


def become_subreaper() -> None:
    """Make the zygotes of a killed browser children of this process, which then reaps them: prctl(2).

    Otherwise PID 1 adopts them, and in a container without an init it never reaps them. Only Linux can do that; elsewhere
    PID 1 is always an init.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
