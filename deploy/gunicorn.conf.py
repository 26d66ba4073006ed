"""How gunicorn runs the web process: https://docs.gunicorn.org/en/stable/settings.html."""

import os
from pathlib import Path

# Loopback unless told otherwise; the image says 0.0.0.0.
bind = f"{os.environ.get('WEB_HOST') or '127.0.0.1'}:{os.environ.get('PORT') or 8000}"

# Threads: a request mostly waits for a capture or for Redis. Sync workers would let one slow client stop the service.
worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY") or 2)
threads = int(os.environ.get("WEB_THREADS") or 32)

# A capture in flight may end before its worker does; the worker's heartbeat is apart from its requests.
capture = float(os.environ.get("CAPTURE_TIMEOUT") or 60)
timeout = int(capture) + 30
graceful_timeout = int(capture) + 5
keepalive = 5

# 2,048 characters of URL are three times as many when percent-encoded; this is gunicorn's own maximum.
limit_request_line = 8190

# The heartbeat file must not wait for a disk.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - gunicorn makes the name safe

# The application logs one event a request, with more than an access log knows.
accesslog = None
loglevel = (os.environ.get("LOG_LEVEL") or "info").lower()

# gunicorn would put a socket for its `gunicornc` into the home folder; signals are enough, and the image is read-only.
control_socket_disable = True
