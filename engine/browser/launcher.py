"""Executes Chromium as an ordinary user, and in a network namespace of its own if listeners are requested.

A program of its own, with the standard library alone. The user and the namespace must change in the child process,
and `preexec_fn` is not safe beside threads. Its one argument is a `Launch` as JSON.
"""

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import re
import resource
import select
import signal
import socket
import struct
import sys
from collections.abc import Sequence
from typing import NamedTuple

MAX_LISTENERS = 253  # the most descriptors that one message carries: unix(7)
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
PR_SET_DUMPABLE = 4
VERSION_SECONDS = 5  # it takes 10 ms
NO_NAMESPACE = "no network namespace can be created (see ENGINE_ISOLATION)"
SIOCSIFFLAGS, IFF_UP_RUNNING = 0x8914, 0x41


class Launch(NamedTuple):
    """One launch. `account` is the (user, group) to run as, `descriptors` the browser's limit of open files.

    The launcher sends as many bound sockets as `listeners` says over the descriptor `channel`. The browser's major
    version replaces `{major}` in `user_agent`.
    """

    command: list[str]
    directory: str
    descriptors: int
    account: tuple[int, int] | None = None
    listeners: int = 0
    channel: int = -1
    user_agent: str = ""


def main(launch: Launch) -> None:
    """Execute the browser, or exit with a message on stderr. Never returns."""
    try:
        if launch.account:
            switch_user(*launch.account)
        change_directory(launch.directory)
        if launch.listeners:
            enter_namespace()
            send_sockets(launch.channel, [bound_socket() for _ in range(launch.listeners)])
        command = [*launch.command, *identity_flags(launch.command[0], launch.user_agent)]
        # Chromium expects its pipe on descriptors 3 and 4. The engine passes it as stdin and stdout.
        for wanted, given in ((3, 0), (4, 1), (1, 2)):
            os.dup2(given, wanted)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0, inheritable=True)
        limit_descriptors(launch.descriptors)
        os.execv(command[0], command)  # noqa: S606 - the command is the operator's
    except OSError as err:
        sys.exit(f"the browser's launcher: {err}")


def switch_user(user: int, group: int) -> None:
    os.setgroups([])
    if sys.platform != "linux":  # there, root's calls change the saved ids too
        os.setgid(group)
        os.setuid(user)
        return
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)
    # After a change of user, a process must be dumpable again before it can write its own id maps: proc(5).
    libc_call("prctl", PR_SET_DUMPABLE, 1, 0, 0, 0)


def change_directory(directory: str) -> None:
    try:
        os.chdir(directory)
    except OSError as err:
        raise OSError(
            f"the account of the browser (ENGINE_BROWSER_USER) cannot enter {directory}: {err.strerror}. "
            "set TMPDIR to a directory that every account may enter (mode 711 or 755)"
        ) from err


def enter_namespace() -> None:
    """Enter a new network namespace, which has a loopback interface alone, with the same user and group."""
    try:
        unshare(os.getuid(), os.getgid())
    except OSError as err:  # AppArmor may allow the namespace and forbid the id maps that it needs
        raise OSError(f"{NO_NAMESPACE}: {err.strerror}") from err


def unshare(user: int, group: int) -> None:
    libc_call("unshare", CLONE_NEWUSER | CLONE_NEWNET)
    for name, line in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123 - this program starts for every browser
            file.write(line)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP_RUNNING))


def bound_socket() -> socket.socket:
    """Bind a socket. It stays in this namespace, even when the engine listens on it."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.bind(("127.0.0.1", 0))
    return bound


def send_sockets(channel: int, sockets: Sequence[socket.socket]) -> None:
    with socket.socket(fileno=channel) as engine:
        socket.send_fds(engine, [b"\0"], [bound.fileno() for bound in sockets])
    for bound in sockets:
        bound.close()


def identity_flags(browser: str, user_agent: str) -> list[str]:
    """Make the flag for the User-Agent, which must name the version of a browser that does not run yet.

    Without it, and if the browser does not tell its version, service workers are fetched as HeadlessChrome.
    """
    major = re.search(r"\b([0-9]+)(\.[0-9]+){3}\b", version_of(browser)) if user_agent else None
    return [f"--user-agent={user_agent.replace('{major}', major[1])}"] if major else []


def version_of(browser: str) -> str:
    answer, end = os.pipe()
    files = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 2)]
    pid = os.posix_spawn(browser, [browser, "--version"], {}, file_actions=[*files, (os.POSIX_SPAWN_DUP2, end, 1)])
    os.close(end)
    readable, _, _ = select.select([answer], [], [], VERSION_SECONDS)
    version = os.read(answer, 200) if readable else b""
    os.close(answer)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return version.decode(errors="replace")


def limit_descriptors(descriptors: int) -> None:
    """Undo the engine's higher limit, which Chromium does not need."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError):  # macOS reports a limit that it does not accept
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(descriptors, hard), hard))


def libc_call(name: str, *arguments: int) -> None:
    function = getattr(ctypes.CDLL(None, use_errno=True), name, None)  # macOS has neither of those that are called here
    if function is None or function(*arguments) != 0:
        number = ctypes.get_errno() if function else errno.ENOSYS
        raise OSError(number, f"{name}: {os.strerror(number)}")


if __name__ == "__main__":
    main(Launch(*json.loads(sys.argv[1])))
