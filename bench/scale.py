"""Many pictures: requests by Zipf's law, caches of three sizes, and the memory of the web processes."""

import math
import os
import random
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import cache
from itertools import accumulate
from pathlib import Path

import redis as redis_library

import netguard
from bench import pictures
from bench.crowd import request_all
from bench.load import Load, alternate, require_clean, wrk
from bench.report import Row, count, percent, times
from bench.servers import (
    FakeApi,
    path,
    running_bare,
    running_fake_api,
    running_ours,
    running_ours_process,
    running_tutorial,
)
from bench.tutorial_app import cache_key
from coordination import CacheKeys, CacheRedis, RedisBreaker
from model import Picture, ThumbnailRequest
from netguard import Guard
from tests.support.redis import RedisServer, running_redis
from thumbnails.cache import PictureCache
from validation import Validator

DISTINCT = 10_000
HITS = 100_000
SIZES = (1_000, 10_000, 100_000)
KEPT_SECONDS = 86400
# Misses until both processes remember all the queries that they may: 8,192 each, of which none is the other's.
WARMING = 17_000
SMALL_MEMORY = 4 << 20
PIPELINE_SIZE = 200
# Requests until the memory of each process has the pictures that it will keep. Of the next ones, 2 % are new to it.
FILLING = 160_000
VALIDATOR = Validator(Guard(frozenset({80, 443}), netguard.exemptions(()), netguard.system_lookup))


def rows(work: Path) -> list[Row]:
    with running_redis() as redis, running_fake_api(work) as api:
        zipf = _zipf(work, redis, api)
    with running_fake_api(work) as api:
        flat = _flat(work, api)
    with running_redis() as redis, running_fake_api(work) as api:
        return [*zipf, *flat, _growth(work, redis, api)]


def zipf_pages(pages: int, asked: int) -> list[str]:
    """Draw `asked` of `pages` by Zipf's law (exponent 1), the same in every run."""
    rng = random.Random(pictures.SEED)
    weights = list(accumulate(1 / rank for rank in range(1, pages + 1)))
    return [path(f"page/{number}") for number in rng.choices(range(pages), cum_weights=weights, k=asked)]


def fill_ours(url: str, body: bytes, size: tuple[int, int], pages: range) -> None:
    """Store `body` under the keys of `pages` by the code that stores renditions, many in one round trip."""
    picture = Picture(body, "image/png", *size, datetime.now(UTC))
    with redis_library.Redis.from_url(url) as client, client.pipeline(transaction=False) as pipeline:
        cache = PictureCache(CacheRedis(pipeline, RedisBreaker(), CacheKeys()))
        for number in pages:
            cache.put_rendition(_request(number), picture, KEPT_SECONDS)
            if len(pipeline) >= PIPELINE_SIZE:
                pipeline.execute()
        pipeline.execute()


@cache
def _request(number: int) -> ThumbnailRequest:
    """Parse the query of a page once, since the same pages are stored several times."""
    return VALIDATOR.parse_query(path(f"page/{number}").partition("?")[2].encode())


def fill_tutorial(url: str, body: bytes, pages: range) -> None:
    with redis_library.Redis.from_url(url) as client:
        for number in pages:
            client.set(cache_key(f"http://93.184.216.34/page/{number}", 1280, 720, "png"), body, ex=KEPT_SECONDS)


def _zipf(work: Path, redis: RedisServer, api: FakeApi) -> list[Row]:
    body = (work / "pictures" / "1280x720.png").read_bytes()
    fill_ours(redis.url, body, (1280, 720), range(DISTINCT))
    fill_tutorial(redis.url, body, range(DISTINCT))
    asked = zipf_pages(DISTINCT, 50_000)
    with ExitStack() as stack:
        ours = stack.enter_context(running_ours(work, redis, api))
        tutorial = stack.enter_context(running_tutorial(work, redis, api))
        bare = stack.enter_context(running_bare(work, work / "pictures" / "1280x720.png"))
        beginning = wrk(ours, asked, 2)
        _request_many(ours, asked)
        found = alternate(
            {
                "tutorial": lambda: wrk(tutorial, asked, 2),
                "ours": lambda: wrk(ours, asked, 2),
                "bare": lambda: wrk(bare, asked, 2),
            }
        )
    require_clean(found | {"beginning": beginning})
    if api.calls():
        raise RuntimeError("what was to be a hit was captured")
    mine, peer, bare_load = found["ours"], found["tutorial"], found["bare"]
    ratio = mine.rate / peer.rate
    return [
        Row(
            f"distinct hits/s ({DISTINCT:,} pictures, Zipf), p99",
            f"{count(mine.rate)}, {mine.p99:.1f} ms",
            f"tutorial's design {count(peer.rate)}, {peer.p99:.1f} ms",
            times(ratio),
            "≥ 3 ×",
            ratio >= 3,
            headline=True,
        ),
        Row(
            "the same",
            f"{count(mine.rate)}, {mine.p99:.1f} ms",
            f"bare WSGI function, one body {count(bare_load.rate)}, {bare_load.p99:.1f} ms",
            percent(mine.rate / bare_load.rate),
            "≥ 55 %",
            mine.rate >= 0.55 * bare_load.rate,
        ),
        Row(
            "the same in the first two seconds of the web processes, which know no picture and no query yet",
            f"{count(beginning.rate)}, {beginning.p99:.1f} ms",
            f"tutorial's design {count(peer.rate)}",
            times(beginning.rate / peer.rate),
        ),
    ]


