"""Serves what this process, or its children, have counted, on a port of its own: `/metrics`.

The parent answers for a service of several processes, and does nothing else: a busy or hung child delays no answer.
A child leaves its tallies in a folder, once a second and when it ends. What it cannot count itself, such as the state of
Redis, it reads beforehand, so an answer waits for nothing.
"""

import atexit
import os
import platform
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from socketserver import TCPServer
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import structlog
from prometheus_client import make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from telemetry import metrics, processes, tallies
from telemetry.build import VERSION
from telemetry.exposition import Exposition
from telemetry.folder import OwnSnapshot, SnapshotFolder
from telemetry.tallies import Snapshot, snapshot

WRITE_SECONDS = 1.0
SAMPLE_SECONDS = 0.25
SHARED_SECONDS = 10.0  # how old what several processes share may be
RETRY_SECONDS = 5.0
CLIENT_SECONDS = 10
START_SECONDS = 2.0
_ACTION = "set METRICS_PORT to a free port and METRICS_HOST to an address of this machine; until then, the process has no /metrics"

Read = Callable[[], object]
StartThread = Callable[[Callable[[], None]], object]
_log = structlog.get_logger()


class _Parent:
    """What is known of the folder in this process and, after a fork, in its children."""

    folder: SnapshotFolder | None = None
    own: OwnSnapshot | None = None


def _start_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="metrics", daemon=True).start()


def serve(process: str, host: str, port: int | None, read: Read = lambda: None) -> None:
    """Serve the metrics of this process, which has no children that count. Without a `port`, nothing is counted.

    `read` sets gauges before each answer.
    """
    if port is not None:

        def take() -> list[Snapshot]:
            read()
            processes.measure()
            return [snapshot()]

        _begin(_Service(process, host, port, take, lambda: None), _start_thread)


def serve_for_children(process: str, host: str, port: int | None, start: StartThread = _start_thread) -> None:
    """Serve the metrics of this process and of those that it forks and that `publish`. Call it before they are forked.

    `start` starts a native thread.
    """
    if port is None or _Parent.folder is not None:
        return
    try:
        folder = _Parent.folder = SnapshotFolder.make()
    except OSError as err:
        _log.error("metrics_unavailable", reason=err.strerror, action="let this process write to /dev/shm or TMPDIR")
        return

    parent = os.getpid()
    atexit.register(lambda: folder.remove() if os.getpid() == parent else None)

    def take() -> list[Snapshot]:
        processes.measure()
        return [snapshot(), *folder.read()]

    _begin(_Service(process, host, port, take, folder.add_ended), start)


def publish(read: Read, read_shared: Read, *, has_loop: bool) -> None:
    """Leave the tallies of this process in the folder of its parent from now on, if that serves metrics.

    `read` sets gauges of this process, and `read_shared` those of what several processes share: one of them reads it, every
    ten seconds. `has_loop` says that this thread runs among others in an event loop, whose delays are measured.
    """
    if _Parent.folder is None:
        return
    with suppress(OSError):  # the parent has just been killed
        own = _Parent.own = OwnSnapshot(_Parent.folder.path)
        _start_thread(lambda: _publish(own, read, read_shared, has_loop=has_loop))


def publish_last() -> None:
    """Leave the last tallies: this process ends."""
    if _Parent.own is not None:
        with suppress(OSError):
            _Parent.own.write(snapshot)


def sample_loop(began: float) -> None:
    """Note how late a timer of SAMPLE_SECONDS is that `began` then (monotonic)."""
    metrics.LOOP_DELAY.observe(max(time.monotonic() - began - SAMPLE_SECONDS, 0.0))


def _begin(service: "_Service", start: StartThread) -> None:
    """Start to count and to serve, and log whether the port is ours.

    The thread logs nothing: a process that is forked while another thread logs may inherit a lock that nobody releases.
    """
    tallies.start_recording()
    metrics.BUILD_INFO.set(1, service.process, VERSION, platform.python_version())
    start(service.run)
    end = time.monotonic() + START_SECONDS
    while not service.tried and time.monotonic() < end:
        time.sleep(0.002)
    where = {"process": service.process, "host": service.host, "port": service.port}
    if service.refusal:
        _log.error("metrics_unavailable", setting="METRICS_PORT", **where, reason=service.refusal, action=_ACTION)
    else:
        _log.info("metrics_served", **where)


def _publish(own: OwnSnapshot, read: Read, read_shared: Read, *, has_loop: bool) -> None:
    written = shared = 0.0
    full = reads = False
    while True:
        now = time.monotonic()
        if now - written >= WRITE_SECONDS:
            written = now
            if now - shared >= SHARED_SECONDS:
                reads = _read_if_mine(own, read_shared, reads=reads)
                shared = now if reads else shared
            _try(read)
            full = _write(own, told=full)
        began = time.monotonic()
        time.sleep(SAMPLE_SECONDS)
        if has_loop:
            sample_loop(began)


def _read_if_mine(own: OwnSnapshot, read_shared: Read, *, reads: bool) -> bool:
    """Read what several processes share, if this is the process that does, and return whether it is.

    One that hung, so that another one took over (it `reads` no more), forgets what it has read: it would be added twice.
    """
    if own.is_reader():
        reads = True
        _try(read_shared)
    if reads and not own.is_reader():
        tallies.forget_gauges()
        return False
    return reads


def _write(own: OwnSnapshot, *, told: bool) -> bool:
    """Leave the tallies. If that fails, the log is `told` once, and the next writing has them too."""
    try:
        own.write(snapshot)
    except FileNotFoundError:  # the parent has just been killed
        return told
    except OSError as err:
        if not told:
            _log.error("metrics_unwritten", reason=err.strerror, action="make room in /dev/shm, or in TMPDIR")
        return True
    return False


def _try(read: Read) -> None:
    try:
        read()
    except Exception as err:  # noqa: BLE001 - a bug in a measurement must not end all of them
        _log.exception("unexpected_error", error=type(err).__name__)


class _Service:
    """Answers on a port. While it is taken, tries again: the process before this one may be about to end."""

    def __init__(self, process: str, host: str, port: int, take: Callable[[], Iterable[Snapshot]], tidy: Read) -> None:
        self.process = process
        self.host = host
        self.port = port
        self.tried = False
        self.refusal = ""
        self._app = make_wsgi_app(Exposition(process, take).registry())
        self._tidy = tidy

    def run(self) -> None:
        while True:
            try:
                server = self._bind()
            except OSError as err:
                self.refusal, self.tried = err.strerror or type(err).__name__, True
                _try(self._tidy)
                time.sleep(RETRY_SECONDS)
                continue
            self.tried = True
            server.serve_forever(poll_interval=WRITE_SECONDS)

    def _bind(self) -> Any:
        service = self

        class MetricsServer(ThreadingWSGIServer):
            address_family = socket.AF_INET6 if ":" in service.host else socket.AF_INET
            daemon_threads = True

            def server_bind(self) -> None:
                """Bind without looking up the name of the address, which the library does."""
                TCPServer.server_bind(self)
                self.server_name, self.server_port = service.host, service.port
                self.setup_environ()

            def service_actions(self) -> None:
                _try(service._tidy)

            def handle_error(self, *_: object) -> None:
                """Log nothing: the client has gone."""

        return make_server(self.host, self.port, self._app, MetricsServer, _MetricsHandler)


class _MetricsHandler(WSGIRequestHandler):
    timeout = CLIENT_SECONDS

    def log_message(self, *_: object) -> None:
        """Log nothing: a scrape every few seconds is no event."""
