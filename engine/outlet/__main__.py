"""`python -m engine.outlet`: serve on the address that the engine's settings name, until a signal stops the process."""

import asyncio
import sys

import structlog

import telemetry
from engine.config import EngineSettings
from engine.egress.gate import Gate
from engine.outlet.server import CONNECTIONS, LIMITS, Outlet
from engine.startup import run, stop_signal, watch_loop
from telemetry import metrics

log = structlog.get_logger()


async def serve(settings: EngineSettings) -> int:
    stop = stop_signal()
    gate = Gate(settings.guard(), settings.engine_concurrency, LIMITS)
    outlet = Outlet(gate, CONNECTIONS * settings.engine_concurrency)
    try:
        server = await asyncio.start_server(outlet.serve, settings.engine_host, settings.engine_port, backlog=128)
    except OSError as err:
        log.critical("cannot listen", host=settings.engine_host, port=settings.engine_port, reason=err.strerror)
        return 1
    address = server.sockets[0].getsockname()
    gate.refuse_own_port(address[1])
    if settings.metrics_port:
        gate.refuse_own_port(settings.metrics_port)
    telemetry.serve(
        "outlet", settings.metrics_host, settings.metrics_port, lambda: metrics.OUTLET_OPEN.set(outlet.connections)
    )
    log.info("ready", address=address)
    async with watch_loop():
        await stop.wait()
    server.close()
    return 0


if __name__ == "__main__":
    sys.exit(run(serve))
