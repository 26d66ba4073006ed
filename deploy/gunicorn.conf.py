"""How gunicorn runs the web process: https://docs.gunicorn.org/en/stable/settings.html."""

from gevent import monkey

monkey.patch_all()  # before all other imports, or some modules would keep the unpatched threads and sockets

import errno
import gc
import logging
import re
import resource
import socket
import sys
import time
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import gevent
from gevent.hub import Hub
from gunicorn import util
from gunicorn.http import wsgi
from gunicorn.http.errors import LimitRequestHeaders, NoMoreData, ParseException
from gunicorn.http.message import TOKEN_RE, Request
from gunicorn.http.parser import RequestParser
from gunicorn.workers.ggevent import GeventWorker

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import images
import logs
import netguard
import telemetry
from config import ConfigError, load, stop  # gunicorn has a setting named `config`
from telemetry import traces
from web.http import request_log
from web.http.slow_readers import SlowReaders

# The settings are read here too, so that an invalid one stops gunicorn at once, not each worker repeatedly.
try:
    settings = load()
except ConfigError as err:
    stop(err)

# The default is loopback; the Docker image sets 0.0.0.0.
bind = f"{settings.web_host}:{settings.port}"


# Each connection is served by a greenlet. A request mostly waits for its client, a capture or Redis, and a greenlet that
# waits costs next to nothing. With sync workers, one slow client could stop the service. Threads spend more time on
# switching than a hit takes. gunicorn bounds the time for a request's head (`keepalive`), but not for body and response.
class Worker(GeventWorker):
    """Closes connections of clients that send or read too slowly, since each holds one of `worker_connections`."""

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> Any:
        sock.settimeout(settings.client_timeout)  # bounds each response as a whole, see gevent's `sendall`
        req.unreader.sock = _BodySocket(sock)
        reader, req.body.reader = req.body.reader, _BodyReader(req.body.reader)
        try:
            return super().handle_request(listener_name, req, sock, addr)
        except TimeoutError as err:
            raise StopIteration from err  # makes gunicorn close the connection
        finally:
            req.unreader.sock, req.body.reader = sock, reader  # gunicorn reads what the application left unread
            sock.settimeout(None)  # `keepalive` bounds the next head


class _BodySocket:
    """The socket from which gunicorn reads a request's body, with one time-out for the whole body."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._end = time.monotonic() + settings.client_timeout

    def recv(self, size: int) -> bytes:
        with gevent.Timeout(max(self._end - time.monotonic(), 0), TimeoutError("the body did not arrive in time")):
            return self._sock.recv(size)


class _BodyReader:
    """gunicorn's reader of a body. Malformed chunks become an OSError, as if the client had closed the connection."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def read(self, size: int) -> bytes:
        try:
            return self._reader.read(size)
        except ParseException as err:
            raise OSError(type(err).__name__) from None


class _Request(Request):
    """Reads a request's head, with a limit for the whole of it, and a URL in raw UTF-8 as if it were percent-encoded."""

    def read_into(self, unreader: Any, buf: bytearray, stop: bool = False) -> None:
        super().read_into(unreader, buf, stop)
        if len(buf) > LONGEST_HEAD:
            raise LimitRequestHeaders("the head is too long")

    def parse_request_line(self, line_bytes: bytes) -> None:
        super().parse_request_line(_NOT_ASCII.sub(lambda byte: b"%%%02X" % ord(byte[0]), line_bytes))

    def _peer_is_trusted_proxy(self) -> bool:
        return False  # as `forwarded_allow_ips` says, which gunicorn would parse for each request


_NOT_ASCII = re.compile(rb"[\x80-\xff]")
LONGEST_HEAD = 128 << 10
RequestParser.mesg_class = _Request
http_parser = "python"  # the one in C would not use it


# gunicorn judges each name and each value by itself, and sends head and body apart. A hit has a dozen headers, so that
# took as long as all that the application does for it, and woke the client twice.
class _Response(wsgi.Response):
    """Judges all header values at once, and sends the head together with the beginning of the body."""

    def process_headers(self, headers: list[tuple[str, str]]) -> None:
        values = "".join([value for _, value in headers])
        usual, length_at = _judge_names(tuple([name for name, _ in headers]))
        if not (usual and values.isascii() and values.isprintable()):
            super().process_headers(headers)
            return
        if length_at is not None:
            self.response_length = int(headers[length_at][1])
        self.headers.extend(headers)

    def write(self, arg: bytes) -> None:
        if self.headers_sent:
            super().write(arg)
            return
        together = _Together(self.sock, self.req.peer_addr)
        self.sock = together
        try:
            super().write(arg)
        finally:
            self.sock = together.sock
        together.send()


slow_readers = SlowReaders()


class _Together:
    """Collects what is sent through a socket, and sends it by one call to the kernel if the socket takes it all."""

    def __init__(self, sock: Any, peer: Any) -> None:
        self.sock = sock
        self._peer = peer
        self._parts: list[bytes] = []

    def sendall(self, data: bytes) -> None:
        self._parts.append(data)

    def send(self) -> None:
        sent = 0
        with suppress(BlockingIOError):
            sent = self.sock.sendmsg(self._parts, (), socket.MSG_DONTWAIT)
        for part in self._parts:
            if sent < len(part):
                self._send_slowly(part, sent)
            sent = max(sent - len(part), 0)

    def _send_slowly(self, part: bytes, sent: int) -> None:
        client = str(self._peer[0]) if isinstance(self._peer, tuple) else ""
        try:
            with slow_readers.hold(client, part, self._cut_off):
                self.sock.sendall(memoryview(part)[sent:])
        except OSError as err:
            if err.errno != errno.EBADF:  # what gevent raises where a socket is shut down
                raise
            raise BrokenPipeError(errno.EPIPE, "cut off") from None  # which gunicorn does not log

    def _cut_off(self) -> None:
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)


