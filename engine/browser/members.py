"""Lists the processes of a browser's group and their memory: from /proc, or by ps(1) where there is none, as on macOS."""

import contextlib
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")
RENDERER = "--type=renderer"


@dataclass(frozen=True, slots=True)
class Member:
    """A process of the group, and its resident memory in bytes. `command` is known if it cost nothing to learn."""

    pid: int
    memory: int
    command: str = ""

    @property
    def is_renderer(self) -> bool:
        with contextlib.suppress(OSError):
            return RENDERER in (self.command or Path(f"/proc/{self.pid}/cmdline").read_bytes().decode(errors="replace"))
        return False

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


def members_of(group: int) -> list[Member]:
    """List every process of a process group, from one scan of /proc or one run of ps."""
    try:
        pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    except OSError:
        return listed_members(group)
    # The group comes first: reading the files of every process of the machine takes 20 times as long.
    return [member for pid in pids if _group_of(pid) == group and (member := _member(pid))]


def listed_members(group: int) -> list[Member]:
    """Ask ps for what `members_of` returns."""
    command = ["ps", "-A", "-o", "pgid=,pid=,rss=,args="]  # POSIX has no `rss`, but each ps that we know has: in KiB
    listed = subprocess.run(command, capture_output=True, text=True, errors="replace", check=True).stdout  # noqa: S603
    lines = [fields for line in listed.splitlines() if len(fields := line.split(maxsplit=3)) == 4]
    return [Member(int(pid), int(rss) << 10, args) for pgid, pid, rss, args in lines if int(pgid) == group]


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
