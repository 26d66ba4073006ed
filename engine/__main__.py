"""`python -m engine`: read the settings, start the browser, listen until told to stop."""

import asyncio
import logging
import os
import signal
import sys

import structlog
from aiohttp import web

from engine.app import create_app
from engine.browser import LaunchFailed
from engine.config import ConfigError, Settings, load, unknown_variables
from engine.gate import Gate
from engine.service import CaptureService
from engine.supervisor import Supervisor
from netguard import Guard, exemptions

GRACE_SECONDS = 1  # for captures under way when told to stop; aiohttp waits for it twice, then they are cancelled

log = structlog.get_logger()


def main() -> int:
    # A look-up that is given up holds its thread until the resolver gives up too: by default that takes 10 s a server.
    os.environ.setdefault("RES_OPTIONS", "timeout:1 attempts:2")
    try:
        settings = load()
    except ConfigError as err:
        print(err, file=sys.stderr)  # noqa: T201 - there is no log yet
        return 2
    set_up_logging(settings)
    for warning in unknown_variables():
        log.warning(warning)
    return asyncio.run(serve(settings))


def set_up_logging(settings: Settings) -> None:
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


async def serve(settings: Settings) -> int:
    stop = _stop_signal()
    supervisor = Supervisor(settings)
    guard = Guard(ports=frozenset(settings.allowed_ports), exempt=exemptions(settings.private_targets))
    gate = Gate(guard, settings.engine_concurrency)
    service = CaptureService(settings, supervisor, gate)
    # A client that hangs up gives its place in the queue, or its browser, to the next.
    runner = web.AppRunner(
        create_app(settings, service, supervisor),
        handler_cancellation=True,
        access_log=None,
        shutdown_timeout=GRACE_SECONDS,
    )
    try:
        await service.start()
        await runner.setup()
        await web.TCPSite(runner, settings.engine_host, settings.engine_port).start()
        gate.forbid(runner.addresses[0][1])
        log.info("ready", address=runner.addresses[0], concurrency=settings.engine_concurrency)
        await stop.wait()
    except LaunchFailed:
        return 1
    except OSError as err:
        log.critical("cannot listen", host=settings.engine_host, port=settings.engine_port, reason=err.strerror)
        return 1
    finally:
        await runner.cleanup()
        await supervisor.stop()
    log.info("stopped")
    return 0


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


if __name__ == "__main__":
    sys.exit(main())
