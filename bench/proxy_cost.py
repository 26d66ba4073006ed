"""The cost of the egress proxy for a capture: the same page by three warm browsers in turn, in one run.

    python -m bench.security cost [rounds]

Other load on the machine affects all three browsers, so a round's ratio is more reliable than its times. The output is
the median of the rounds' ratios, and its confidence interval of 95 %.
"""

import asyncio
import random
import statistics
import subprocess
import sys
import time
from contextlib import AsyncExitStack

from engine.browser.browser import Browser, Isolation
from engine.browser.process import FLAGS
from engine.config import EngineSettings
from engine.egress.gate import Gate
from engine.egress.proxy import Egress
from engine.page import capture
from engine.parsing import parse
from engine.traffic import Traffic
from netguard import Guard, exemptions
from options import CaptureOptions
from tests.support.site import Site, running_site
from tests.support.unguarded import Unguarded

ROUNDS = 150
WARM_UP = 5  # rounds, which do not count
DEADLINE = 30
PAUSE = 0.1  # seconds in which a browser closes the last page and opens its spare page
BARE = "no proxy"


def main(rounds: int = ROUNDS) -> None:
    command = [sys.executable, "-m", "bench.security", "site"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        times = asyncio.run(_measure(process.stdout.readline().strip(), rounds))
        process.stdin.close()
    print(f"| {rounds} captures of a page of 61 requests | median ms | against no proxy | 95 % of it |")
    print("|---|---|---|---|")
    for name, seconds in times.items():
        ratios = [mine / bare - 1 for mine, bare in zip(seconds, times[BARE], strict=True)]
        low, high = confidence_interval(ratios)
        found = f"{statistics.median(ratios):+.1%} | {low:+.1%} to {high:+.1%}" if name != BARE else "|"
        print(f"| {name} | {statistics.median(seconds) * 1000:.0f} | {found} |")


def confidence_interval(ratios: list[float]) -> tuple[float, float]:
    """Return the order statistics that enclose the true median with a confidence of 95 %, for any distribution."""
    reach = 0.98 * len(ratios) ** 0.5
    ordered, middle = sorted(ratios), (len(ratios) - 1) / 2
    return ordered[max(int(middle - reach), 0)], ordered[min(round(middle + reach + 0.5), len(ratios) - 1)]


def serve() -> None:
    """Serve the page from a separate process: it must not share an interpreter with the measured code."""
    with running_site() as site:
        print(_typical(site), flush=True)
        sys.stdin.read()


def _typical(site: Site) -> str:
    """Add a document with 60 scripts of 20 kB."""
    for number in range(60):
        site.add(f"/part-{number}.js", f"/*{'x' * 20_000}*/", content_type="text/javascript")
    return site.add("/typical", "<!doctype html>" + "".join(f"<script src=/part-{n}.js></script>" for n in range(60)))


async def _measure(url: str, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each browser's captures, one for each round."""
    settings, params = EngineSettings(), parse({"url": url})
    gate = Gate(Guard(exempt=exemptions([f"{params.target.host}:{params.target.port}"])), 1)
    async with AsyncExitStack() as stack:
        browsers = {
            BARE: await Unguarded.launch(settings, Isolation(namespace=False, sandbox=True), FLAGS),
            "proxy and flags": await Browser.launch(settings, Isolation(namespace=False, sandbox=True)),
            "proxy and namespace": await Browser.launch(settings, Isolation(namespace=True, sandbox=True)),
        }
        for browser in browsers.values():
            stack.push_async_callback(browser.close)
        times: dict[str, list[float]] = {name: [] for name in browsers}
        for _ in range(WARM_UP + rounds):
            for name in random.sample(list(browsers), len(browsers)):  # in a random order
                times[name].append(await _capture(browsers[name], params, gate))
                await asyncio.sleep(PAUSE)
        return {name: seconds[WARM_UP:] for name, seconds in times.items()}


async def _capture(browser: Browser, params: CaptureOptions, gate: Gate) -> float:
    started = time.perf_counter()
    async with browser.page() as blank:
        egress = Egress(gate, Traffic())
        if not isinstance(browser, Unguarded):
            await egress.open(blank.listener)
        await capture.capture_page(blank, params, None, egress.traffic, asyncio.get_running_loop().time() + DEADLINE)
        await egress.close()
    return time.perf_counter() - started
