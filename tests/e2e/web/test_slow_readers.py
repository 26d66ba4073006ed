"""Clients that read little by little: how much memory they hold of everybody's process."""

import random
import re
import socket
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
import redis
import requests

from coordination import CacheKeys, CacheRedis, RedisBreaker
from model import Picture
from netguard import Guard
from tests.support.processes import wait_until
from tests.support.redis import running_redis
from tests.support.web import running_web_process
from thumbnails import PictureCache
from validation import Validator

SIZE = 6 << 20  # bytes of a picture
PATHS = [f"/thumb?url={quote(f'https://example.com/{number}', safe='')}&w=3000" for number in range(50)]


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    """A web process that knows fifty large pictures, and keeps none of them in its memory; and its worker's process id."""
    folder = tmp_path_factory.mktemp("slow")
    validator = Validator(Guard(frozenset({443}), (), lambda _host: ["93.184.216.34"]))
    with running_redis() as server, redis.Redis.from_url(server.url) as client:
        cache = PictureCache(CacheRedis(client, RedisBreaker(), CacheKeys()))
        for number, path in enumerate(PATHS):
            request = validator.parse_query(path.partition("?")[2].encode())
            body = random.Random(number).randbytes(SIZE)
            cache.put_rendition(request, Picture(body, "image/png", 3000, 2000, datetime.now(UTC)), 3600)
        with running_web_process(
            folder / "web.log",
            redis_url=server.url,
            resolve_targets="false",
            memory_cache_bytes=0,
            web_concurrency=1,
            persist_dir=folder / "media",
            originals_dir=folder / "originals",
            database_url=f"sqlite:///{folder}/thumbnails.db",
        ) as (url, process):
            assert requests.get(f"{url}/health", timeout=30).status_code == 200
            yield url, _worker(process.pid), folder / "web.log"


def _worker(master):
    return int(Path(f"/proc/{master}/task/{master}/children").read_text().split()[0])


def resident(pid):
    """Return the resident memory of a process in MiB."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) // 1024


def connect(url, stack):
    """Connect with a small buffer, so that what is not read stays in the process."""
    client = stack.enter_context(closing(socket.socket()))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    address = urlsplit(url)
    client.connect((address.hostname, address.port))
    client.settimeout(30)
    return client


def test_clients_that_do_not_read_hold_little_memory_and_no_one_else(web):
    url, worker, log = web
    before = resident(worker)
    with ExitStack() as stack:
        for path in PATHS:  # 300 MB
            client = connect(url, stack)
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert client.recv(12) == b"HTTP/1.1 200"
        wait_until(lambda: b"reader_cut_off" in log.read_bytes(), "a client that is cut off")
        assert resident(worker) - before < 150
        assert b"Socket error" not in log.read_bytes(), "a traceback for each"
        for path in PATHS[:3]:
            assert len(requests.get(url + path, timeout=30).content) == SIZE
