"""Logging by structlog: JSON for machines, colours on a terminal. All processes of the service set it up alike."""

import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from select import PIPE_BUF
from typing import Any

import orjson
import structlog
from structlog.typing import EventDict

_log = structlog.get_logger()
_write_line: Callable[[str], object] | None = None  # set if info events are logged as JSON


def configure(log_format: str, level: str, *, cache: bool = False) -> None:
    """Send structlog's and the standard library's events to standard error in one form.

    With `cache`, loggers keep this configuration from their first use on. Set it in a process that configures once.
    """
    global _write_line  # noqa: PLW0603 - structlog's configuration is global too
    logs_info = logging.getLevelName(level) <= logging.INFO
    # A daemon may be started with its standard error closed. structlog, too, falls back to standard output.
    stream = sys.stderr or sys.stdout
    _write_line = stream.write if log_format == "json" and logs_info else None
    renderer: Any = structlog.dev.ConsoleRenderer() if log_format == "console" else _as_json
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if log_format == "json":
        shared.append(structlog.processors.format_exc_info)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        # Written to the stream directly: the standard library's logging costs more time than a hit.
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=cache,
    )
    _configure_standard_library(shared, renderer, level)


def info_each(event: str, several: Sequence[Mapping[str, object]]) -> None:
    """Log an event for each of `several` facts, without the facts that are bound to structlog's context.

    For the events of hits: writing the JSON lines here takes a third of structlog's time.
    """
    if _write_line is None:
        for facts in several:
            _log.info(event, **facts)
        return
    stamp = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    common = {"event": event, "level": "info", "timestamp": stamp}
    lines = [_as_line({**facts, **common}) for facts in several]
    with suppress(OSError):  # the reader of the log has closed the pipe, which must not stop the service
        for piece in _pieces(lines):
            _write_line(piece.decode())


def _as_line(event: Mapping[str, object]) -> bytes:
    """Write an event as one line. Text that is no UTF-8 is escaped, or it would cost the other events their lines."""
    try:
        return orjson.dumps(event, default=repr) + b"\n"
    except TypeError:
        return json.dumps(event, default=repr).encode() + b"\n"


def _pieces(lines: Sequence[bytes]) -> Iterator[bytes]:
    """Join lines to pieces that a pipe takes as a whole, or lines of two processes would be mixed. A long line is one."""
    start, size = 0, 0
    for number, line in enumerate(lines):
        if size and size + len(line) > PIPE_BUF:
            yield b"".join(lines[start:number])
            start, size = number, 0
        size += len(line)
    if size:
        yield b"".join(lines[start:])


def _configure_standard_library(shared: list[Any], renderer: Any, level: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for chatty in ("urllib3", "botocore", "boto3", "s3transfer"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _as_json(_logger: object, _method: str, event: EventDict) -> str:
    """Write an event as one line. orjson takes a fifth of the standard library's time, and every hit logs."""
    return orjson.dumps(event, default=repr).decode()
