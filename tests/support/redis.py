"""A real Redis on loopback, without a file of its own."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.support.processes import free_port, running


@dataclass
class RedisServer:
    url: str
    process: subprocess.Popen


@contextmanager
def running_redis(*options: str) -> Iterator[RedisServer]:
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", *options]
    with running(command, port, stdout=subprocess.DEVNULL) as process:
        yield RedisServer(f"redis://127.0.0.1:{port}/0", process)
