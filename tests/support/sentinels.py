"""Runs a real service of Redis: a primary, its replica, and three Sentinels that watch them."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.support.processes import free_port, running, wait_until
from tests.support.redis import RedisServer, replicate, running_redis

NAME = "thumbs"
PASSWORD, SENTINEL_PASSWORD = "pa;ss/of@redis", "wo;rd/of@sentinels"
SECRETS = {PASSWORD, SENTINEL_PASSWORD, quote(PASSWORD, safe=""), quote(SENTINEL_PASSWORD, safe="")}
_ONCE = Retry(NoBackoff(), 0)
_PROTECTED = {"requirepass": PASSWORD, "masterauth": PASSWORD}
_CONFIGURATION = """
port {port}
bind 127.0.0.1
dir {folder}
requirepass {sentinel_password}
sentinel sentinel-pass {sentinel_password}
sentinel monitor {name} 127.0.0.1 {primary} 2
sentinel auth-pass {name} {password}
sentinel down-after-milliseconds {name} 1500
sentinel failover-timeout {name} 3000
"""


class Watched:
    """A service whose `primary` changes with a failover. `url` names its Sentinels."""

    def __init__(self, stack: ExitStack, primary: RedisServer, replica: RedisServer, sentinels: list[int]) -> None:
        hosts = ",".join(f"127.0.0.1:{port}" for port in sentinels)
        user = f":{quote(PASSWORD, safe='')}@"
        self.url = f"redis+sentinel://{user}{hosts}/{NAME}/0?sentinel_password={quote(SENTINEL_PASSWORD)}"
        self.primary, self.replica = primary, replica
        self._stack = stack
        self.sentinels = [
            stack.enter_context(redis.Redis(port=port, password=SENTINEL_PASSWORD, retry=_ONCE)) for port in sentinels
        ]

    def client(self, server: RedisServer) -> redis.Redis:
        return self._stack.enter_context(redis.Redis(port=port_of(server), password=PASSWORD, retry=_ONCE))

    def replicated(self) -> None:
        """Wait until the replica has all that was written."""
        with self.client(self.primary) as primary:
            wait_until(lambda: primary.wait(1, 1000) == 1, "all writes on the replica")

    def kill_primary(self) -> None:
        self.primary.process.kill()
        self.primary.process.wait()

    def freeze_primary(self) -> None:
        self.primary.process.send_signal(signal.SIGSTOP)

    def thaw_old_primary(self) -> None:
        """Let the old primary go on as if nothing had happened, until the Sentinels demote it."""
        self.replica.process.send_signal(signal.SIGCONT)

    def forget(self) -> None:
        """Make the Sentinels know no primary."""
        for each in self.sentinels:
            each.execute_command("SENTINEL", "REMOVE", NAME)

    def remember(self) -> None:
        for each in self.sentinels:
            each.execute_command("SENTINEL", "MONITOR", NAME, "127.0.0.1", port_of(self.primary), 2)
            each.execute_command("SENTINEL", "SET", NAME, "auth-pass", PASSWORD)

    def promoted(self) -> None:
        """Wait until every Sentinel says that the replica is the primary, and swap both here."""
        address = (b"127.0.0.1", port_of(self.replica))
        wait_until(
            lambda: {each.sentinel_get_master_addr_by_name(NAME) for each in self.sentinels} == {address}, "a vote"
        )
        with self.client(self.replica) as replica:
            wait_until(lambda: _role(replica) == b"master", "the promotion")
        self.primary, self.replica = self.replica, self.primary

    def demoted(self) -> None:
        """Wait until the Sentinels have made the old primary a replica of the new one."""
        with self.client(self.replica) as old:
            wait_until(lambda: _role(old) == b"slave", "the demotion", timeout=80)

    def restart_old_primary(self) -> None:
        protected = (word for name, value in _PROTECTED.items() for word in (f"--{name}", value))
        self.replica = self._stack.enter_context(running_redis(*protected, port=port_of(self.replica)))

    def fail_over(self) -> None:
        self.sentinels[0].execute_command("SENTINEL", "FAILOVER", NAME)
        self.promoted()


def _role(client: redis.Redis) -> bytes | None:
    """Return a server's role; None where a Sentinel has just closed its connections, as it does to one that changes."""
    try:
        return client.role()[0]
    except redis.ConnectionError:
        return None


@contextmanager
def running_service(folder: Path) -> Iterator[Watched]:
    with ExitStack() as stack:
        primary, replica = (stack.enter_context(running_redis("--repl-diskless-sync-delay", "0")) for _ in range(2))
        replicate(replica, primary)
        with redis.Redis.from_url(primary.url) as client:
            wait_until(lambda: client.wait(1, 1000) == 1, "the replication, which Sentinels ask about once in 10 s")
        for server in (replica, primary):
            with redis.Redis.from_url(server.url) as client:
                for name, value in _PROTECTED.items():
                    client.config_set(name, value)
        ports = [stack.enter_context(_running_sentinel(folder / str(number), primary)) for number in range(3)]
        watched = Watched(stack, primary, replica, ports)
        wait_until(lambda: all(_knows_all(each) for each in watched.sentinels), "Sentinels that know each other")
        yield watched


@contextmanager
def _running_sentinel(folder: Path, primary: RedisServer) -> Iterator[int]:
    port = free_port()
    folder.mkdir(parents=True)
    names = {"name": NAME, "password": PASSWORD, "sentinel_password": SENTINEL_PASSWORD}
    text = _CONFIGURATION.format(port=port, folder=folder, primary=port_of(primary), **names)
    (folder / "sentinel.conf").write_text(text)
    with (
        (folder / "log").open("wb") as log,
        running(["redis-server", str(folder / "sentinel.conf"), "--sentinel"], port, stdout=log),
    ):
        yield port


def _knows_all(sentinel: redis.Redis) -> bool:
    with suppress(redis.RedisError):
        found = sentinel.sentinel_master(NAME)
        return found["num-other-sentinels"] == 2 and found["num-slaves"] == 1 and _replicates(sentinel)
    return False


def _replicates(sentinel: redis.Redis) -> bool:
    return [each["master-link-status"] for each in sentinel.sentinel_slaves(NAME)] == ["ok"]


def port_of(server: RedisServer) -> int:
    return int(server.url.rsplit(":", 1)[1].partition("/")[0])
