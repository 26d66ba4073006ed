"""Waits until a page has loaded, or until what it still waits for will never come."""

import asyncio
import contextlib

from engine.devtools.connection import ProtocolError
from engine.errors import PageFailed
from engine.page import scripts
from engine.page.page import Page
from engine.traffic import Traffic

# A page that shows something, and whose network was silent for so long, waits for something that never comes.
SILENT_SECONDS = 2.5
TRICKLE_BYTES = 1000  # within these seconds are silence too
# A page may poll, or show a stream, beside a part that never comes. Once it has been there for so long, only a real
# download keeps it from being captured: one of 20 kB a second.
LONG_SECONDS, DOWNLOAD_BYTES = 8, 50_000
ANSWER_SECONDS = 0.3
ARRIVED = scripts.call_expression(scripts.ARRIVED)


async def wait_for_load(page: Page, traffic: Traffic, milestone: str) -> None:
    """Wait until the document has passed `milestone`, a name of Page.lifecycleEvent, or has nothing left to wait for."""
    passed = asyncio.ensure_future(page.frame.wait_for_load(milestone))
    silence = asyncio.ensure_future(_wait_for_silence(page, traffic))
    try:
        await asyncio.wait([passed, silence], return_when=asyncio.FIRST_COMPLETED)
        (passed if passed.done() else silence).result()
    finally:
        for waiting in (passed, silence):
            waiting.cancel()
        await asyncio.wait([passed, silence])


async def _wait_for_silence(page: Page, traffic: Traffic) -> None:
    """Wait until the network of a page that has something to show is silent, and has nothing left that may answer."""
    traffic.has_given_up = False  # what the document before this one waited for is over
    await _silence(page, traffic, SILENT_SECONDS)
    traffic.has_given_up = True  # the proxy ends the requests that got no answer
    await _silence(page, traffic, SILENT_SECONDS / 2)
    while not await _is_drawable(page):
        await _silence(page, traffic, SILENT_SECONDS / 2)


async def _silence(page: Page, traffic: Traffic, seconds: float) -> None:
    """Wait until next to nothing has come for some seconds, of a document that is there."""
    now, seen, arrived = asyncio.get_running_loop().time, traffic.bytes, None
    since = now()
    while now() - since < seconds:
        await page.session.pause(seconds / 12)
        trickle = TRICKLE_BYTES if now() < page.frame.since + LONG_SECONDS else DOWNLOAD_BYTES
        if traffic.bytes > seen + trickle or page.is_replaced():
            latest = await _arrived(page)
            if _polls(arrived, latest) and traffic.bytes < seen + DOWNLOAD_BYTES and not page.is_replaced():
                continue
            seen, since, arrived = traffic.bytes, now(), latest
            traffic.has_given_up &= not page.is_replaced()


def _polls(before: list[int] | None, after: list[int] | None) -> bool:
    """Return whether scripts have fetched something meanwhile, but no part has come that `load` may wait for."""
    return bool(before and after and before[0] == after[0] and before[1] < after[1])


async def _arrived(page: Page) -> list[int] | None:
    """Ask for the numbers of `scripts.ARRIVED`, unless the page is too busy to answer at once."""
    asking = page.frame.ask(ARRIVED)
    with contextlib.suppress(ProtocolError, TimeoutError):
        async with asyncio.timeout(ANSWER_SECONDS):
            value = (await asking)["result"].get("value") if asking else None
            return value if isinstance(value, list) else None
    return None


async def _is_drawable(page: Page) -> bool:
    """Ask the page, whose scripts are terminated if they are what keeps it from loading."""
    with contextlib.suppress(ProtocolError, PageFailed):
        return bool(await page.run(scripts.DRAWABLE))
    return False
