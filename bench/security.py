"""`make security-report`: try the attacks, measure their cost, and print the tables of docs/security-figures.md.

Run one part as `python -m bench.security PART`: vectors, corpus, hostile, fuzz or cost.
"""

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from bench import proxy_cost
from netguard import Guard
from tests.support.engine import Engine, running_engine
from tests.support.hostile import SETTINGS, measure_all
from tests.support.site import Site, running_site
from tests.support.unguarded import hits_of
from tests.support.vectors import VECTORS
from tests.support.victims import running_victims
from tests.unit.urls.test_url_guard import ALL, StubResolver, judge

MODES = ("namespace", "flags")


@contextmanager
def engine_for(site: Site, mode: str, **settings: object) -> Iterator[Engine]:
    ours = {"PRIVATE_TARGETS": site.address, "ENGINE_ISOLATION": mode, "ENGINE_FILTER_LISTS": "/nowhere.txt"}
    with running_engine(**ours | settings) as engine:
        yield engine


def vector_table() -> None:
    with running_site() as site:
        print(f"| defence | vectors that hit, of {len(VECTORS)} |\n|---|---|")
        for mode in MODES:
            print(f"| proxy and {mode} | {len(vectors(site, mode))} |", flush=True)
        print(f"| none, the control run | {control(site)} |\n")


def vectors(site: Site, mode: str) -> list[str]:
    """Return the names of the vectors that reached their victim."""
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


def corpus() -> None:
    wrong = sum(judge(case.url, Guard(lookup=StubResolver(case.value("dns")))) != case.verdict for case in ALL)
    print(f"SSRF corpus: {wrong} wrong verdicts of {len(ALL)}\n")


def hostile() -> None:
    print("| page | outcome | seconds | peak MiB |\n|---|---|---|---|")
    with running_site() as site, engine_for(site, "namespace", **SETTINGS) as engine:
        for name, found in measure_all(engine, site):
            print(found.row(name), flush=True)
        plain = engine.capture(site.add("/plain", "<p>well"))
        print(
            f"\nAfterwards, a plain page gets {plain.status_code}. {len(engine.browser_pids)} browsers were started.\n"
        )


def fuzz() -> None:
    """Run the tests with generated input, and count the inputs that hypothesis tried."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "hypothesis"]
    done = subprocess.run(
        [*command, "--hypothesis-profile=thorough", "--hypothesis-show-statistics"],
        check=False,
        capture_output=True,
        text=True,
    )
    tried = sum(map(int, re.findall(r"- (\d+) passing, \d+ failing", done.stdout)))
    tests = re.findall(r"(\d+) (passed|failed|error)", done.stdout.splitlines()[-1])
    print(f"Fuzz inputs tried: {tried}; tests that failed:", end=" ")
    print(f"{sum(int(count) for count, end in tests if end != 'passed')} of {sum(int(count) for count, _ in tests)}\n")


PARTS = {"vectors": vector_table, "corpus": corpus, "hostile": hostile, "fuzz": fuzz, "cost": proxy_cost.main}


def main(part: str = "", *arguments: str) -> None:
    if part == "site":
        proxy_cost.serve()
    elif part in PARTS:
        PARTS[part](*map(int, arguments))
    elif part:
        sys.exit(f"{part} is not a part: choose one of {', '.join(PARTS)}")
    else:
        for each in PARTS.values():
            each()


if __name__ == "__main__":
    main(*sys.argv[1:])
