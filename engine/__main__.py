"""`python -m engine`: start the browser, then serve until a signal stops the process."""

import asyncio
import logging
import sys

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.log import server_logger

import telemetry
from engine.app import create_app
from engine.browser.browser import LaunchFailed
from engine.browser.supervisor import Supervisor
from engine.config import EngineSettings
from engine.egress.gate import Gate, Limits
from engine.egress.upstream import Upstream
from engine.errors import ProxyFailed
from engine.service import CaptureService
from engine.startup import StopSignals, run, watch_loop
from telemetry import metrics, traces

GRACE_SECONDS = 1  # for what still runs after the drain: aiohttp waits this long twice, then cancels it

log = structlog.get_logger()


class _RedactRequests(logging.Filter):
    """Keeps malformed requests out of the log. aiohttp would quote them, with their URLs and keys."""

    def filter(self, record: logging.LogRecord) -> bool:
        err = record.exc_info[1] if record.exc_info else None
        if isinstance(err, HttpProcessingError):
            record.msg, record.args, record.exc_info = f"request could not be parsed: {type(err).__name__}", (), None
        return True


async def serve(settings: EngineSettings) -> int:
    stop = StopSignals()
    server_logger.addFilter(_RedactRequests())
    supervisor = Supervisor(settings)
    upstream = Upstream(*settings.engine_egress) if settings.engine_egress else None
    limits = Limits(first_byte=settings.engine_first_byte_seconds)
    gate = Gate(settings.guard(), settings.engine_concurrency, limits, upstream=upstream)
    service = CaptureService(settings, supervisor, gate)
    # When a client disconnects, its capture is cancelled and frees its place in the queue, or its slot.
    runner = web.AppRunner(
        create_app(settings, service, supervisor),
        handler_cancellation=True,
        access_log=None,
        shutdown_timeout=GRACE_SECONDS,
    )
    try:
        if upstream:
            await _warn_if_unreachable(upstream)
        traces.start("engine", wanted=settings.sends_traces)
        telemetry.serve("engine", settings.metrics_host, settings.metrics_port, lambda: _measure(service))
        await service.start()
        await runner.setup()
        await web.TCPSite(runner, settings.engine_host, settings.engine_port).start()
        gate.refuse_own_port(runner.addresses[0][1])
        if settings.metrics_port:
            gate.refuse_own_port(settings.metrics_port)
        log.info("ready", address=runner.addresses[0], concurrency=settings.engine_concurrency)
        async with watch_loop():
            await stop.received.wait()
            await _drain(service, stop)
    except LaunchFailed:
        return 1
    except OSError as err:
        log.critical("cannot listen", host=settings.engine_host, port=settings.engine_port, reason=err.strerror)
        return 1
    finally:
        await runner.cleanup()
        await supervisor.stop()
        await asyncio.to_thread(traces.stop)
    log.info("stopped")
    return 0


def _measure(service: CaptureService) -> None:
    metrics.ENGINE_SLOTS.set(service.slots.in_use, "running")
    metrics.ENGINE_SLOTS.set(service.slots.queued, "queued")
    metrics.ENGINE_SLOTS_LIMIT.set(service.slots.size)


async def _drain(service: CaptureService, stop: StopSignals) -> None:
    """End the captures that are here, while the port still answers, unless a second signal comes."""
    ends = [asyncio.create_task(service.finish()), asyncio.create_task(stop.hurry.wait())]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    for each in ends:
        each.cancel()
    await asyncio.gather(*ends, return_exceptions=True)


async def _warn_if_unreachable(upstream: Upstream) -> None:
    """Warn only: the outlet may start after the engine. The warning helps where ENGINE_EGRESS is mistyped."""
    try:
        await upstream.ping()
    except ProxyFailed:
        log.warning("the outlet of ENGINE_EGRESS does not answer", host=upstream.host, port=upstream.port)


if __name__ == "__main__":
    sys.exit(run(serve))
