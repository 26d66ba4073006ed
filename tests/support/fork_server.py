"""Forks the programs of the tests from processes that have imported their modules already.

To start gunicorn, Celery, moto, the engine or `thumbnails` costs most of a second of processor time for imports, and a
test run starts some two hundred of them. For each of the programs, one process here imports what the program would
import, and then forks once a start. The fork runs the program as `python -m` does: `tests.support.preloaded` asks
for it.

`python -m tests.support.fork_server FOLDER` puts a socket a program into the folder, and ends with its standard input.
"""

import atexit
import functools
import gc
import importlib
import json
import os
import runpy
import select
import signal
import sys
import threading
import warnings
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from socket import AF_UNIX, SOCK_DGRAM, recv_fds, socket
from typing import Any, NoReturn

# These modules read no setting and keep no descriptor when they are imported. `worker` reads the settings.
PROGRAMS = {
    "gunicorn": (
        *("gunicorn.app.wsgiapp", "gevent.monkey", "gunicorn.workers.ggevent", "gunicorn.glogging"),
        *("gevent.threadpool", "gevent.resolver.thread", "app", "measurements", "sqlite3"),
        *("celery.app.amqp", "celery.app.base", "celery.backends.base", "celery.worker.worker"),
    ),
    "celery": (
        *("celery.__main__", "celery.bin.celery", "celery.app.amqp", "celery.app.control", "celery.app.log"),
        *("celery.apps.worker", "celery.apps.beat", "celery.concurrency.prefork", "celery.backends.base"),
        *("celery.worker.autoscale", "celery.worker.components", "celery.worker.consumer", "celery.worker.strategy"),
        *("celery.worker.consumer.delayed_delivery", "billiard.popen_fork", "billiard.synchronize"),
        *("kombu.transport.redis", "jobs.beat", "jobs.consumer", "services", "tasks", "measurements", "sqlite3"),
    ),
    "engine": ("engine.__main__",),
    "flask": (
        *("flask.cli", "app", "sites.migrate", "celery.app.amqp", "celery.app.base", "celery.worker.worker", "sqlite3"),
        *("cli.main", "cli.backup", "cli.doctor", "cli.migrate", "cli.pictures", "cli.sites", "cli.static_cards"),
    ),
    "moto.server": ("moto.server", "moto.s3.responses"),
}
LARGEST = 1 << 17  # of a request, in bytes

# gevent replaces these once it is imported. Its `close` waits for its own loop, which does not run here.
_fork, _waitpid, _close, _poll = os.fork, os.waitpid, os.close, getattr(select, "epoll", None)  # it runs on Linux alone


def main(folder: Path) -> dict[str, Any]:
    """Serve until the standard input ends. Return in forks alone: what they are to run."""
    events = _poll()
    events.register(0, 0)
    sockets = {}
    for program in PROGRAMS:
        listener = socket(AF_UNIX, SOCK_DGRAM)
        listener.bind(str(folder / program))
        events.register(listener, select.EPOLLIN)
        sockets[listener.fileno()] = program, listener
    while True:
        for ready, _ in events.poll():
            if ready == 0:
                os._exit(0)
            events.unregister(ready)
            program, listener = sockets.pop(ready)
            if _fork() == 0:
                events.close()
                for _, other in sockets.values():
                    other.close()
                _import(program)
                return _serve(listener)
            listener.close()


def _import(program: str) -> None:
    for name in PROGRAMS[program]:
        module = importlib.import_module(name)
        if name == "gevent.monkey":
            module.patch_all()  # where gunicorn.conf.py does
    if program == "engine":
        _share_filter_lists()
    assert threading.active_count() == 1, "a fork would lack the other threads"
    gc.collect()
    gc.freeze()  # so that the forks share the memory


def _share_filter_lists() -> None:
    """Let all engines share what is made of the usual filter lists: that takes longer than the rest of a start."""
    from engine.config import EngineSettings
    from engine.page import adblock

    make = functools.cache(lambda *lists: made(lists))
    made, adblock.AdFilter = adblock.AdFilter, lambda lists: make(*lists)
    adblock.load(EngineSettings.model_fields["engine_filter_lists"].default)


def _serve(listener: socket) -> dict[str, Any]:
    events = _poll()
    events.register(0, 0)
    events.register(listener, select.EPOLLIN)
    children: dict[int, tuple[int, int]] = {}  # by the descriptor of a process: its id, and where its status is told
    while True:
        for ready, _ in events.poll():
            if ready == 0:
                _end(pid for pid, _ in children.values())
            if ready in children:
                pid, told = children.pop(ready)
                _, status = _waitpid(pid, 0)
                events.unregister(ready)
                _close(ready)
                _tell(told, os.waitstatus_to_exitcode(status))
                _close(told)
            if ready != listener.fileno():
                continue
            request, (told, *streams), _, _ = recv_fds(listener, LARGEST, 4)
            pid = _fork()
            if pid == 0:
                events.close()
                listener.close()
                for descriptor, (_, other) in children.items():
                    _close(descriptor)
                    _close(other)
                _close(told)
                for number, stream in enumerate(streams):
                    os.dup2(stream, number)
                    _close(stream)
                return json.loads(request)
            for stream in streams:
                _close(stream)
            descriptor = os.pidfd_open(pid)
            children[descriptor] = pid, told
            events.register(descriptor, select.EPOLLIN)
            _tell(told, pid)


def _end(pids: Iterable[int]) -> NoReturn:
    """End this process with the forks that a run has left behind, as one that is interrupted does."""
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
    os._exit(0)


def _tell(told: int, number: int) -> None:
    with suppress(OSError):  # the test process has ended
        os.write(told, b"%d\n" % number)


def _become(command: list[str], environ: dict[str, str], folder: str, session: bool, warn: list[str]) -> None:
    """Run `command`, a module and its arguments, in this process."""
    if session:
        os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    sys.path[0] = folder
    sys.argv[:] = command
    for name in warn:
        warnings.simplefilter("error", getattr(__import__("builtins"), name))
    # runpy warns of a module that is imported before it runs.
    package = hasattr(sys.modules.get(command[0]), "__path__")
    sys.modules.pop(f"{command[0]}.__main__" if package else command[0], None)
    status = 0
    try:
        runpy.run_module(command[0], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if isinstance(end.code, str):  # Python writes it
            raise
        status = end.code or 0
    _exit(status)


def _exit(status: int) -> NoReturn:
    """End as Python does, but do not take the modules apart: that would copy most of the memory that the forks share."""
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status & 0xFF)


if __name__ == "__main__":
    _become(**main(Path(sys.argv[1])))
