"""Runs a real Redis on loopback, without persistence."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta

import redis

from refresh import ViewedPage
from tests.support.processes import free_port, running, wait_until


@dataclass
class RedisServer:
    url: str
    process: subprocess.Popen


@contextmanager
def running_redis(*options: str, port: int | None = None) -> Iterator[RedisServer]:
    port = port or free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", *options]
    with running(command, port, stdout=subprocess.DEVNULL) as process:
        server = RedisServer(f"redis://127.0.0.1:{port}/0", process)
        wait_until(lambda: _answers(server), "a Redis that has loaded its data")
        yield server


def _answers(server: RedisServer) -> bool:
    with redis.Redis.from_url(server.url) as client, suppress(redis.RedisError):
        return bool(client.ping())
    return False


def age_pictures(url: str, seconds: int) -> None:
    """Make all cached pictures look `seconds` older, with the recorded times of their captures."""
    with redis.Redis.from_url(url) as client:
        for key in client.keys("thumb:picture:*"):
            head, _, body = client.get(key).partition(b"\n")
            header = json.loads(head)
            header["captured_at"] -= seconds
            client.set(key, json.dumps(header).encode() + b"\n" + body, keepttl=True)
        for key in client.keys("thumb:original:*"):
            client.set(key, float(client.get(key)) - seconds, keepttl=True)
        for member, views in client.zrange("thumb:views", 0, -1, withscores=True):
            page = ViewedPage.unpack(member)
            client.zrem("thumb:views", member)
            client.zadd(
                "thumb:views", {replace(page, captured_at=page.captured_at - timedelta(seconds=seconds)).pack(): views}
            )


def renewals(client: redis.Redis) -> int:
    """Count the scripts that this Redis has run. During a capture, these are only renewals of its lease."""
    return client.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"]
