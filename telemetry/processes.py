"""What this process, and those below it, use of the machine, from /proc: proc(5)."""

import os
import resource
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from telemetry import metrics

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class _Use:
    memory: int  # bytes
    cpu: float  # seconds, with those of children that have ended
    files: int


def measure() -> None:
    """Set the gauges of this process and of all below it."""
    main = os.getpid()
    uses = {"main": _uses([main]), "child": _uses(_descendants(main))}
    for kind, found in uses.items():
        metrics.PROCESSES.set(len(found), kind)
        metrics.PROCESS_MEMORY.set(sum(use.memory for use in found), kind)
        metrics.PROCESS_FILES.set(max((use.files for use in found), default=0), kind)
    metrics.PROCESS_FILES_LIMIT.set(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    metrics.PROCESS_CPU.set(sum(use.cpu for found in uses.values() for use in found))


def _descendants(pid: int) -> Iterator[int]:
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, tasks.read_text(encoding="ascii").split()):
                yield child
                yield from _descendants(child)


def _uses(pids: "Iterator[int] | list[int]") -> list[_Use]:
    found = []
    for pid in pids:
        with suppress(OSError, ValueError, IndexError):  # it has ended meanwhile
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            found.append(_Use(int(fields[21]) * _PAGE, sum(map(int, fields[11:15])) / _TICKS, _open_files(pid)))
    return found


def _open_files(pid: int) -> int:
    try:
        return sum(1 for _ in os.scandir(f"/proc/{pid}/fd"))
    except PermissionError:  # another user's process
        return 0
