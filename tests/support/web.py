"""Runs the real web process: gunicorn with the shipped configuration."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support import leaks
from tests.support.processes import ROOT, free_port, production_environ, running


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
    given = {name.upper(): str(value) for name, value in settings.items()}
    env = production_environ() | {"PORT": str(port)} | given
    command = [*prefix, sys.executable, "-m", "gunicorn", "-c", str(ROOT / "deploy" / "gunicorn.conf.py"), app]
    with (
        leaks.watched(log),
        log.open("ab") as output,
        running(command, port, env=env, cwd=log.parent, stderr=output) as process,
    ):
        yield f"http://127.0.0.1:{port}", process
