"""Makes look-ups of names that start with `hang` hang while the file HANG_WHILE exists. Put this folder on PYTHONPATH.

It replaces only the C function, in a separate process, so that all code above it is that of production.
"""

import _socket
import os
import time
from pathlib import Path

_look_up = _socket.getaddrinfo
_sleep = time.sleep  # gevent's sleep would not occupy the thread
_gate = Path(os.environ["HANG_WHILE"])


def _slow(host, *args, **kwargs):
    if (host.decode() if isinstance(host, bytes) else host or "").startswith("hang"):
        while _gate.exists():
            _sleep(0.02)
        raise OSError("no answer")
    return _look_up(host, *args, **kwargs)


_socket.getaddrinfo = _slow
