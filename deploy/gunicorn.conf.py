"""How gunicorn runs the web process: https://docs.gunicorn.org/en/stable/settings.html."""

from gevent import monkey

monkey.patch_all()  # before anything else is imported, or some modules would keep threads and sockets of their own

import logging
import resource
import sys
import time
from pathlib import Path
from typing import Any

import gevent
from gevent.hub import Hub
from gunicorn.http.errors import NoMoreData, ParseException
from gunicorn.workers.ggevent import GeventWorker

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import netguard
from config import ConfigError, load  # gunicorn has a setting named `config`

# Read here too, so that a setting that cannot be used stops the start once, and not each worker for ever.
try:
    settings = load()
except ConfigError as err:
    sys.exit(str(err))

# Loopback unless told otherwise; the image says 0.0.0.0.
bind = f"{settings.web_host}:{settings.port}"


# A greenlet a connection: a request mostly waits, for its client, a capture or Redis, and waiting costs next to nothing.
# Sync workers would let one slow client stop the service; threads spend more time on handing over than on a hit.
# gunicorn gives a request's head `keepalive` seconds, but its body and the answer all the time in the world.
class Worker(GeventWorker):
    """Ends connections of clients that send or read too slowly: each holds one of `worker_connections`."""

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> Any:
        sock.settimeout(settings.client_timeout)  # holds for each answer as a whole, see gevent's `sendall`
        req.unreader.sock = _Body(sock)
        reader, req.body.reader = req.body.reader, _Reader(req.body.reader)
        try:
            return super().handle_request(listener_name, req, sock, addr)
        except TimeoutError as err:
            raise StopIteration from err  # this is how gunicorn is told to hang up
        finally:
            req.unreader.sock, req.body.reader = sock, reader  # gunicorn may have to read what nobody did
            sock.settimeout(None)  # the next head has `keepalive` seconds


class _Body:
    """What gunicorn reads a body from: a socket with one time-out for all of it, however many pieces it comes in."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._end = time.monotonic() + settings.client_timeout

    def recv(self, size: int) -> bytes:
        with gevent.Timeout(max(self._end - time.monotonic(), 0), TimeoutError("the body did not come in time")):
            return self._sock.recv(size)


class _Reader:
    """What takes a body apart: chunks that are none are an OSError for the application, like a client that hangs up."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def read(self, size: int) -> bytes:
        try:
            return self._reader.read(size)
        except ParseException as err:
            raise OSError(type(err).__name__) from None


class _Discretion(logging.Filter):
    """Keeps requests out of gunicorn's log, which quotes what it cannot read: URLs with signatures, headers with keys."""

    def filter(self, record: logging.LogRecord) -> bool:
        err = sys.exc_info()[1]
        if isinstance(err, ParseException | NoMoreData) and not record.exc_info:
            record.msg, record.args = f"What came cannot be read: {type(err).__name__}", ()
        elif isinstance(record.args, tuple):
            record.args = tuple(arg.partition("?")[0] if isinstance(arg, str) else arg for arg in record.args)
        return True


logging.getLogger("gunicorn.error").addFilter(_Discretion())

worker_class = Worker
workers = settings.web_concurrency
worker_connections = settings.web_connections

# Each connection takes a descriptor, and another while it waits by Redis: the usual limit is 1024. Workers inherit it.
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 1 << 16)), hard))

# Names are looked up in native threads. Those that strangers ask for may take half of them and hang: the rest is for
# the names of the engine, Redis and S3.
Hub.threadpool_size = 2 * netguard.MOST_LOOKUPS

# A capture in flight may end before its worker does; the worker's heartbeat is apart from its requests.
timeout = int(settings.capture_timeout) + 30
graceful_timeout = int(settings.capture_timeout) + 5
keepalive = 5

# 2,048 characters of URL are three times as many when percent-encoded; this is gunicorn's own maximum.
limit_request_line = 8190

# Whom to believe about the client is TRUSTED_PROXIES' business alone; gunicorn would believe any peer on loopback.
forwarded_allow_ips = ""

# The heartbeat file must not wait for a disk.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - gunicorn makes the name safe

# The application logs one event a request, with more than an access log knows.
accesslog = None
loglevel = settings.log_level.lower()

# gunicorn would put a socket for its `gunicornc` into the home folder; signals are enough, and the image is read-only.
control_socket_disable = True


def pre_request(_worker: object, _request: object) -> None:
    """Take turns: a connection whose next request is there already would otherwise be served before all others."""
    gevent.sleep(0)


def worker_exit(_server: object, worker: Any) -> None:
    """Let captures end that nobody waits for any more; gunicorn allows `graceful_timeout` for it."""
    worker.wsgi.extensions["services"].close()
