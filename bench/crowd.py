"""Many callers at once, each asking for pages of its own: what wrk cannot do."""

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

import aiohttp

from bench.pictures import SEED

PATIENCE = aiohttp.ClientTimeout(total=120)


def fetch_all(base: str, paths: Sequence[str], at_once: int) -> Counter[int]:
    """Ask for every one of `paths`, `at_once` at a time; return the statuses, 0 where no answer came."""
    return asyncio.run(_fetch_all(base, paths, at_once))


async def _fetch_all(base: str, paths: Sequence[str], at_once: int) -> Counter[int]:
    statuses: Counter[int] = Counter()
    left = iter(paths)

    async def caller() -> None:
        for path in left:
            try:
                async with http.get(base + path) as answer:
                    await answer.read()
                    statuses[answer.status] += 1
            except (aiohttp.ClientError, TimeoutError, OSError):
                statuses[0] += 1

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=PATIENCE) as http:
        await asyncio.gather(*(caller() for _ in range(at_once)))
    return statuses


@dataclass
class Answers:
    """What the callers got: how often each status, and after how many seconds a refusal came."""

    statuses: Counter[int] = field(default_factory=Counter)
    refusals: list[float] = field(default_factory=list)


@contextmanager
def pending(base: str, callers: int, cold_path: str) -> Iterator[Answers]:
    """Keep `callers` asking for cold pages (`cold_path` has a `{}`) until the block ends; who is refused, asks again.

    A refusal's `Retry-After` is obeyed, but for about a second at most, so that the crowd stays; not by all in step.
    """
    answers = Answers()
    stop = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_besiege(base, callers, cold_path, answers, stop)))
    thread.start()
    try:
        yield answers
    finally:
        stop.set()
        thread.join()


async def _besiege(base: str, callers: int, cold_path: str, answers: Answers, stop: threading.Event) -> None:
    numbers, chance = count(), random.Random(SEED)

    async def caller() -> None:
        while True:
            began = time.monotonic()
            try:
                async with http.get(base + cold_path.format(next(numbers))) as answer:
                    await answer.read()
                    answers.statuses[answer.status] += 1
                    if answer.status == 503:
                        answers.refusals.append(time.monotonic() - began)
                    pause = min(float(answer.headers.get("Retry-After", 0)), 1) * chance.uniform(0.5, 1.5)
            except (aiohttp.ClientError, TimeoutError, OSError):
                answers.statuses[0] += 1
                pause = 0.2
            await asyncio.sleep(pause)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=PATIENCE) as http:
        tasks = [asyncio.create_task(caller()) for _ in range(callers)]
        await asyncio.to_thread(stop.wait)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
