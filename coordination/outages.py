"""Outages of Redis in the logs of libraries: one line that says what to do, instead of a traceback of the library."""

import logging

import redis

_ADVICE = (
    "nothing to do if Redis takes writes again within a minute, after a failover; else see docs/operations/redis.md"
)


class NoAnswer(redis.RedisError):
    """Redis did not answer, or is not asked for a while after that."""


class _OneLine(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        err = record.exc_info[1] if record.exc_info else None
        if isinstance(err, redis.RedisError):
            reason = str(err).partition("\n")[0][:200]
            record.msg, record.args = f"{record.getMessage()} ({type(err).__name__}: {reason}): {_ADVICE}", ()
            record.exc_info = record.exc_text = None
        return True


def log_in_one_line() -> None:
    """Shorten what libraries log from now on. Logging must be set up."""
    for handler in logging.getLogger().handlers:
        handler.addFilter(_OneLine())
