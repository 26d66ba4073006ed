"""The catalogue: what a hit of a site's picture costs, and how long lists and additions of 10,000 sites take."""

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import requests

import services
from bench.load import wrk
from bench.report import Row, percent
from bench.servers import path, running_fake_api, running_ours_process
from config import Settings
from model import Picture
from sites import SiteDraft
from sites.migrate import upgrade
from tests.support.postgres import running_postgres
from tests.support.redis import running_redis

SITES, AT_ONCE = 10_000, 1000
ROUNDS = 5
PAGES = {"a page of the list": "/sites?limit=24", "a search in it": "/sites?limit=24&text=site+99"}


def rows(work: Path) -> list[Row]:
    with ExitStack() as stack:
        redis = stack.enter_context(running_redis())
        api = stack.enter_context(running_fake_api(work))
        postgres = stack.enter_context(running_postgres())
        urls = {"SQLite": f"sqlite:///{work}/thumbnails.db", "PostgreSQL": postgres.new_database(migrated=False)}
        found: list[Row] = []
        for name, database_url in urls.items():
            upgrade(database_url)
            changes = {"database_url": database_url, "web_concurrency": 1}
            with running_ours_process(work, redis, api, **changes) as (ours, process):
                if name == "SQLite":
                    found.append(_hits(ours, process.pid, _settings(work, redis.url, api.url, database_url)))
                found += [
                    _additions(name, ours),
                    _import(name, ours),
                    *(_page(name, ours, *page) for page in PAGES.items()),
                ]
        return found


def _settings(work: Path, redis_url: str, api_url: str, database_url: str) -> Settings:
    return Settings.of(
        redis_url=redis_url,
        capture_api="snapsharp",
        capture_url=api_url,
        capture_api_key="bench-key",
        persist_dir=work / "media",
        originals_dir=work / "originals",
        database_url=database_url,
    )


def _hits(ours: str, group: int, settings: Settings) -> Row:
    """Compare the processor time of a hit with that of `/thumb`, of the same bytes."""
    thumb = requests.get(ours + path("hot"), timeout=30).content
    image = f"/sites/{_site_with(settings, thumb)}/image"
    if requests.get(ours + image, timeout=30).content != thumb:
        raise RuntimeError("the two pictures differ")
    costs: dict[str, list[float]] = {path("hot"): [], image: []}
    for each in costs:
        wrk(ours, [each], 1)  # warm-up
    for _ in range(ROUNDS):
        for each, found in costs.items():
            with _processor_time(group) as spent:
                load = wrk(ours, [each], 1)
            found.append(spent() / load.rate * 1e6)
    of_thumb, of_site = (statistics.median(found) for found in costs.values())
    return Row(
        "µs of processor time for a hit of `/sites/{id}/image`, without SQL",
        f"{of_site:.0f}",
        f"`/thumb` {of_thumb:.0f}",
        percent(of_site / of_thumb),
        "≤ 110 %",
        of_site <= 1.1 * of_thumb,
    )


def _site_with(settings: Settings, picture: bytes) -> int:
    built = services.build(settings)
    site = built.catalogue.add(SiteDraft("https://bench.example/"), capture=False)
    built.history.upload(site.id, Picture(picture, "image/png", 1280, 720, datetime.now(UTC)))
    built.close()
    return site.id


def _additions(name: str, ours: str) -> Row:
    began = time.monotonic()
    for start in range(0, SITES, AT_ONCE):
        numbers = range(start, start + AT_ONCE)
        sites = [{"url": f"https://s{n}.example/", "title": f"Site {n}", "tags": [f"t{n % 20}"]} for n in numbers]
        requests.post(f"{ours}/sites", json={"sites": sites, "capture": False}, timeout=60).raise_for_status()
    seconds = time.monotonic() - began
    return Row(f"{SITES:,} sites added, on {name}", f"{seconds:.1f} s", "", "", "≤ 30 s", seconds <= 30)


def _import(name: str, ours: str) -> Row:
    lines = (f"https://i{n}.example/,Site {n},t{n % 20};imported\n" for n in range(SITES))
    text = "url,title,tags\n" + "".join(lines)
    began = time.monotonic()
    answer = requests.post(f"{ours}/sites/import?capture=no", text.encode(), timeout=120)
    seconds = time.monotonic() - began
    if answer.json().get("added") != SITES:
        raise RuntimeError(f"the import failed: {answer.text[:200]}")
    return Row(f"{SITES:,} sites imported from CSV, on {name}", f"{seconds:.1f} s", "", "", "≤ 30 s", seconds <= 30)


def _page(name: str, ours: str, what: str, where: str) -> Row:
    requests.get(ours + where, timeout=30).raise_for_status()
    load = [_timed(lambda: requests.get(ours + where, timeout=30).raise_for_status()) for _ in range(100)]
    p95 = statistics.quantiles(load, n=20)[-1] * 1000
    return Row(f"p95 of {what}, {SITES:,} sites on {name}", f"{p95:.0f} ms", "", "", "≤ 150 ms", p95 <= 150)


def _timed(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


@contextmanager
def _processor_time(group: int) -> Iterator[Callable[[], float]]:
    """Yield a function that returns the seconds of processor time that a process group has used since."""
    before = _seconds(group)
    yield lambda: _seconds(group) - before


def _seconds(group: int) -> float:
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        if int(fields[2]) == group:  # fields after the name: proc_pid_stat(5)
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
