"""The gallery with 10,000 sites, on SQLite and on PostgreSQL: how long its pages take, alone and four at a time."""

import re
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from html import unescape
from pathlib import Path

import requests

from bench.report import Row
from bench.servers import running_fake_api, running_ours
from sites import Catalogue, Database, SiteDraft
from sites.migrate import upgrade
from tests.support.postgres import running_postgres
from tests.support.redis import running_redis
from tests.support.site_states import capture_all

SITES = 10_000
AT_ONCE = 1000
CLIENTS = 4
ROUNDS = 25
MOST_MS = 150
TAGS = ("news", "shop", "design", "reference", "local", "customers", "status", "कला")
# Each kind of page that people open: an order, a tag, a search that many match, one that none does, a later page.
PATHS = (
    "/gallery",
    "/gallery?sort=title",
    "/gallery?sort=added",
    "/gallery?tag=news",
    "/gallery?q=example+99",
    "/gallery?q=none",
)


def rows(work: Path) -> list[Row]:
    with running_redis() as redis, running_fake_api(work) as api:
        found = []
        for name, database_url in _databases(work):
            _fill(database_url)
            settings = {"database_url": database_url, "gallery_public": "true"}
            with running_ours(work, redis, api, **settings) as url:
                found.append(_row(name, url))
    return found


def _databases(work: Path) -> Iterator[tuple[str, str]]:
    yield "SQLite", f"sqlite:///{work}/thumbnails.db"
    with running_postgres() as server:
        yield "PostgreSQL", server.new_database()


def _fill(url: str) -> None:
    upgrade(url)
    with _opened(url) as database:
        catalogue = Catalogue(database, lambda _schedule, _after: None)
        for start in range(0, SITES, AT_ONCE):
            drafts = [_draft(number) for number in range(start, start + AT_ONCE)]
            capture_all(database, catalogue.add_many(drafts), age=timedelta(minutes=start))


def _draft(number: int) -> SiteDraft:
    tags = (TAGS[number % len(TAGS)], TAGS[number // 7 % len(TAGS)])
    return SiteDraft(f"https://www.{number}.example/", title=f"Example {number} of a site's title", tags=tags)


@contextmanager
def _opened(url: str) -> Iterator[Database]:
    database = Database(url)
    yield database
    database.close()


def _row(name: str, url: str) -> Row:
    paths = [*PATHS, *_later_pages(url)]
    for path in paths:
        _milliseconds(url + path)  # opens connections and compiles templates
    alone = _p95([_milliseconds(url + path) for _ in range(ROUNDS) for path in paths])
    with ThreadPoolExecutor(CLIENTS) as pool:
        crowded = _p95(pool.map(_milliseconds, [url + path for path in paths] * ROUNDS))
    return Row(
        f"a page of the gallery of {SITES:,} sites on {name}, p95",
        f"{alone:.0f} ms; {CLIENTS} clients at a time {crowded:.0f} ms",
        goal=f"< {MOST_MS} ms",
        met=alone < MOST_MS,
    )


def _later_pages(url: str) -> list[str]:
    """Return the tenth page, which is reached by its links alone."""
    path = "/gallery"
    for _ in range(9):
        path = unescape(re.search(r'rel="next" href="([^"]+)"', requests.get(url + path, timeout=60).text)[1])
    return [path]


def _milliseconds(url: str) -> float:
    began = time.perf_counter()
    requests.get(url, timeout=60).raise_for_status()
    return (time.perf_counter() - began) * 1000


def _p95(times) -> float:
    return statistics.quantiles(times, n=20)[-1]
