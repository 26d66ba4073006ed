"""Runs the real web process: gunicorn with the shipped configuration."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support import leaks
from tests.support.processes import free_port, running

ROOT = Path(__file__).parents[2]


@contextmanager
def running_web(log: Path, **settings: object) -> Iterator[str]:
    """Run gunicorn with `settings` alone and yield its URL. Its log is the file `log`."""
    with running_web_process(log, **settings) as (url, _):
        yield url


@contextmanager
def running_web_process(
    log: Path, prefix: Sequence[str] = (), app: str = "app:app", **settings: object
) -> Iterator[tuple[str, subprocess.Popen]]:
    """Run gunicorn with only `settings`. Yield its URL and its process, which leads a new process group.

    `prefix` is a command that runs gunicorn's command. `app` names another application than ours.
    """
    port = free_port()
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "VIRTUAL_ENV") if name in os.environ}
    given = {name.upper(): str(value) for name, value in settings.items()}
    env = kept | {"PORT": str(port), "LOG_FORMAT": "json", "PYTHONPATH": str(ROOT)} | given
    command = [*prefix, sys.executable, "-m", "gunicorn", "-c", str(ROOT / "deploy" / "gunicorn.conf.py"), app]
    with (
        leaks.watched(log),
        log.open("ab") as output,
        running(command, port, env=env, cwd=log.parent, stderr=output) as process,
    ):
        yield f"http://127.0.0.1:{port}", process
