"""Celery's consumer, which reads the queues in the worker's main process. Only the worker imports this module."""

import time
from contextlib import suppress
from functools import partial
from typing import Any

import redis
import structlog
from celery.worker import consumer

from coordination import hint_about, is_about_server

LONGEST_PAUSE_SECONDS, REFUSALS_FORGOTTEN_SECONDS = 8, 60
RECONNECT_SECONDS = 2
_log = structlog.get_logger()


class Consumer(consumer.Consumer):  # type: ignore[misc] # Celery has no types
    """Celery's consumer, but neither a lost connection to Redis nor a Redis that refuses to write ends the worker.

    Celery 5.7 first discards the connection and then closes it. If that held unacknowledged messages, kombu fails with an
    AttributeError, also when such a message is acknowledged later. The agenda resends what the connection held.

    A replica, a server that is loading, and a full one refuse to write. Celery would end; a new connection may reach the
    primary, or the same server in a better state.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connection_errors: tuple[type[Exception], ...] = (
            *self.conninfo.connection_errors,
            AttributeError,
            redis.ResponseError,
        )
        self._pauses = 0
        self._paused_at = 0.0

    def ensure_connected(self, conn: Any) -> Any:
        """Connect, and try again every two seconds. Celery's pauses grow to 30 s, for which jobs would stand still."""
        conn.ensure_connection = partial(conn.ensure_connection, interval_max=RECONNECT_SECONDS)
        return super().ensure_connected(conn)

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        if isinstance(exc, redis.ResponseError):
            self._pause(exc)
        else:
            super().on_connection_error_before_connected(exc)

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        if isinstance(exc, redis.ResponseError):
            self._pause(exc)
        with suppress(AttributeError):
            super().on_connection_error_after_connected(exc)

    def _pause(self, refusal: redis.ResponseError) -> None:
        """Wait before the next connection, each time longer until a minute has passed without a refusal."""
        if not is_about_server(refusal):
            raise refusal  # our own mistake: no connection would help
        if time.monotonic() - self._paused_at > REFUSALS_FORGOTTEN_SECONDS:
            self._pauses = 0
        seconds = min(2**self._pauses, LONGEST_PAUSE_SECONDS)
        _log.error(
            "redis_refuses",
            redis="state",
            error=type(refusal).__name__,
            reason=str(refusal)[:200],
            pause_seconds=seconds,
            **hint_about(refusal),
        )
        time.sleep(seconds)
        self._pauses += 1
        self._paused_at = time.monotonic()
