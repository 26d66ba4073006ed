"""Many simultaneous callers, each with its own pages. wrk cannot do this."""

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

TIMEOUT = aiohttp.ClientTimeout(total=120)
IMPATIENT, OBEDIENT = 1.0, 60.0  # the most seconds that a refused caller stays away; 60 is the longest `Retry-After`


def request_all(base: str, paths: Sequence[str], at_once: int) -> Counter[int]:
    """Request all `paths`, `at_once` at a time. Return the statuses, 0 for each request without a response."""
    return asyncio.run(_request_all(base, paths, at_once))


async def _request_all(base: str, paths: Sequence[str], at_once: int) -> Counter[int]:
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

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=TIMEOUT) as http:
        await asyncio.gather(*(caller() for _ in range(at_once)))
    return statuses


@dataclass
class Responses:
    """The responses to the callers: the count of each status, and the seconds until each refusal."""

    statuses: Counter[int] = field(default_factory=Counter)
    refusals: list[float] = field(default_factory=list)


@contextmanager
def keep_requesting(base: str, callers: int, cold_path: str, patience: float = IMPATIENT) -> Iterator[Responses]:
    """Let `callers` request cold pages (`cold_path` has a `{}`) until the block ends. Refused callers retry.

    A caller obeys `Retry-After` up to `patience` seconds. Jitter spreads the retries.
    """
    responses = Responses()
    stop = threading.Event()
    requesting = _request_until(base, callers, cold_path, patience, responses, stop)
    thread = threading.Thread(target=asyncio.run, args=(requesting,))
    thread.start()
    try:
        yield responses
    finally:
        stop.set()
        thread.join()


async def _request_until(
    base: str, callers: int, cold_path: str, patience: float, responses: Responses, stop: threading.Event
) -> None:
    numbers, rng = count(), random.Random(SEED)

    async def caller() -> None:
        while True:
            began = time.monotonic()
            try:
                async with http.get(base + cold_path.format(next(numbers))) as answer:
                    await answer.read()
                    responses.statuses[answer.status] += 1
                    if answer.status == 503:
                        responses.refusals.append(time.monotonic() - began)
                    pause = min(float(answer.headers.get("Retry-After", 0)), patience) * rng.uniform(0.5, 1.5)
            except (aiohttp.ClientError, TimeoutError, OSError):
                responses.statuses[0] += 1
                pause = 0.2
            await asyncio.sleep(pause)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=TIMEOUT) as http:
        tasks = [asyncio.create_task(caller()) for _ in range(callers)]
        await asyncio.to_thread(stop.wait)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
