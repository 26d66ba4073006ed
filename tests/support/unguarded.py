"""Runs the engine's browser without proxy, namespace or flags, to show what a page could reach."""

import asyncio
from collections.abc import Mapping

from engine.browser.browser import Browser, Isolation
from engine.browser.process import FLAGS
from engine.config import EngineSettings
from scripts.headless_shell import chromium
from tests.support.inprocess import leave_orphans_alone
from tests.support.victims import Victim

GUARDING = {"--no-pings", "--block-new-web-contents"}
SECONDS = 4


class Unguarded(Browser):
    def _proxy_options(self, proxy):
        return {}

    def _target_created(self, event):
        """Leave pop-ups open."""


async def hits_of(pages: Mapping[str, tuple[str, Victim]]) -> dict[str, list[str]]:
    """Open the pages, four at a time. Each stays open until its victim was hit, or for SECONDS."""
    flags = [flag for flag in FLAGS if flag not in GUARDING]
    browser = await Unguarded.launch(
        EngineSettings(engine_chromium=chromium()), Isolation(namespace=False, sandbox=True), flags
    )
    free = asyncio.Semaphore(4)

    async def visit(url: str, victim: Victim) -> list[str]:
        async with free, browser.page() as blank:
            blank.session.send("Page.navigate", url=url)
            await asyncio.to_thread(victim.hit.wait, SECONDS)
            return list(victim.hits)

    try:
        found = await asyncio.gather(*(visit(*page) for page in pages.values()))
    finally:
        await browser.close()
        leave_orphans_alone()
    return dict(zip(pages, found, strict=True))
