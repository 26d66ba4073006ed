"""Cards per second: ours in the engine, and the same card by satori and resvg, the usual tools without a browser."""

import asyncio
import os
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import aiohttp

from bench.captures import Capture, captures_a_second
from bench.load import Load, alternate, require_clean, wrk
from bench.report import Row, count, percent, times
from bench.servers import FakeApi, running_ours
from tests.support.engine import running_engine
from tests.support.node import installed
from tests.support.processes import free_port, running
from tests.support.redis import running_redis

FOLDER = Path(__file__).parent / "satori"
FONTS = Path("/usr/share/fonts/truetype/noto")
AT_ONCE = (1, 2, 4)
ROUNDS = 3
SECONDS = 3
CARD = {
    "title": "What a picture of a page owes its reader",
    "description": "A link preview has half a second. Here is how to spend it well.",
    "tag": "Essay",
    "brand": "Field Notes",
    "author": "Mira Okafor",
    "note": "November 29, 2026 · 6 min read",
}


def rows(work: Path) -> list[Row]:
    with running_redis() as redis, running_engine() as engine, running_satori() as satori:
        settings = {"capture_api": "engine", "capture_api_key": ""}
        with running_ours(work, redis, FakeApi(engine.url), **settings) as url:
            ours = f"{url}/card/article.png"
            cold = asyncio.run(_cold({"ours": ours, "satori": satori}))
            known = _known(url, satori)
    return [_cold_row(cold), _known_row(known)]


@contextmanager
def running_satori() -> Iterator[str]:
    """Run satori and resvg behind a bare HTTP server, one process for each core."""
    port = free_port()
    (home := installed(FOLDER)).joinpath("server.mjs").write_bytes((FOLDER / "server.mjs").read_bytes())
    fonts = [str(FONTS / name) for name in ("NotoSerifDisplay-Bold.ttf", "NotoSans-Regular.ttf", "NotoSans-Bold.ttf")]
    with running(["node", str(home / "server.mjs"), str(port), str(os.cpu_count()), *fonts], port):
        yield f"http://127.0.0.1:{port}/"


async def _cold(contenders: dict[str, str]) -> dict[tuple[str, int], list[float]]:
    """Draw cards with titles of their own. The contenders take turns in each round."""
    async with aiohttp.ClientSession() as http:

        def drawing(address: str) -> Capture:
            async def drawn(numbered: str) -> int:
                title = f"{CARD['title']} {numbered.rpartition('=')[2]}"
                async with http.get(f"{address}?{urlencode(CARD | {'title': title})}") as answer:
                    answer.raise_for_status()
                    return len(await answer.read())

            return drawn

        turns = [(name, at_once) for at_once in AT_ONCE for name in contenders]
        draw = {name: drawing(address) for name, address in contenders.items()}
        for each in draw.values():
            await captures_a_second(each, "", 2, 1)  # warm-up
        found: dict[tuple[str, int], list[float]] = {turn: [] for turn in turns}
        for _ in range(ROUNDS):
            for name, at_once in turns:
                found[name, at_once].append(await captures_a_second(draw[name], "", at_once, SECONDS))
            turns.reverse()
    return found


def _known(ours: str, satori: str) -> dict[str, Load]:
    query = urlencode(CARD)
    found = alternate(
        {
            "ours": lambda: wrk(ours, [f"/card/article.png?{query}"], SECONDS, connections=4),
            "satori": lambda: wrk(satori.rstrip("/"), [f"/?{query}"], SECONDS, connections=4),
        }
    )
    require_clean(found)
    return found


def _cold_row(rates: dict[tuple[str, int], list[float]]) -> Row:
    def shown(name: str) -> str:
        return ", ".join(count(statistics.median(rates[name, at_once])) for at_once in AT_ONCE)

    ratios = [
        statistics.median(one / other for one, other in zip(rates["ours", each], rates["satori", each], strict=True))
        for each in AT_ONCE
    ]
    return Row(
        f"new cards/s (`article`, 1200 × 630), {', '.join(map(str, AT_ONCE))} at a time",
        shown("ours"),
        f"satori and resvg, {os.cpu_count()} processes, {shown('satori')}",
        ", ".join(map(percent, ratios)),
        headline=True,
    )


def _known_row(loads: dict[str, Load]) -> Row:
    ours, satori = loads["ours"], loads["satori"]
    return Row(
        "known cards/s, p99",
        f"{count(ours.rate)}, {ours.p99:.1f} ms",
        f"satori and resvg draw again: {count(satori.rate)}, {satori.p99:.0f} ms",
        times(ours.rate / satori.rate),
        headline=True,
    )
