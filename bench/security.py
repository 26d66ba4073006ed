"""`make security-report`: try the attacks, measure what they cost, and print the tables of docs/security.md."""

import asyncio
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager

from engine import capture
from engine.browser import Browser, Walls
from engine.config import Settings
from engine.egress import Egress, Traffic
from engine.gate import Gate
from engine.params import parse
from engine.process import FLAGS
from netguard import Guard, exemptions
from tests.support.engine import Engine, running_engine
from tests.support.hostile import SETTINGS, measure_all
from tests.support.site import Site, running_site
from tests.support.unguarded import Unguarded, hits_of
from tests.support.vectors import VECTORS
from tests.support.victims import running_victims
from tests.unit.test_url_guard import ALL, StubResolver, judge

MODES = ("namespace", "flags")
ROUNDS = 80
DEADLINE = 30


def main() -> None:
    with running_site() as site:
        print("| defence | vectors that hit, of 43 |\n|---|---|")
        for mode in MODES:
            print(f"| proxy, {mode} | {len(vectors(site, mode))} |")
        print(f"| none (control) | {control(site)} |\n")
        print(f"SSRF corpus: {corpus()} wrong verdicts of {len(ALL)}\n")
        hostile(site)
        print(
            "\n| captures of a page of 61 requests, in turn | median ms | median of the rounds' differences |\n|---|---|---|"
        )
        cost()


def serve() -> None:
    """The site of `cost`, as a process of its own: it must not share an interpreter with what is measured."""
    with running_site() as site:
        print(_typical(site), flush=True)
        sys.stdin.read()


@contextmanager
def engine_for(site: Site, mode: str, **settings: object) -> Iterator[Engine]:
    with running_engine(
        PRIVATE_TARGETS=site.address, ENGINE_ISOLATION=mode, ENGINE_FILTER_LISTS="/nowhere.txt", **settings
    ) as engine:
        yield engine


def vectors(site: Site, mode: str) -> list[str]:
    """The names of those that reached their victim."""
    with running_victims(len(VECTORS)) as victims:
        pages = {
            vector.serve(site, f"report-{name}", victim.address)
            for (name, vector), victim in zip(VECTORS.items(), victims, strict=True)
        }
        ports = ",".join(str(victim.port) for victim in victims)
        with engine_for(site, mode, ALLOWED_PORTS=ports) as engine, ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda url: engine.capture(url, wait_for="#done"), pages))
        return [name for name, victim in zip(VECTORS, victims, strict=True) if victim.hits]


def control(site: Site) -> int:
    with running_victims(len(VECTORS)) as victims:
        pages = {
            name: (vector.serve(site, f"control-{name}", victim.address), victim)
            for (name, vector), victim in zip(VECTORS.items(), victims, strict=True)
        }
        return sum(bool(hits) for hits in asyncio.run(hits_of(pages)).values())


def corpus() -> int:
    return sum(judge(case.url, Guard(lookup=StubResolver(case.value("dns")))) != case.verdict for case in ALL)


def hostile(site: Site) -> None:
    print("| page | outcome | seconds | peak MiB |\n|---|---|---|---|")
    with engine_for(site, "namespace", **SETTINGS) as engine:
        for name, found in measure_all(engine, site):
            print(found.row(name), flush=True)
        plain = engine.capture(site.add("/plain", "<p>well"))
        print(f"\nAfterwards: a plain page {plain.status_code}, browsers started {len(engine.browser_pids)}.\n")


def cost() -> None:
    command = [sys.executable, "-m", "bench.security", "site"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        times = asyncio.run(_cost(process.stdout.readline().strip()))
        process.stdin.close()
    for name, seconds in times.items():
        pairs = [mine / bare - 1 for mine, bare in zip(seconds, times["no proxy"], strict=True)]
        print(f"| {name} | {statistics.median(seconds) * 1000:.0f} | {statistics.median(pairs) * 100:+.1f} % |")


def _typical(site: Site) -> str:
    """60 parts of 20 kB beside the document."""
    for number in range(60):
        site.add(f"/part-{number}.js", f"/*{'x' * 20_000}*/", content_type="text/javascript")
    return site.add("/typical", "<!doctype html>" + "".join(f"<script src=/part-{n}.js></script>" for n in range(60)))


async def _cost(url: str) -> dict[str, list[float]]:
    """The same capture by three warm browsers in turn: what disturbs one disturbs all."""
    settings, params = Settings(), parse({"url": url})
    gate = Gate(Guard(exempt=exemptions([f"{params.target.host}:{params.target.port}"])), 1)
    async with AsyncExitStack() as stack:
        browsers = {
            "no proxy": await Unguarded.launch(settings, Walls(namespace=False, sandbox=True), FLAGS),
            "proxy, flags": await Browser.launch(settings, Walls(namespace=False, sandbox=True)),
            "proxy, namespace": await Browser.launch(settings, Walls(namespace=True, sandbox=True)),
        }
        for browser in browsers.values():
            stack.push_async_callback(browser.end)

        async def timed(browser: Browser) -> float:
            started = time.perf_counter()
            with browser.listeners.take() as listener:
                egress = Egress(gate, Traffic())
                if not isinstance(browser, Unguarded):
                    await egress.open(listener)
                async with browser.page(egress.url) as session:
                    await capture.take(session, params, None, asyncio.get_running_loop().time() + DEADLINE)
                await egress.close()
            return time.perf_counter() - started

        times: dict[str, list[float]] = {name: [] for name in browsers}
        for _ in range(ROUNDS):
            for name in random.sample(list(browsers), len(browsers)):  # none is always behind another
                times[name].append(await timed(browsers[name]))
        return times


if __name__ == "__main__":
    serve() if sys.argv[1:] == ["site"] else main()
