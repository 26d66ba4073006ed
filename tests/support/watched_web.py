"""Runs the web process before a fake engine, and tells what held its hub: see tests/support/production/hub_watch.py."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from tests.support.screenshot_api import Answer, Behaviour, ScreenshotAPI, running_screenshot_api
from tests.support.web import running_web

HUGE = "1000000 per hour"


@dataclass(frozen=True)
class WatchedWeb:
    url: str

    def get(self, target: str, **options: object) -> requests.Response:
        """Request a thumbnail of `target`."""
        return requests.get(f"{self.url}/thumb", params={"url": target, "w": 300} | options, timeout=60)


@contextmanager
def running_watched_web(
    work: Path, redis_url: str, **settings: object
) -> Iterator[tuple[WatchedWeb, ScreenshotAPI, Callable[[], str]]]:
    """Yield the web process, its engine, and a function that returns what has held the hub since the start.

    Starting may take as long as it likes, and so may the first request.
    """
    steps = work / "long-steps"
    limits = {"thumb_limit": HUGE, "request_limit": HUGE, "rendition_limit": HUGE}
    with (
        running_screenshot_api("engine") as api,
        running_web(
            work / "web.log",
            hub_watch=steps,
            web_concurrency=1,
            redis_url=redis_url,
            capture_api="engine",
            capture_url=api.url,
            **limits | settings,
        ) as url,
    ):
        web = WatchedWeb(url)
        web.get("http://93.184.216.34/first").raise_for_status()
        steps.write_text("")
        yield web, api, steps.read_text


def replay(status: int, body: bytes, headers: Mapping[str, str]) -> Behaviour:
    """Answer as an engine did before."""
    kept = {name: value for name, value in headers.items() if name == "Content-Type" or name.startswith("X-")}

    def behaviour(answer: Answer) -> None:
        answer.reply(status, body, kept)

    return behaviour
