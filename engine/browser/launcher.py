"""Becomes Chromium: as an ordinary user, and in a network namespace of its own where listeners are asked for.

A program by itself, run with the standard library alone: between the engine and its browser there must be a process
that can change who it is, which `preexec_fn` cannot do beside threads. Its one argument is a `Launch` as JSON.
"""

import ctypes
import fcntl
import json
import os
import resource
import socket
import struct
import sys
from collections.abc import Sequence
from typing import NamedTuple

LISTENERS_AT_ONCE = 253  # as many descriptors as one message carries, unix(7)
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
PR_SET_DUMPABLE = 4
NO_NAMESPACE = "no network namespace can be had (see ENGINE_ISOLATION)"
SIOCSIFFLAGS, IFF_UP_RUNNING = 0x8914, 0x41


class Launch(NamedTuple):
    """`listeners` sockets go back over the descriptor `channel`; `account` is a (user, group) to become.

    The browser is let have `descriptors`.
    """

    command: list[str]
    directory: str
    descriptors: int
    account: tuple[int, int] | None = None
    listeners: int = 0
    channel: int = -1


def main(launch: Launch) -> None:
    """Never returns: what cannot be done is said on stderr."""
    try:
        if launch.account:
            become(*launch.account)
        enter(launch.directory)
        if launch.listeners:
            move_out()
            hand_over(launch.channel, [listener() for _ in range(launch.listeners)])
        # Chromium wants its pipe on descriptors 3 and 4. It comes as stdin and stdout.
        for wanted, given in ((3, 0), (4, 1), (1, 2)):
            os.dup2(given, wanted)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0, inheritable=True)
        allow(launch.descriptors)
        os.execv(launch.command[0], launch.command)  # noqa: S606 - the command is the operator's
    except OSError as err:
        sys.exit(f"the browser's launcher: {err}")


def become(user: int, group: int) -> None:
    os.setgroups([])
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)
    # A process that changed its user may not write its own id maps until it is dumpable again, proc(5).
    call("prctl", PR_SET_DUMPABLE, 1, 0, 0, 0)


def enter(directory: str) -> None:
    try:
        os.chdir(directory)
    except OSError as err:
        raise OSError(
            f"the account of the browser (ENGINE_BROWSER_USER) cannot enter {directory}: {err.strerror}. "
            "TMPDIR must name a directory that others may pass through"
        ) from err


def move_out() -> None:
    """Move to a network namespace that holds nothing but its loopback, under the same user and group."""
    try:
        unshare(os.getuid(), os.getgid())
    except OSError as err:  # AppArmor lets the namespace be made and forbids what makes it of use
        raise OSError(f"{NO_NAMESPACE}: {err.strerror}") from err


def unshare(user: int, group: int) -> None:
    call("unshare", CLONE_NEWUSER | CLONE_NEWNET)
    for name, line in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123 - this program starts for every browser
            file.write(line)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP_RUNNING))


def listener() -> socket.socket:
    """A bound socket: it stays in this namespace, whoever listens on it."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.bind(("127.0.0.1", 0))
    return bound


def hand_over(channel: int, sockets: Sequence[socket.socket]) -> None:
    with socket.socket(fileno=channel) as engine:
        socket.send_fds(engine, [b"\0"], [bound.fileno() for bound in sockets])
    for bound in sockets:
        bound.close()


def allow(descriptors: int) -> None:
    """Give back what the engine took for itself alone: a browser knows how many it needs."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(descriptors, hard), hard))


def call(name: str, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


if __name__ == "__main__":
    main(Launch(*json.loads(sys.argv[1])))
