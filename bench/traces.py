"""What traces cost a hit and a miss: processor time without them, with 1 of 100 sampled, and with all."""

import statistics
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

from bench.report import Row
from bench.servers import running_fake_api, running_ours_process
from bench.side_by_side import Asked, connect, measure_block, measure_idle, pids_of
from tests.support.otlp import running_otlp_receiver
from tests.support.redis import running_redis

HIT_BLOCKS, HITS = 40, 250
MISS_BLOCKS, MISSES = 20, 25
SAMPLED = {"otel_traces_sampler": "parentbased_traceidratio", "otel_traces_sampler_arg": 0.01}


def rows(work: Path) -> list[Row]:
    with ExitStack() as stack:
        redis = stack.enter_context(running_redis())
        api = stack.enter_context(running_fake_api(work))
        otlp = stack.enter_context(running_otlp_receiver(keeps=False))
        traced = {"otel_exporter_otlp_endpoint": otlp.url}
        services = []
        for name, settings in {"off": {}, "some": traced | SAMPLED, "all": traced}.items():
            (work / name).mkdir()
            url, process = stack.enter_context(
                running_ours_process(work / name, redis, api, web_concurrency=1, redis_prefix=name, **settings)
            )
            services.append(Asked(stack.enter_context(closing(connect(url))), pids_of(process.pid)))
        hits = _measure(services, Asked.hit, HIT_BLOCKS, HITS)
        misses = _measure(services, Asked.miss, MISS_BLOCKS, MISSES)
    return [_row("hit", hits, HIT_BLOCKS, HITS), _row("miss", misses, MISS_BLOCKS, MISSES)]


def _measure(services: list[Asked], ask: Callable[[Asked], None], blocks: int, count: int) -> list[list[float]]:
    measure_block(services, [0] * len(services), ask, count)  # warm-up
    idle = measure_idle(services)
    return [measure_block(services, idle, ask, count) for _ in range(blocks)]


def _row(what: str, found: list[list[float]], blocks: int, count: int) -> Row:
    off, some, every = (statistics.median(block[side] for block in found) for side in range(3))
    cost_of_some, cost_of_every = (statistics.median(block[side] / block[0] for block in found) - 1 for side in (1, 2))
    return Row(
        f"processor time of a {what} with traces, median of {blocks} blocks of {count} each",
        f"1 of 100 sampled: {some:.1f} µs; all: {every:.1f} µs",
        f"off: {off:.1f} µs",
        f"{cost_of_some:+.1%}; {cost_of_every:+.1%}",
    )
