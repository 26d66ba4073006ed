"""How a process of the engine begins and is told to end: settings, log, signals."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from engine import descriptors
from engine.config import EngineSettings, InvalidSettings, load, unknown_variables

COMPLAINT_SECONDS = 1

log = structlog.get_logger()


class LoopErrorLog:
    """Log what the event loop can tell nobody else, of each kind one a second.

    Where descriptors are used up a listener has thousands.
    """

    def __init__(self) -> None:
        self._quiet_until: dict[str, float] = {}

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        kind = context["message"].partition("(")[0]  # what follows are arguments
        if loop.time() < self._quiet_until.get(kind, 0):
            return
        if len(self._quiet_until) >= 100:
            self._quiet_until.clear()  # some kinds hold an address in memory
        self._quiet_until[kind] = loop.time() + COMPLAINT_SECONDS
        log.error(context["message"], exc_info=context.get("exception"))


def run(serve: Callable[[EngineSettings], Coroutine[Any, Any, int]]) -> int:
    """Read the settings and give the exit status of `serve`; 2 where they cannot be used."""
    # A look-up that is given up holds its thread until the resolver gives up too: by default that takes 10 s a server.
    os.environ.setdefault("RES_OPTIONS", "timeout:1 attempts:2")
    try:
        settings = load()
    except InvalidSettings as err:
        print(err, file=sys.stderr)  # noqa: T201 - there is no log yet
        return 2
    _set_up_logging(settings)
    for warning in unknown_variables():
        log.warning(warning)
    descriptors.allow(settings.engine_concurrency)
    with asyncio.Runner() as runner:
        runner.get_loop().set_exception_handler(LoopErrorLog())
        return runner.run(serve(settings))


def stop_signal() -> asyncio.Event:
    """Give an event that is set when the process is told to end."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def _set_up_logging(settings: EngineSettings) -> None:
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if settings.log_format == "json" else structlog.dev.ConsoleRenderer()
    )
    tracebacks = [structlog.processors.format_exc_info] if settings.log_format == "json" else []
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            *tracebacks,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, settings.log_level)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
