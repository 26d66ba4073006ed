"""Runs the real web process: gunicorn with the shipped configuration."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support import leaks
from tests.support.preloaded import ROOT, Fork, production_environ, start_python
from tests.support.processes import accepting, free_port


@contextmanager
def running_web(log: Path, **settings: object) -> Iterator[str]:
    """Run gunicorn with `settings` alone and yield its URL. Its log is the file `log`."""
    with running_web_process(log, **settings) as (url, _):
        yield url


@contextmanager
def running_web_process(
    log: Path, prefix: Sequence[str] = (), app: str = "app:app", **settings: object
) -> Iterator[tuple[str, subprocess.Popen | Fork]]:
    """Run gunicorn with only `settings`. Yield its URL and its process, which leads a new process group.

    `prefix` is a command that runs gunicorn's command. `app` names another application than ours.
    """
    port = free_port()
    given = {name.upper(): str(value) for name, value in settings.items()}
    env = production_environ() | {"PORT": str(port)} | given
    config = ROOT / "deploy" / "gunicorn.conf.py"
    words = ("gunicorn", "-c", str(config), "--chdir", str(log.parent), app)  # gunicorn reads its folder at its import
    with leaks.watched(log), log.open("ab") as output:
        started = start_python(*words, env=env, prefix=prefix, cwd=log.parent, stderr=output, start_new_session=True)
        with accepting(started, port) as process:
            yield f"http://127.0.0.1:{port}", process
