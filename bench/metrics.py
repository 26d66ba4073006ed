"""What it costs a hit that the web process counts for Prometheus: processor time of the same hits with metrics and without.

Both services run at the same time, with one worker each. What they spend without hits, such as on writing their tallies once
a second, is measured apart and subtracted.
"""

import statistics
from contextlib import closing
from pathlib import Path

import requests

from bench.report import Row
from bench.servers import running_fake_api, running_ours_process
from bench.side_by_side import Asked, connect, measure_block, measure_idle, pids_of
from tests.support.processes import free_port
from tests.support.redis import running_redis

BLOCKS, HITS = 60, 250  # blocks, and hits of each service in a block
MOST = 0.02


def rows(work: Path) -> list[Row]:
    port, usual = free_port(), {"web_concurrency": 1}
    for name in ("off", "on"):
        (work / name).mkdir()
    with (
        running_redis() as redis,
        running_fake_api(work) as api,
        running_ours_process(work / "off", redis, api, **usual) as (off_url, off_process),
        running_ours_process(work / "on", redis, api, **usual, redis_prefix="on", metrics_port=port) as (
            on_url,
            on_process,
        ),
        closing(connect(off_url)) as off,
        closing(connect(on_url)) as on,
    ):
        services = Asked(off, pids_of(off_process.pid)), Asked(on, pids_of(on_process.pid))
        measure_block(services, (0, 0), Asked.hit, HITS)  # warm-up
        idle = measure_idle(services)
        pairs = []
        for number in range(BLOCKS):
            if number % 10 == 0:  # Prometheus scrapes every few seconds
                requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).raise_for_status()
            pairs.append(measure_block(services, idle, Asked.hit, HITS))
    ratios = [with_metrics / without for without, with_metrics in pairs]
    cost = statistics.median(ratios) - 1
    without, with_metrics = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
    low, _, high = statistics.quantiles(ratios, n=4)
    return [
        Row(
            f"processor time of a hit with metrics, median of {BLOCKS} pairs of {HITS} hits",
            f"{with_metrics:.1f} µs",
            f"without: {without:.1f} µs",
            f"{cost:+.1%} (quartiles {low - 1:+.1%} to {high - 1:+.1%})",
            f"≤ +{MOST:.0%}",
            cost <= MOST,
        ),
        Row(
            "processor time without hits, main process and one worker",
            f"{idle[1] / 1000:.1f} ms/s",
            f"without metrics: {idle[0] / 1000:.1f} ms/s",
        ),
    ]