@lru_cache(maxsize=256)
def _judge_names(names: tuple[str, ...]) -> tuple[bool, int | None]:
    """Return whether gunicorn would send headers with these names unchanged, and which is the length of the body."""
    usual = all(TOKEN_RE.fullmatch(name) and not util.is_hoppish(name) for name in names)
    lengths = [number for number, name in enumerate(names) if name.lower() == "content-length"]
    return usual and len(lengths) < 2, lengths[0] if lengths else None


wsgi.Response = _Response

# gunicorn makes both of these for each request, which took as long as reading a picture from memory.
wsgi.WSGIErrorsWrapper = cache(wsgi.WSGIErrorsWrapper)
_write_date = lru_cache(maxsize=2)(util.http_date)
util.http_date = lambda timestamp=None: _write_date(int(time.time() if timestamp is None else timestamp))


class _HideRequests(logging.Filter):
    """Keeps the text of requests out of gunicorn's log: it may hold URLs with signatures, or headers with keys."""

    def filter(self, record: logging.LogRecord) -> bool:
        err = sys.exc_info()[1]
        if isinstance(err, ParseException | NoMoreData) and not record.exc_info:
            record.msg, record.args = f"request could not be parsed: {type(err).__name__}", ()
        elif isinstance(record.args, tuple):
            record.args = tuple(_without_secrets(arg) if isinstance(arg, str) else arg for arg in record.args)
        return True


# Addresses whose path may hold a key or a page's URL: those of other services (DIALECTS), and `/t/`.
_TELLING_PATH = re.compile(r"/(?:v1|get|mshots|t|11ty)/|/https?(?::|%3a)", re.IGNORECASE)


def _without_secrets(text: str) -> str:
    """Leave out the query of an address, and of a path that may hold a secret all but its beginning."""
    found = _TELLING_PATH.match(text)
    return f"{found[0]}…" if found else text.partition("?")[0]


logging.getLogger("gunicorn.error").addFilter(_HideRequests())

worker_class = Worker
workers = settings.web_concurrency
worker_connections = settings.web_connections

# A connection takes one file descriptor, and a second one while it waits for Redis. The usual limit is 1024. Workers
# inherit the limit that is set here.
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
for limit in (1 << 16, 10_240):  # on macOS, the kernel may take less than the hard limit says, yet always the second
    with suppress(ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, limit)), hard))
        break

# Names are looked up in native threads. Lookups for callers' URLs may hang in at most half of them. The other half is
# for the names of the engine, Redis and S3.
Hub.threadpool_size = 2 * netguard.MOST_LOOKUPS

# A worker that stops lets its captures end first. Its heartbeat does not depend on its requests.
timeout = int(settings.capture_timeout) + 30
graceful_timeout = int(settings.capture_timeout) + 5
keepalive = 5

# A URL of 2,048 characters is three times as long when percent-encoded. This is gunicorn's maximum.
limit_request_line = 8190

# Cookies of the site around are of no use here, but they come with each `<img>`, in one header.
limit_request_field_size = 48 << 10

# Only TRUSTED_PROXIES decides which proxies are believed. By default, gunicorn believes any peer on loopback.
forwarded_allow_ips = ""

# The heartbeat file is in memory, since a write to it must not wait for a disk.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - gunicorn makes the name safe

# The application logs one event per request, which says more than an access log.
accesslog = None
loglevel = settings.log_level.lower()

# gunicorn's control socket would be a file in the home folder, but the image is read-only. Signals are enough.
control_socket_disable = True


# Requests are logged and counted together that end within so many seconds: a hit then takes a tenth less time.
LOG_SECONDS = 0.02


def pre_request(_worker: object, _request: object) -> None:
    """Let other connections go first; a pipelined request would otherwise be served before theirs."""
    gevent.sleep(0)


def on_starting(_server: object) -> None:
    """Serve the metrics of all workers from this process, which does nothing else. gevent would run them in its loop."""
    if settings.metrics_port is not None:
        logs.configure(settings.log_format, settings.log_level)
        start_native = monkey.get_original("_thread", "start_new_thread")
        telemetry.serve_for_children(
            "web", settings.metrics_host, settings.metrics_port, lambda work: start_native(work, ())
        )


def post_worker_init(worker: Any) -> None:
    images.return_large_buffers(images.VERY_LARGE)
    services = worker.wsgi.extensions["services"]
    traces.start("web", wanted=settings.sends_traces)
    services.start()
    request_log.write_together(lambda work: gevent.spawn_later(LOG_SECONDS, work))
    if settings.metrics_port is not None:
        from measurements import Measurements  # noqa: PLC0415 - the master has no use for all that it imports

        measurements = Measurements(services)
        telemetry.publish(measurements.read_own, measurements.read_shared, has_loop=True)
    # A full garbage collection would look at all that was imported, again and again, and hold every request meanwhile.
    gc.freeze()


def worker_exit(_server: object, worker: Any) -> None:
    """Wait for captures in progress, also those without a caller, for at most gunicorn's `graceful_timeout`."""
    application = getattr(worker, "wsgi", None)  # none if the worker refused to start
    if application:
        application.extensions["services"].close()
        request_log.write_handled()
        telemetry.publish_last()
        traces.stop()