def _request_many(url: str, paths: list[str]) -> None:
    """Send at least FILLING requests, however long they take."""
    sent = 0.0
    while sent < FILLING:
        load = wrk(url, paths, 4)
        require_clean({"filling": load})
        sent += load.rate * 4


def _flat(work: Path, api: FakeApi) -> list[Row]:
    """Request the same thousand pages from services with caches of different sizes, and then all cached pages."""
    body = pictures.page_picture(320, 180, 6000)
    same = zipf_pages(SIZES[0], 20_000)
    with ExitStack() as stack:
        contenders: dict[str, Callable[[], Load]] = {}
        for size in SIZES:
            redis = stack.enter_context(running_redis())
            fill_ours(redis.url, body, (320, 180), range(size))
            url = stack.enter_context(running_ours(work, redis, api))
            everything = zipf_pages(size, 50_000)
            wrk(url, same, 1)
            contenders[f"same {size}"] = lambda url=url: wrk(url, same, 2)
            contenders[f"all {size}"] = lambda url=url, everything=everything: wrk(url, everything, 1)
        found = alternate(contenders)
    require_clean(found)
    if api.calls():
        raise RuntimeError("what was to be a hit was captured")
    loads = {size: found[f"same {size}"] for size in SIZES}
    spread = {size: found[f"all {size}"] for size in SIZES}
    rates = [load.rate for load in loads.values()]
    slope = min(rates) / max(rates)
    return [
        Row(
            f"hits/s with {' / '.join(f'{size:,}' for size in SIZES)} pictures cached (6 kB each; the same 1,000 requested)",
            " / ".join(count(rate) for rate in rates),
            "all of them requested by Zipf: " + " / ".join(count(load.rate) for load in spread.values()),
            percent(slope),
            "flat within 10 %",
            slope >= 0.9,
        )
    ]


def _growth(work: Path, redis: RedisServer, api: FakeApi) -> Row:
    """Measure the memory of the web processes before, halfway and after a load. A warm-up fills all caches first.

    The pictures in memory are bounded to what the warm-up fills. Otherwise their number would grow until the end.
    """
    with running_ours_process(work, redis, api, memory_cache_bytes=SMALL_MEMORY) as (url, process):

        def run_load(name: str, misses: int, seconds: float) -> float:
            pages = [path(f"{name}/{number}", width=320, height=240, w=160, format="webp") for number in range(misses)]
            statuses = request_all(url, pages, 16)
            if set(statuses) != {200}:
                raise RuntimeError(f"some misses failed, so their memory cannot be measured: {statuses}")
            hot = wrk(url, [path("hot")], seconds)
            require_clean({name: hot})
            return hot.rate * seconds

        run_load("warm", WARMING, 1)
        seconds = min(math.ceil(HITS / 2 / wrk(url, [path("hot")], 2).rate), 30)
        before = resident_bytes(process)
        hits = 0.0
        hits += run_load("first", 2500, seconds)
        halfway = resident_bytes(process)
        hits += run_load("second", 2500, seconds)
        after = resident_bytes(process)
    growth = after / before
    return Row(
        f"RSS of the web processes before, halfway and after {hits / 1000:.0f},000 hits and 5,000 misses",
        " → ".join(f"{each / 2**20:.0f} MB" for each in (before, halfway, after)),
        ratio=percent(growth),
        goal="no growth after warm-up (within 5 %)",
        met=growth <= 1.05,
    )


def resident_bytes(master: "subprocess.Popen") -> int:
    """Sum up the resident memory of a gunicorn master and its workers."""
    pids = [master.pid]
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            pids += map(int, (task / "children").read_text(encoding="utf-8").split())
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1]) for pid in pids)
    return pages * os.sysconf("SC_PAGE_SIZE")
