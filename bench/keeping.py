"""What is kept of a page: bytes of Redis, the time for another rendition of it, and hits; beside originals in Redis."""

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import redis as redis_library
import requests

from bench import pictures
from bench.captures import running_pages
from bench.load import alternate, require_clean, wrk
from bench.report import Row, count, percent, times
from bench.servers import path, running_fake_api, running_ours
from tests.support.engine import running_engine
from tests.support.redis import running_redis

PAGES = 40
ROUNDS = 3
SECONDS = 3
RENDITIONS = {"w": 640, "format": "webp"}, {"w": 320, "format": "jpeg"}
NEW_SIZES = *RENDITIONS, {"w": 320, "format": "webp"}
MOST_BYTES = 400_000
GIGABYTE = 1e9


@dataclass(frozen=True)
class Service:
    """A running service, its Redis, and the folder of its originals."""

    url: str
    redis_url: str
    folder: Path

    def get(self, page: int, **options: object) -> float:
        """Request a picture, and return the milliseconds that it took."""
        began = time.perf_counter()
        requests.get(self.url + path(f"page{page}", **options), timeout=60).raise_for_status()
        return (time.perf_counter() - began) * 1000

    def bytes_of_page(self) -> float:
        with redis_library.Redis.from_url(self.redis_url) as client:
            names = [*client.keys("thumb:picture:*"), *client.keys("thumb:original:*")]
            return sum(client.memory_usage(name) or 0 for name in names) / PAGES

    def files_of_page(self) -> float:
        return sum(file.stat().st_size for file in self.folder.glob("??/*")) / PAGES


def rows(work: Path) -> list[Row]:
    with running_pages() as site, running_engine(PRIVATE_TARGETS=urlsplit(site).netloc) as engine:
        captured = {name: engine.capture(f"{site}/{name}").content for name in ("typical", "simple")}
    found = [_rows(work / name, name, body) for name, body in captured.items()]
    return [row for each in found for row in each]


def _rows(work: Path, name: str, captured: bytes) -> list[Row]:
    work.mkdir()
    pictures.write_all(work / "pictures")
    (work / "pictures" / "1280x720.png").write_bytes(captured)
    with _running(work, "folder") as ours, _running(work, "redis") as other:
        for page in range(PAGES):
            for service in (ours, other):
                for options in ({}, *RENDITIONS):
                    service.get(page, **options)
        kept, before = ours.bytes_of_page(), other.bytes_of_page()
        new_sizes = [_new_size(ours, other, options) for options in NEW_SIZES]
        hits = _hits(ours, other)
        beside = f"{name} page of {len(captured) / 1000:.0f} kB"
        return [
            Row(
                f"Redis bytes of a {beside} with 3 renditions (png, 640 webp, 320 jpeg); originals in a folder",
                f"{kept / 1000:.0f} kB, and {ours.files_of_page() / 1000:.0f} kB of the folder",
                f"originals in Redis {before / 1000:.0f} kB",
                percent(kept / before),
                f"≤ {MOST_BYTES // 1000} kB",
                kept <= MOST_BYTES,
            ),
            Row(
                f"pages per GB of Redis, {name} page",
                count(GIGABYTE / kept),
                f"originals in Redis {count(GIGABYTE / before)}",
                times(before / kept),
                "≥ 10 ×" if name == "typical" else "reported",
                before >= 10 * kept if name == "typical" else None,
                headline=name == "typical",
            ),
            Row(
                f"ms of another rendition of a known {name} page (640 webp, 320 jpeg, 320 webp)",
                ", ".join(f"{each.mine:.1f}" for each in new_sizes),
                "originals in Redis " + ", ".join(f"{each.theirs:.1f}" for each in new_sizes),
                ", ".join(percent(each.ratio) for each in new_sizes),
                "reported",  # the goal is for the version before, in which encoding took twice as long too
            ),
            *hits_rows(name, hits),
        ]


def hits_rows(name: str, hits: dict[str, float]) -> list[Row]:
    return [
        Row(
            f"hits/s of {PAGES} {name} pages, {what}, not in the memory of the process",
            count(hits[f"{what}, ours"]),
            f"originals in Redis {count(hits[f'{what}, other'])}",
            percent(hits[f"{what}, ours"] / hits[f"{what}, other"]),
            "≥ 95 %",
            hits[f"{what}, ours"] >= 0.95 * hits[f"{what}, other"],
        )
        for what in ("webp", "png")
    ]


@contextmanager
def _running(work: Path, originals: str) -> Iterator[Service]:
    """Run our service without its tier in memory, which hides for seconds where a picture is kept."""
    folder = work / originals
    folder.mkdir()
    with (
        running_redis() as redis,
        running_fake_api(work) as api,
        running_ours(
            folder,
            redis,
            api,
            originals=originals,
            originals_dir=folder / "kept",
            memory_cache_bytes=0,
            web_concurrency=1,
        ) as url,
    ):
        yield Service(url, redis.url, folder / "kept")


@dataclass(frozen=True)
class Pairs:
    """Medians in milliseconds, and that of the pairs' ratios."""

    mine: float
    theirs: float
    ratio: float


def _new_size(ours: Service, other: Service, options: dict[str, object]) -> Pairs:
    """Request a new size of each known page, from both services in turn."""
    pairs = []
    for page in range(PAGES):
        wanted = options | {"w": int(options["w"]) + 1 + page % 7}
        taken = {id(each): each.get(page, **wanted) for each in ((ours, other) if page % 2 else (other, ours))}
        pairs.append((taken[id(ours)], taken[id(other)]))
    mine, theirs = (statistics.median(each) for each in zip(*pairs, strict=True))
    return Pairs(mine, theirs, statistics.median(one / two for one, two in pairs))


def _hits(ours: Service, other: Service) -> dict[str, float]:
    wanted = {"webp": RENDITIONS[0], "png": {}}
    contenders = {
        f"{what}, {who}": lambda service=service, options=options: wrk(
            service.url, [path(f"page{page}", **options) for page in range(PAGES)], SECONDS
        )
        for what, options in wanted.items()
        for who, service in (("ours", ours), ("other", other))
    }
    found = alternate(contenders, ROUNDS)
    require_clean(found)
    return {name: load.rate for name, load in found.items()}
