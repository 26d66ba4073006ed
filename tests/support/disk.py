"""A small disk of its own for a process, which root is not needed for: a tmpfs in the process's mount namespace."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def on_a_disk(folder: Path, size: int) -> list[str]:
    """A command that runs another in a mount namespace where `folder` is a disk of `size` bytes."""
    script = f'mount -t tmpfs -o size={size},mode=700 none {folder} && exec "$@"'
    return ["unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh"]


def beside(pid: int) -> list[str]:
    """A command that runs another where the process `pid` runs, with the same disk."""
    return ["nsenter", f"--target={pid}", "--user", "--mount", "--preserve-credentials"]


@contextmanager
def full_disk(pid: int, folder: Path) -> Iterator[None]:
    """Leave no byte free on the disk that the process `pid` has at `folder`."""
    ballast = Path(f"/proc/{pid}/root{folder}/ballast")
    # Allocating what is free would fail where the process writes meanwhile.
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 16))
    try:
        yield
    finally:
        ballast.unlink()
