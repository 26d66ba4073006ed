"""`python -m scripts.locked FILE COMMAND…`: become COMMAND, which holds the lock of FILE until it ends.

flock(1) does the same, but macOS does not have it. Without a free lock, end with status 1.
"""

import fcntl
import os
import sys


def main(file: str, *command: str) -> None:
    lock = os.open(file, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"{file} is locked by another process")
    os.set_inheritable(lock, True)
    os.execvp(command[0], command)  # noqa: S606 - the command is the Procfile's


if __name__ == "__main__":
    main(*sys.argv[1:])
