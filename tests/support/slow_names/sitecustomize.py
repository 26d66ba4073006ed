"""With this folder on PYTHONPATH, names that start with `hang` hang as long as the file in HANG_WHILE is there.

The C function itself is replaced, in a process of its own, so that all above it is what runs in production.
"""

import _socket
import os
import time
from pathlib import Path

_look_up = _socket.getaddrinfo
_sleep = time.sleep  # gevent's would hold no thread
_gate = Path(os.environ["HANG_WHILE"])


def _slow(host, *args, **kwargs):
    if (host.decode() if isinstance(host, bytes) else host or "").startswith("hang"):
        while _gate.exists():
            _sleep(0.02)
        raise OSError("no answer")
    return _look_up(host, *args, **kwargs)


_socket.getaddrinfo = _slow
