"""Starts a process of the engine, and stops it on a signal: settings, log, event loop."""

import asyncio
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog

from engine import descriptors
from engine.config import EngineSettings, InvalidSettings, load, unknown_variables
from telemetry import SAMPLE_SECONDS, sample_loop

REPEAT_SECONDS = 1

log = structlog.get_logger()


class LoopErrorLog:
    """Logs the event loop's unhandled errors, at most one of each kind a second.

    Without a free descriptor, a listener reports thousands a second.
    """

    def __init__(self) -> None:
        self._quiet_until: dict[str, float] = {}

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        kind = context["message"].partition("(")[0]  # arguments follow
        if loop.time() < self._quiet_until.get(kind, 0):
            return
        if len(self._quiet_until) >= 100:
            self._quiet_until.clear()  # some messages hold a memory address, so that kinds are unlimited
        self._quiet_until[kind] = loop.time() + REPEAT_SECONDS
        log.error(context["message"], exc_info=context.get("exception"))


def run(serve: Callable[[EngineSettings], Coroutine[Any, Any, int]]) -> int:
    """Read the settings, run `serve` and return its exit status, or 2 if a setting is invalid."""
    # A look-up that timed out holds its thread until the resolver times out, by default after 10 s for each server.
    os.environ.setdefault("RES_OPTIONS", "timeout:1 attempts:2")
    try:
        settings = load()
    except InvalidSettings as err:
        print(err, file=sys.stderr)  # noqa: T201 - the log is not set up yet
        return 2
    _set_up_logging(settings)
    for warning in unknown_variables():
        log.warning(warning)
    descriptors.raise_limit(settings.engine_concurrency)
    gc.freeze()  # a full garbage collection would look at all that was imported, and hold the loop meanwhile
    with asyncio.Runner() as runner:
        runner.get_loop().set_exception_handler(LoopErrorLog())
        return runner.run(serve(settings))


def stop_signal() -> asyncio.Event:
    """Return an event that SIGTERM or SIGINT sets."""
    return StopSignals().received


class StopSignals:
    """`received` is set by the first SIGTERM or SIGINT; `hurry` by a second one, or by a SIGINT, which a person sends."""

    def __init__(self) -> None:
        self.received, self.hurry = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._terminate)
        loop.add_signal_handler(signal.SIGINT, self._interrupt)

    def _terminate(self) -> None:
        if self.received.is_set():
            self.hurry.set()
        self.received.set()

    def _interrupt(self) -> None:
        self.received.set()
        self.hurry.set()


@asynccontextmanager
async def watch_loop() -> AsyncIterator[None]:
    """Measure how late the event loop is, while the block runs."""

    async def watch() -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(SAMPLE_SECONDS)
            sample_loop(began)

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


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
