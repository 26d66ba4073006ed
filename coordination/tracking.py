"""Hears from Redis which keys changed, so that a process may answer from its memory while it hears of no change.

Redis tracks keys by prefix and reports every write, deletion, expiry and eviction, by whomever:
https://redis.io/docs/latest/develop/reference/client-side-caching/. The connection speaks RESP2, in which reports come as
messages of a channel, so that it is made like every other.

A connection can be dead, or lead to a server that is no longer the primary, without an error. So this process writes a key
of its own every second, over its usual connections, and hears of that as well. If it does not, nothing is trusted.
"""

import secrets
import threading
import time
from collections.abc import Callable
from typing import Any

import redis
import structlog

from coordination.connections import CacheRedis, is_about_server

PROOF_SECONDS = 3.0  # how long one heard write proves that no change was missed
_BEAT_SECONDS = 1.0
_RETRY_SECONDS = 1.0
_REFUSED_SECONDS = 60.0  # until the next try at a server that knows no tracking, or does not permit it
_KEPT_SECONDS = 60
_CHANNEL = "__redis__:invalidate"
_log = structlog.get_logger()

Changed = Callable[[str | None], None]


class KeyTracking:
    """Tracks the keys with one of the `prefixes`, none of which may begin another."""

    def __init__(self, shared: CacheRedis, *prefixes: str) -> None:
        self._client = shared.client
        self._beat = shared.keys.heartbeat(secrets.token_hex(8))
        self._prefixes = (*prefixes, self._beat)
        self._epoch = 0
        self._proven_until = 0.0
        self._closed = threading.Event()
        self._told = ""  # what the log was last told

    @property
    def epoch(self) -> int:
        """The number of the current connection, all of whose reports were heard. 0 while that is not proven."""
        return self._epoch if time.monotonic() < self._proven_until else 0

    def start(self, changed: Changed) -> None:
        """Begin to hear, in a thread. It calls `changed` with the name of each changed key, or None for all keys.

        Call it in the process that is to hear: a thread does not survive a fork.
        """
        threading.Thread(target=self._run, args=(changed,), name="tracking", daemon=True).start()

    def close(self) -> None:
        """Stop to hear. The thread ends when the client is closed, at the latest a second later."""
        self._closed.set()

    def _run(self, changed: Changed) -> None:
        while not self._closed.is_set():
            pause = _RETRY_SECONDS
            try:
                self._listen(changed)
            except (redis.RedisError, OSError) as err:
                if self._closed.is_set():
                    return
                if isinstance(err, redis.ResponseError) and not is_about_server(err):
                    pause = _REFUSED_SECONDS
                self._tell("tracking_lost", error=type(err).__name__, reason=str(err)[:200])
            self._proven_until = 0.0
            self._closed.wait(pause)

    def _listen(self, changed: Changed) -> None:
        """Hear reports until the connection breaks or a proof fails to come. Raises RedisError or OSError."""
        pool = self._client.connection_pool
        connection: Any = pool.get_connection()
        try:
            connection.disconnect()  # one from the pool may lead to a server that was the primary
            connection.connect()
            self._track(connection)
            self._epoch += 1
            self._hear(connection, changed)
        finally:
            connection.disconnect()
            pool.release(connection)

    def _track(self, connection: Any) -> None:
        prefixes = [word for prefix in self._prefixes for word in ("PREFIX", prefix)]
        own_id = _ask(connection, "CLIENT", "ID")
        _ask(connection, "CLIENT", "TRACKING", "ON", "REDIRECT", own_id, "BCAST", *prefixes)
        _ask(connection, "SUBSCRIBE", _CHANNEL)

    def _hear(self, connection: Any, changed: Changed) -> None:
        asked, waiting = -_BEAT_SECONDS, False
        while not self._closed.is_set():
            now = time.monotonic()
            if waiting and now > asked + PROOF_SECONDS:
                raise redis.ConnectionError("a write of this process was not reported")
            if not waiting and now >= asked + _BEAT_SECONDS:
                asked, waiting = now, True
                self._client.set(self._beat, 1, ex=_KEPT_SECONDS)
            if not connection.can_read(timeout=_BEAT_SECONDS if waiting else asked + _BEAT_SECONDS - now):
                continue
            _, _, names = connection.read_response()
            for name in (None,) if names is None else (name.decode(errors="replace") for name in names):
                if name == self._beat:
                    waiting = False
                    self._proven_until = asked + PROOF_SECONDS
                    self._tell("tracking_begun")
                else:
                    changed(name)

    def _tell(self, event: str, **reason: str) -> None:
        """Log `event` unless it is the last one logged."""
        if event != self._told:
            self._told = event
            log = _log.warning if reason else _log.info
            log(event, redis="cache", **reason)


def _ask(connection: Any, *words: Any) -> Any:
    connection.send_command(*words)
    return connection.read_response()
